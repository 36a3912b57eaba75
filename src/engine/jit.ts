import type { Tensor } from "@tensorflow/tfjs";
import { binding, tf } from "./backend";
import { hasTensorflow } from "./capi";
import { call, free, type NativeFunction } from "./compiled";
import { runDirectly } from "./direct";
import { callOnTape, freeDifferentiable, type Differentiable } from "./differentiable";
import { whenDropped } from "./dropped";
import type { Precision } from "./recorder";
import { EXPECTED_TRACES, explainRetracing, typeText, type ArgumentType } from "./retrace";
import { checkedSeed } from "./stateless";
import { traceCall, traceWithGradient, type JitResult, type Traced, type TraceOptions } from "./trace";
import type { Draws } from "./tracedRandom";

export type { JitResult } from "./trace";

export interface JitOptions {
  /** Name in errors and profiles. */
  name?: string;
  /** `bfloat16` and `float16` compute matrix products so, with float32 results; all else stays float32. */
  precision?: Precision;
  /** Compile with XLA. Default: on a GPU, and not on a CPU, where it is equally fast after a longer first call. */
  xla?: boolean;
  /**
   * Of the numbers that `tf.randomNormal`, `tf.dropout` and the like draw inside: call n of two functions with one seed
   * draws the same, and other numbers than call n + 1. Default: another for each function, in the order they are made.
   */
  seed?: number;
  /** Signatures that are no cause for a warning. Default 4; Infinity where the number is known to be right. */
  expectedTraces?: number;
}

export interface JitFunction<A extends Tensor[], R extends JitResult> {
  (...args: A): R;
  /** One entry for each signature traced so far. */
  readonly traces: readonly TraceInfo[];
  /** Frees the compiled functions and what they captured. The function can be called again: it is traced anew. */
  dispose(): void;
}

export interface TraceInfo {
  /** The arguments' dtypes and shapes; calls under a gradient tape are traced for themselves. */
  signature: string;
  /** Of the compiled graph; 0 where nothing is compiled. */
  nodes: number;
  milliseconds: number;
}

type Compiled<F> = Traced<F> & TraceInfo & { types: readonly ArgumentType[] };

/** What a jit function holds. It must not lead to the function itself, which could then never be found unused. */
class State implements Draws {
  readonly plain = new Map<string, Compiled<NativeFunction>>();
  readonly differentiable = new Map<string, Compiled<Differentiable>>();
  /** Where nothing is compiled: signatures that ran. */
  readonly direct = new Map<string, TraceInfo>();
  calls = 0;
  warned = false;

  constructor(readonly seed: number) {}

  get traces(): TraceInfo[] {
    return [...this.plain.values(), ...this.differentiable.values(), ...this.direct.values()].map(({ signature, nodes, milliseconds }) => ({ signature, nodes, milliseconds }));
  }

  free(): void {
    for (const { compiled } of this.plain.values()) free(compiled);
    for (const { compiled } of this.differentiable.values()) freeDifferentiable(compiled);
    this.plain.clear();
    this.differentiable.clear();
    this.direct.clear();
  }
}

let functionCount = 0;

/** Whether XLA compiles a function that does not say: on a GPU, where op by op each one is a launch of its own. */
export function compilesByDefault(): boolean {
  return hasTensorflow && binding.context.gpu !== null;
}

/**
 * Compiles a function of tensors: its ops are recorded once for each signature (dtypes and shapes of the arguments),
 * gradients included, and later calls run the whole graph as one op on TensorFlow's own thread. The call returns at
 * once; `await result.data()` waits without holding the event loop, `dataSync()` holds it.
 *
 * Inside the function use tf ops only: JavaScript runs while tracing and not again, and a tensor from outside that is no
 * `tf.variable` keeps the value it has then. Variables are read and written in place, in program order. tfjs's random
 * functions draw anew at each call, see `seed`. Inside another `jit` function the ops become part of it, without options
 * of their own. Under a gradient tape the gradient with respect to arguments and variables is traced with the function;
 * for a gradient of a gradient the ops run one by one. Where another backend than TensorFlow computes, they always do, in
 * float32, and nothing is compiled.
 *
 * @throws TraceError when the function reads a traced value; TypeError for an argument that is not a tensor.
 */
export function jit<A extends Tensor[], R extends JitResult>(fn: (...args: A) => R, options: JitOptions = {}): JitFunction<A, R> {
  const state = new State(checkedSeed(options.seed ?? functionCount++));
  const { name, precision, xla = compilesByDefault(), expectedTraces = EXPECTED_TRACES } = options;
  const traceable = fn as unknown as (...args: Tensor[]) => JitResult;
  const how: TraceOptions = { name, precision, xla };
  const jitted = (...args: A): R => {
    args.forEach((arg, i) => {
      if (!(arg instanceof tf.Tensor)) throw new TypeError(`jit: argument ${i + 1} of ${name ?? "the function"} is not a tensor. Capture plain values, or pass tf.scalar(value).`);
    });
    if (!hasTensorflow) {
      const result = runDirectly(traceable, args, name, state) as R;
      noteRun(state, args);
      return result;
    }
    // Inside another trace the ops become part of it. For a gradient of a gradient the tape must see each of them.
    const tapes = openTapes();
    if (binding.recorder || tapes > 1) return fn(...args);
    if (tapes === 1) {
      const traced = compiledFor(state, state.differentiable, args, { name, expectedTraces }, () => traceWithGradient(traceable, args, how, state));
      state.calls++;
      return given(traced, callOnTape(traced.compiled, args, name ?? traced.compiled.forward.name, xla)) as R;
    }
    const traced = compiledFor(state, state.plain, args, { name, expectedTraces }, () => traceCall(traceable, args, how, state));
    state.calls++;
    return given(traced, call(traced.compiled, args, name ?? traced.compiled.name, xla)) as R;
  };
  Object.defineProperties(jitted, { traces: { get: () => state.traces }, dispose: { value: () => state.free() } });
  if (hasTensorflow) whenDropped(jitted, state);
  return jitted as JitFunction<A, R>;
}

/** Counts a call without a trace. */
function noteRun(state: State, args: readonly Tensor[]): void {
  state.calls++;
  const signature = args.map(typeText).join(", ");
  if (!state.direct.has(signature)) state.direct.set(signature, { signature, nodes: 0, milliseconds: 0 });
}

/** Gradient tapes that record what happens now; none of them does within an op. */
function openTapes(): number {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return kernelDepth === 0 ? gradientDepth : 0;
}

function given({ empty, single }: Traced<unknown>, outputs: Tensor[]): JitResult {
  if (empty) return undefined;
  return single ? outputs[0]! : outputs;
}

function compiledFor<F>(
  state: State, cache: Map<string, Compiled<F>>, args: readonly Tensor[], options: { name: string | undefined; expectedTraces: number }, trace: () => Traced<F>,
): Compiled<F> {
  const types = args.map(({ dtype, shape }): ArgumentType => ({ dtype, shape: [...shape] }));
  const signature = types.map(typeText).join(", ");
  let compiled = cache.get(signature);
  if (!compiled) {
    const started = performance.now();
    compiled = { ...trace(), types, signature, milliseconds: performance.now() - started };
    cache.set(signature, compiled);
    // Once for each function: a loop that compiles at every turn would else drown its own output.
    if (!state.warned && cache.size > options.expectedTraces) {
      state.warned = true;
      console.warn(explainRetracing(options.name ?? "a function", [...cache.values()].map((one) => one.types)));
    }
  }
  return compiled;
}
