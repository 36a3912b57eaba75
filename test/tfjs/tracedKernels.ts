import { inspect } from "node:util";
import type { KernelConfig, KernelFunc, Tensor, TensorInfo } from "@tensorflow/tfjs";
import { binding, keepVariablesInPlace, tf } from "../../src/engine/backend";
import { jit, type JitFunction } from "../../src/engine/jit";
import type { TracedCalls } from "./report";
import { settled } from "./settled";

/** Calls of kernels outside of a trace, and those that ran as compiled functions. */
export const kernels: TracedCalls = { calls: 0, traced: 0 };

/** Kernels that run no op of TensorFlow, so that there is nothing to trace: the result is the same data under another name. */
const WITHOUT_OPS = new Set(["Identity"]);

type Inputs = Record<string, TensorInfo | TensorInfo[] | null | undefined>;
type Result = Tensor | Tensor[];

const functions = new Map<string, JitFunction<Tensor[], Result>>();

/**
 * Puts a traced function in place of each kernel of the backend: every call of a public op runs as compiled functions of
 * its kernels, each traced for its attributes and shapes. Within a trace the kernels are as they were.
 */
export function traceKernels(): void {
  for (const config of tf.getKernelsForBackend("tensorflow")) {
    if (WITHOUT_OPS.has(config.kernelName)) continue;
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
    let fn = functions.get(key);
    if (!fn) {
      fn = jit((...tensors: Tensor[]) => kernelFunc({ ...call, inputs: withTensors(inputs, tensors) as never }) as Result, { name: kernelName });
      functions.set(key, fn);
    }
    try {
      const results = outsideOfTape(() => settled(fn!(...args)));
      kernels.traced++;
      return results;
    } catch (error) {
      binding.context.settleBackground();
      throw error;
    }
  };
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
