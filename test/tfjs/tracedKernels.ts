import { inspect } from "node:util";
import type { KernelConfig, KernelFunc, Tensor, TensorInfo } from "@tensorflow/tfjs";
import { binding, keepVariablesInPlace, tf } from "../../src/engine/backend";
import { jit, type JitFunction } from "../../src/engine/jit";
import { TraceError } from "../../src/engine/traceError";
import type { KernelReport } from "./report";
import { WITHOUT_OPS } from "./untraced";


export const kernels: KernelReport = { calls: 0, traced: 0, functions: 0, untraced: {} };

type Inputs = Record<string, TensorInfo | TensorInfo[] | null | undefined>;
type Result = Tensor | Tensor[];

const functions = new Map<string, JitFunction<Tensor[], Result>>();
const untraceable = new Set<string>();

/**
 * Puts a traced function in place of each kernel of the backend. Kernels of the backward pass are among them. Every call
 * of a public op then runs as compiled functions of its kernels, each traced for its attributes and shapes.
 */
export function traceKernels(): void {
  for (const config of tf.getKernelsForBackend("tensorflow")) {
    if (config.kernelName in WITHOUT_OPS) continue;
    tf.unregisterKernel(config.kernelName, config.backendName);
    tf.registerKernel({ ...config, kernelFunc: tracedKernel(config) });
  }
  moveVariablesBeforehand();
}

/** A trace moves variables into TensorFlow's memory, which tfjs would take for a leak of the kernel: they move just before. */
function moveVariablesBeforehand(): void {
  const engine = tf.engine();
  const { runKernel } = engine;
  engine.runKernel = (...call) => {
    if (!binding.recorder) keepVariablesInPlace();
    return runKernel.apply(engine, call) as never;
  };
}

const tensorsOf = (inputs: Inputs): TensorInfo[] => Object.values(inputs).flatMap((input) => input ?? []);

/** The same inputs, one or a list under each name, with other tensors. */
function withTensors(inputs: Inputs, tensors: readonly Tensor[]): Inputs {
  let next = 0;
  const take = (input: TensorInfo | TensorInfo[] | null | undefined): Inputs[string] => (!input ? input : Array.isArray(input) ? input.map(() => tensors[next++]!) : tensors[next++]!);
  const entries = Object.entries(inputs).map(([name, input]): [string, Inputs[string]] => [name, take(input)]);
  return Array.isArray(inputs) ? (entries.map(([, input]) => input) as unknown as Inputs) : Object.fromEntries(entries);
}

/** A tensor that tfjs does not count, for a kernel that was given only a tensor's description. */
const asTensor = (info: TensorInfo): Tensor =>
  info instanceof tf.Tensor ? info : new (tf.Tensor as unknown as new (...of: unknown[]) => Tensor)(info.shape, info.dtype, info.dataId, -1);

function tracedKernel({ kernelName, kernelFunc }: KernelConfig): KernelFunc {
  return (call) => {
    if (binding.recorder) return kernelFunc(call);
    kernels.calls++;
    const inputs = call.inputs as Inputs;
    const args = tensorsOf(inputs).map(asTensor);
    const shapes = Object.entries(inputs).map(([name, input]) => `${name}: ${[input ?? []].flat().map(({ dtype, shape }) => `${dtype}[${shape}]`)}`);
    const key = inspect([kernelName, shapes, call.attrs], { depth: null, maxArrayLength: null, maxStringLength: null, breakLength: Infinity });
    if (untraceable.has(key)) return untracedCall(kernelName, () => kernelFunc(call), "");
    let fn = functions.get(key);
    if (!fn) {
      fn = jit((...tensors: Tensor[]) => kernelFunc({ ...call, inputs: withTensors(inputs, tensors) as never }) as Result, { name: kernelName });
      functions.set(key, fn);
      kernels.functions++;
    }
    try {
      return outsideOfTape(() => settled(fn!(...args)));
    } catch (error) {
      binding.context.settleBackground();
      if (fn.traces.length === 0) functions.delete(key);
      if (!(error instanceof TraceError)) throw error;
      untraceable.add(key);
      return untracedCall(kernelName, () => kernelFunc(call), error.message);
    }
  };
}

function untracedCall<T>(kernelName: string, run: () => T, error: string): T {
  const entry = (kernels.untraced[kernelName] ??= { calls: 0, error });
  entry.calls++;
  return run();
}

/** Under a gradient tape `jit` would let the ops run eagerly for the tape to see; the tape has seen this kernel already. */
function outsideOfTape<T>(run: () => T): T {
  const { state } = tf.engine();
  const { gradientDepth, activeTape } = state;
  state.gradientDepth = 0;
  state.activeTape = null as never;
  try {
    return run();
  } finally {
    state.gradientDepth = gradientDepth;
    state.activeTape = activeTape;
  }
}

/** The results once they are computed, so that an op's failure is the kernel's own. */
function settled(results: Result): Result {
  try {
    binding.context.waitForBackground();
  } catch (error) {
    tf.dispose(results);
    throw error;
  }
  kernels.traced++;
  return results;
}
