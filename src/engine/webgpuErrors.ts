import type { KernelBackend } from "@tensorflow/tfjs";
import { BackendError } from "./choice";
import type { GpuDevice } from "./webgpu";

/** What of tfjs's WebGPU backend is guarded here. */
interface Guarded {
  read(dataId: object): Promise<unknown>;
  readSync(dataId: object): unknown;
  runWebGPUProgram(...call: unknown[]): unknown;
  tensorMap: { get(dataId: object): { values: unknown; dtype: string } };
}

/**
 * WebGPU reports an invalid command, or memory that is not there, by an event and computes on with anything. Here the
 * first such event ends the work: every op and every read after it fails and names the cause.
 */
export function failOnErrors(backend: KernelBackend, device: GpuDevice): void {
  let failure: string | null = null;
  device.addEventListener("uncapturederror", (event) => {
    failure ??= (event as Event & { error: { message: string } }).error.message;
  });
  void device.lost.then(({ reason, message }) => (failure ??= `the device was lost (${reason}) ${message}`));
  const check = (): void => {
    if (failure === null) return;
    throw new BackendError(`WebGPU reported an error, and what was computed since is not to be trusted: ${failure.trim()} Restart the process (in a notebook: the kernel) to compute on.`);
  };
  const guarded = backend as unknown as Guarded;
  const { read, readSync, runWebGPUProgram } = guarded;
  guarded.read = async function (dataId) {
    check();
    const values = await read.call(this, dataId);
    check();
    return values;
  };
  guarded.readSync = function (dataId) {
    check();
    const data = this.tensorMap.get(dataId);
    if (data.values === null && data.dtype !== "string") throw new BackendError("On the webgpu backend a tensor is read with `await tensor.data()`: dataSync cannot wait for the GPU.");
    return readSync.call(this, dataId);
  };
  guarded.runWebGPUProgram = function (...call) {
    check();
    return runWebGPUProgram.apply(this, call);
  };
}
