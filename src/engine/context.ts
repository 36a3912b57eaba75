import { availableParallelism } from "node:os";
import { c, cString, check, nativeView, status, type Pointer } from "./capi";
import { firstGpu, type Device } from "./devices";
import { configProto, parseOpDefinition, type OpDefinition } from "./proto";

/**
 * TensorFlow's eager context and its two executors. Short ops run on the caller's thread. Compiled functions run on
 * a thread of TensorFlow's own, one at a time and in order: the call returns at once and a read of a result waits.
 */
export class Context {
  readonly handle: Pointer;
  readonly devices: Device[];
  /** The device that holds tensors: the first GPU, or null for the CPU. */
  readonly gpu: Device | null;
  readonly threads: { intraOp: number; interOp: number };
  private readonly immediate: Pointer;
  private readonly background: Pointer;
  /** For parts of functions to be compiled before the first call needs them; made with the first. */
  private compiler: Pointer | null = null;
  private backgroundBusy = false;
  private readonly definitions = new Map<string, OpDefinition>();
  private readonly emptyGraph: Pointer;

  constructor() {
    const cores = availableParallelism();
    // Two threads within ops wait for each other longer than two ops side by side do: a training step of 2,048 tokens took
    // 2.75 s with them, and 2.14 s with parts of the batch side by side. More cores than two were not measured.
    const intraOp = Number(process.env.ALIGNLAB_INTRA_OP_THREADS ?? (cores === 2 ? 1 : cores));
    // More than two take turns with the threads within ops.
    this.threads = { intraOp, interOp: Number(process.env.ALIGNLAB_INTER_OP_THREADS ?? (intraOp === 1 ? cores : Math.min(2, cores))) };
    const options = c.TFE_NewContextOptions();
    const config = configProto({ intraOpThreads: this.threads.intraOp, interOpThreads: this.threads.interOp });
    c.TFE_ContextOptionsSetConfig(options, config, config.length, status);
    check("TensorFlow configuration");
    this.handle = c.TFE_NewContext(options, status);
    check("TensorFlow context");
    c.TFE_DeleteContextOptions(options);
    this.devices = this.listDevices();
    this.gpu = firstGpu(this.devices);
    this.immediate = c.TFE_ContextGetExecutorForThread(this.handle);
    this.background = c.TFE_NewExecutor(true, true, 0);
    this.emptyGraph = c.TF_NewGraph();
  }

  private listDevices(): Device[] {
    const list = c.TFE_ContextListDevices(this.handle, status);
    check("device list");
    const devices: Device[] = [];
    for (let i = 0; i < c.TF_DeviceListCount(list); i++) {
      devices.push({ name: c.TF_DeviceListName(list, i, status), type: c.TF_DeviceListType(list, i, status) });
    }
    c.TF_DeleteDeviceList(list);
    return devices;
  }

  /** Runs `enqueue` with the background executor in place: what it makes and executes is queued there. */
  inBackground<T>(enqueue: () => T): T {
    c.TFE_ContextSetExecutorForThread(this.handle, this.background);
    try {
      this.backgroundBusy = true;
      return enqueue();
    } finally {
      c.TFE_ContextSetExecutorForThread(this.handle, this.immediate);
    }
  }

  /** Runs `enqueue` with an executor in place that works beside all others; nobody waits for what it queues but `settleCompiler`. */
  inCompiler(enqueue: () => void): void {
    if (this.compiler === null) {
      this.compiler = c.TFE_NewExecutor(true, true, 0);
      // A compiler at work does not survive the end of the process under it.
      process.once("exit", () => this.settleCompiler());
    }
    c.TFE_ContextSetExecutorForThread(this.handle, this.compiler);
    try {
      enqueue();
    } finally {
      c.TFE_ContextSetExecutorForThread(this.handle, this.immediate);
    }
  }

  /** Waits for what `inCompiler` queued. A failure is that of the call that needs the part. */
  settleCompiler(): void {
    if (this.compiler === null) return;
    c.TFE_ExecutorWaitForAllPendingNodes(this.compiler, status);
    if (c.TF_GetCode(status) !== 0) c.TFE_ExecutorClearError(this.compiler);
  }

  /** Whether calls may still be queued or running: nobody has waited for them. */
  get isBusy(): boolean {
    return this.backgroundBusy;
  }

  /**
   * Waits until the background thread has run everything queued so far.
   * @throws TensorFlowError when one of those calls failed and nobody has been told yet
   */
  waitForBackground(): void {
    if (!this.backgroundBusy) return;
    c.TFE_ExecutorWaitForAllPendingNodes(this.background, status);
    this.backgroundBusy = false;
    if (c.TF_GetCode(status) === 0) return;
    try {
      check("An earlier compiled call failed");
    } finally {
      this.clearBackgroundError();
    }
  }

  /**
   * `waitForBackground` for cleaning up: a failure stays with the results of the call. After a failed read too: the
   * result tells of a failure a moment before the thread does, which then refuses work.
   */
  settleBackground(): void {
    if (!this.backgroundBusy) return;
    c.TFE_ExecutorWaitForAllPendingNodes(this.background, status);
    this.backgroundBusy = false;
    if (c.TF_GetCode(status) !== 0) this.clearBackgroundError();
  }

  /** After a failure the background thread refuses work until it is told to go on. */
  private clearBackgroundError(): void {
    c.TFE_ExecutorClearError(this.background);
  }

  opDefinition(name: string): OpDefinition {
    let definition = this.definitions.get(name);
    if (!definition) {
      const buffer = c.TF_NewBuffer();
      c.TF_GraphGetOpDef(this.emptyGraph, cString(name), buffer, status);
      check(`op ${name}`);
      const [address, length] = new BigUint64Array(nativeView(buffer, 16).slice().buffer);
      definition = parseOpDefinition(nativeView(Number(address), Number(length)).slice());
      c.TF_DeleteBuffer(buffer);
      this.definitions.set(name, definition);
    }
    return definition;
  }
}
