import type { Tensor } from "@tensorflow/tfjs";
import { binding, idOf, keepVariablesInPlace, tensorFrom, tf } from "./backend";
import { c, cString, check, status } from "./capi";
import { dtypeNumber } from "./dtypes";
import { Recorder, type Capture, type GraphOutput, type Precision } from "./recorder";
import { TraceError, VARIABLE_IN_TRACE } from "./traceError";

export type JitResult = Tensor | Tensor[] | void;

export interface JitOptions {
  /** Name in errors and profiles. */
  name?: string;
  /** `bfloat16` and `float16` compute matrix products so, with float32 results; all else stays float32. */
  precision?: Precision;
  /** Compile with XLA: the way on a GPU; on a CPU equally fast after a longer first call. */
  xla?: boolean;
}

export interface JitFunction<A extends Tensor[], R extends JitResult> {
  (...args: A): R;
  /** One entry for each signature traced so far. */
  readonly traces: readonly TraceInfo[];
  /** Frees the compiled functions and what they captured. The function can be called again: it is traced anew. */
  dispose(): void;
}

export interface TraceInfo {
  signature: string;
  nodes: number;
  milliseconds: number;
}

interface Compiled extends TraceInfo {
  name: string;
  captures: Capture[];
  outputs: { shape: number[]; dtype: number }[];
  single: boolean;
  empty: boolean;
}

let functionCount = 0;

const signatureOf = (args: readonly Tensor[]): string => args.map((arg) => `${arg.dtype}[${arg.shape}]`).join(", ");

/**
 * Compiles a function of tensors: its ops are recorded once for each signature (dtypes and shapes of the arguments),
 * gradients included, and later calls run the whole graph as one op on TensorFlow's own thread. The call returns at
 * once; `await result.data()` waits without holding the event loop, `dataSync()` holds it.
 *
 * Inside the function use tf ops only: JavaScript runs while tracing and not again. `tf.variable`s are read and
 * written in place, in program order.
 *
 * @throws TraceError when the function reads a traced value; TypeError for an argument that is not a tensor.
 */
export function jit<A extends Tensor[], R extends JitResult>(fn: (...args: A) => R, options: JitOptions = {}): JitFunction<A, R> {
  const cache = new Map<string, Compiled>();
  const call = (...args: A): R => {
    args.forEach((arg, i) => {
      if (!(arg instanceof tf.Tensor)) throw new TypeError(`jit: argument ${i + 1} of ${options.name ?? "the function"} is not a tensor. Capture plain values, or pass tf.scalar(value).`);
    });
    // Inside another trace the ops become part of it; under an eager gradient tape they must be seen by the tape.
    if (binding.recorder || tf.engine().state.gradientDepth > 0) return fn(...args);
    const signature = signatureOf(args);
    let compiled = cache.get(signature);
    if (!compiled) {
      compiled = trace(fn, args, signature, options);
      cache.set(signature, compiled);
    }
    const outputs = run(compiled, args, options);
    return (compiled.empty ? undefined : compiled.single ? outputs[0] : outputs) as R;
  };
  const traces = (): TraceInfo[] => [...cache.values()].map(({ signature, nodes, milliseconds }) => ({ signature, nodes, milliseconds }));
  const dispose = (): void => {
    for (const compiled of cache.values()) free(compiled);
    cache.clear();
  };
  return Object.defineProperties(call, { traces: { get: traces }, dispose: { value: dispose } }) as JitFunction<A, R>;
}

function trace<A extends Tensor[], R extends JitResult>(fn: (...args: A) => R, args: A, signature: string, options: JitOptions): Compiled {
  const started = performance.now();
  keepVariablesInPlace();
  const recorder = new Recorder(binding.context, options.precision ?? "float32", !options.xla);
  const engine = tf.engine();
  const variables = new Set(Object.keys(engine.state.registeredVariables));
  binding.recorder = recorder;
  engine.startScope("jit");
  let done = false;
  try {
    const parameters = args.map((arg) => tensorFrom(binding.adoptSymbol(recorder.parameter(dtypeNumber(arg.dtype), arg.shape))));
    const result = fn(...(parameters as A));
    if (disposeNewVariables(variables)) throw new TraceError(VARIABLE_IN_TRACE);
    const list: Tensor[] = result === undefined ? [] : Array.isArray(result) ? result : [result];
    list.forEach((tensor: unknown) => refuseOtherThanTensor(tensor, options.name));
    const name = `${options.name ?? "jit"}_${functionCount++}`;
    const outputs = finish(recorder, name, list.map((tensor) => binding.symbolOf(idOf(tensor))));
    done = true;
    return {
      name, signature, outputs, captures: recorder.captures, nodes: recorder.nodeCount,
      single: !Array.isArray(result), empty: result === undefined, milliseconds: performance.now() - started,
    };
  } finally {
    binding.recorder = null;
    engine.endScope();
    if (!done) {
      disposeNewVariables(variables);
      disposeTape();
      for (const capture of recorder.captures) capture.release();
    }
    recorder.dispose();
  }
}

/** Disposes the variables that are not in `before`. Returns whether there were any. */
function disposeNewVariables(before: ReadonlySet<string>): boolean {
  const made = Object.entries(tf.engine().state.registeredVariables).filter(([name]) => !before.has(name));
  for (const [, variable] of made) variable.dispose();
  return made.length > 0;
}

/** Frees what tfjs keeps for a backward pass that an error prevented. */
function disposeTape(): void {
  const { state } = tf.engine();
  for (const { saved } of state.activeTape ?? []) tf.dispose(saved ?? []);
  state.activeTape = null as never;
}

function refuseOtherThanTensor(result: unknown, name = "the function"): void {
  if (result instanceof tf.Tensor) return;
  if (result instanceof Promise) {
    // What the function's rest meets is part of the same mistake.
    result.catch(() => undefined);
    throw new TypeError(`jit: ${name} is asynchronous. A traced function runs without waiting: remove async and await, and read results after the call.`);
  }
  throw new TypeError(`jit: ${name} returned ${result === null ? "null" : typeof result}; it must return a tensor, an array of tensors or nothing.`);
}

/** Makes the recorded graph a TensorFlow function. Returns the outputs' shapes and dtypes. */
function finish(recorder: Recorder, name: string, results: GraphOutput[]): Compiled["outputs"] {
  const fn = recorder.toFunction(name, results);
  c.TFE_ContextAddFunction(binding.context.handle, fn, status);
  check(`register ${name}`);
  c.TF_DeleteFunction(fn);
  return results.map(({ shape, dtype }) => ({ shape: shape!, dtype }));
}

function run(compiled: Compiled, args: readonly Tensor[], options: JitOptions): Tensor[] {
  const { context } = binding;
  const handles = new BigUint64Array(Math.max(1, compiled.outputs.length));
  const count = Int32Array.of(compiled.outputs.length);
  // An op belongs to the executor in place when it is made, not when it is executed.
  binding.callWith(args.map(idOf), (inputs) => context.inBackground(() => {
    const op = c.TFE_NewOp(context.handle, cString(compiled.name), status);
    if (op === 0) check(compiled.name);
    try {
      if (context.gpu) c.TFE_OpSetDevice(op, cString(context.gpu.name), status);
      for (const input of inputs) c.TFE_OpAddInput(op, input, status);
      for (const capture of compiled.captures) c.TFE_OpAddInput(op, capture.handle(), status);
      if (options.xla) c.TFE_OpSetAttrBool(op, cString("_XlaMustCompile"), 1);
      c.TFE_Execute(op, handles, count, status);
      checkCall(compiled.name, options.name);
    } finally {
      c.TFE_DeleteOp(op);
    }
  }));
  return compiled.outputs.map(({ shape, dtype }, i) => {
    const known = shape.every((size) => size >= 0);
    return tensorFrom(binding.adopt(Number(handles[i]), known ? shape : undefined, known ? dtype : undefined));
  });
}

/** A call is queued, so what it reports at once may be the failure of an earlier one whose result nobody has read. */
function checkCall(compiledName: string, name = compiledName): void {
  const failed = /function_node (\w+)/.exec(c.TF_Message(status))?.[1];
  check(failed === undefined || failed === compiledName ? name : `${name} did not run: an earlier compiled call failed`);
}

function free(compiled: Compiled): void {
  binding.context.settleBackground();
  c.TFE_ContextRemoveFunction(binding.context.handle, cString(compiled.name), status);
  for (const capture of compiled.captures) capture.release();
}
