import type { Tensor } from "@tensorflow/tfjs";
import { binding, tf } from "./backend";
import { hasTensorflow } from "./capi";
import { call, free, type NativeFunction } from "./compiled";
import { runDirectly } from "./direct";
import { callOnTape, freeDifferentiable, type Differentiable } from "./differentiable";
import { whenDropped } from "./dropped";
import type { Precision } from "./recorder";
import { EXPECTED_TRACES, explainRetracing, explainThrashing, typeText, type ArgumentType } from "./retrace";
import { checkedSeed } from "./stateless";
import { replaceSums } from "./sums";
import { traceCall, traceWithGradient, type JitResult, type Traced, type TraceOptions } from "./trace";
import { traceBound, TraceCache, type TraceBound } from "./traceCache";
import type { Draws } from "./tracedRandom";

if (hasTensorflow) replaceSums();

export type { JitResult } from "./trace";

export interface JitOptions {
  /** Name in errors and profiles. */
  name?: string;
  /** `bfloat16` and `float16` compute matrix products so, with float32 results; all else stays float32. */
  precision?: Precision;
  /**
   * Compile with XLA. Default: on a GPU, and not on a CPU, where it is equally fast after a longer first call, and gradient
   * checkpointing saves nothing. ALIGNLAB_XLA, 1 or 0, is another default. XLA knows no strings: a call with an argument of
   * strings is not compiled by default, and refused with `true`.
   */
  xla?: boolean;
  /**
   * Of the numbers that `tf.randomNormal`, `tf.dropout` and the like draw inside: call n of two functions with one seed
   * draws the same, and other numbers than call n + 1. Default: another for each function, in the order they are made.
   */
  seed?: number;
  /** Signatures that are no cause for a warning. Default 4; Infinity where the number is known to be right. */
  expectedTraces?: number;
  /**
   * Signatures that stay compiled. Beyond, the one that was not called for longest is freed, and traced anew if it comes
   * again; one whose gradient a tape has still to ask for stays until then. Default 256.
   */
  maxTraces?: number;
  /** The same for what they take in TensorFlow's memory beside their tensors, in bytes. Default 2·10⁹: about 55 training steps of the packaged model. */
  maxBytes?: number;
}

export interface JitFunction<A extends Tensor[], R extends JitResult> {
  (...args: A): R;
  /** One entry for each signature that is compiled now, in the order of their making. */
  readonly traces: readonly TraceInfo[];
  /** Traces made so far, of signatures that were freed since too. */
  readonly traceCount: number;
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

/** What was traced for one signature. */
interface Compiled extends TraceInfo {
  number: number;
  bytes: number;
  run(args: readonly Tensor[]): JitResult;
  free(): void;
}

/** What a jit function holds. It must not lead to the function itself, which could then never be found unused. */
class State implements Draws {
  readonly cache: TraceCache<Compiled>;
  /** Where nothing is compiled: signatures that ran. */
  readonly direct = new Map<string, TraceInfo>();
  /** The arguments' types of each signature met, without a tape and under one. */
  readonly met = [new Map<string, readonly ArgumentType[]>(), new Map<string, readonly ArgumentType[]>()] as const;
  readonly warned = { ofSignatures: false, ofRetraces: false };
  calls = 0;
  traceCount = 0;

  constructor(readonly seed: number, bound: TraceBound) {
    this.cache = new TraceCache(bound);
  }

  get traces(): TraceInfo[] {
    return [...this.cache.values.sort((a, b) => a.number - b.number), ...this.direct.values()].map(({ signature, nodes, milliseconds }) => ({ signature, nodes, milliseconds }));
  }

  free(): void {
    this.cache.clear();
    for (const met of this.met) met.clear();
    this.direct.clear();
  }
}

let functionCount = 0;

/** Whether XLA compiles a function that does not say: on a GPU, where op by op each one is a launch of its own. */
export function compilesByDefault(): boolean {
  if (!hasTensorflow) return false;
  const given = process.env.ALIGNLAB_XLA;
  if (given !== undefined && given !== "" && given !== "0" && given !== "1") throw new RangeError(`ALIGNLAB_XLA is ${JSON.stringify(given)}; 1 (XLA compiles each jit function) or 0 (none) is needed.`);
  return given ? given === "1" : binding.context.gpu !== null;
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
 * @throws TraceError when the function reads a traced value; TypeError for an argument that is not a tensor, or one of
 * strings with `xla: true`.
 */
export function jit<A extends Tensor[], R extends JitResult>(fn: (...args: A) => R, options: JitOptions = {}): JitFunction<A, R> {
  const { name, precision, xla: asked, expectedTraces = EXPECTED_TRACES } = options;
  const byDefault = compilesByDefault();
  const state = new State(checkedSeed(options.seed ?? functionCount++), traceBound(options, name ?? "a function"));
  const traceable = fn as unknown as (...args: Tensor[]) => JitResult;
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
    const how: TraceOptions = { name, precision, xla: compilesWhole(args, asked, byDefault, name) };
    const make = (): Runnable => (tapes === 1 ? onTape(traceWithGradient(traceable, args, how, state), how) : offTape(traceCall(traceable, args, how, state), how));
    const compiled = compiledFor(state, args, { name, expectedTraces, onTape: tapes === 1 }, make);
    state.calls++;
    return compiled.run(args) as R;
  };
  Object.defineProperties(jitted, { traces: { get: () => state.traces }, traceCount: { get: () => state.traceCount }, dispose: { value: () => state.free() } });
  if (hasTensorflow) whenDropped(jitted, state);
  return jitted as JitFunction<A, R>;
}

/** Whether XLA compiles a call. Where it looks at an argument of strings, TensorFlow ends the process. */
function compilesWhole(args: readonly Tensor[], asked: boolean | undefined, byDefault: boolean, name = "the function"): boolean {
  const text = args.findIndex(({ dtype }) => dtype === "string");
  if (text < 0) return asked ?? byDefault;
  if (asked) throw new TypeError(`jit: argument ${text + 1} of ${name} holds strings, which XLA does not compile. Leave out the option xla: true.`);
  return false;
}

/** Counts a call without a trace. */
function noteRun(state: State, args: readonly Tensor[]): void {
  state.calls++;
  const signature = args.map(typeText).join(", ");
  if (state.direct.has(signature)) return;
  state.traceCount++;
  state.direct.set(signature, { signature, nodes: 0, milliseconds: 0 });
}

/** Gradient tapes that record what happens now; none of them does within an op. */
function openTapes(): number {
  const { gradientDepth, kernelDepth } = tf.engine().state;
  return kernelDepth === 0 ? gradientDepth : 0;
}

/** A trace with what its calls and its end do. */
type Runnable = Pick<Compiled, "nodes" | "bytes" | "run" | "free">;

function offTape({ compiled, nodes, bytes, ...form }: Traced<NativeFunction>, { name, xla }: TraceOptions): Runnable {
  return { nodes, bytes, run: (args) => given(form, call(compiled, args, name ?? compiled.name, xla)), free: () => free(compiled) };
}

function onTape({ compiled, nodes, bytes, ...form }: Traced<Differentiable>, { name, xla }: TraceOptions): Runnable {
  return { nodes, bytes, run: (args) => given(form, callOnTape(compiled, args, name ?? compiled.forward.name, xla)), free: () => freeDifferentiable(compiled) };
}

function given({ empty, single }: Pick<Traced<unknown>, "empty" | "single">, outputs: Tensor[]): JitResult {
  if (empty) return undefined;
  return single ? outputs[0]! : outputs;
}

function compiledFor(state: State, args: readonly Tensor[], options: { name: string | undefined; expectedTraces: number; onTape: boolean }, make: () => Runnable): Compiled {
  const types = args.map(({ dtype, shape }): ArgumentType => ({ dtype, shape: [...shape] }));
  const signature = types.map(typeText).join(", ");
  return state.cache.take(`${options.onTape ? "∂ " : ""}${signature}`, options.onTape, () => {
    const started = performance.now();
    const runnable = make();
    const milliseconds = performance.now() - started;
    const met = state.met[options.onTape ? 1 : 0];
    met.set(signature, types);
    warn(state, [...met.values()], options);
    return { ...runnable, signature, milliseconds, number: state.traceCount++ };
  });
}

/** Once for each function and cause: a loop that compiles at every turn would else drown its own output. */
function warn({ warned, cache }: State, met: readonly (readonly ArgumentType[])[], { name = "a function", expectedTraces }: { name?: string | undefined; expectedTraces: number }): void {
  if (!warned.ofSignatures && met.length > expectedTraces) {
    warned.ofSignatures = true;
    console.warn(explainRetracing(name, met));
  }
  if (!warned.ofRetraces && cache.isThrashing) {
    warned.ofRetraces = true;
    console.warn(explainThrashing(name, cache));
  }
}
