import type { DataType, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { binding, rawOp, tensorFrom, tf, type } from "./backend";
import { hash32 } from "./random";
import type { GraphOutput, Recorder } from "./recorder";
import { dropout, multinomial, statelessGamma, statelessNormal, statelessTruncatedNormal, statelessUniform, statelessUniformInt } from "./stateless";
import { TraceError } from "./traceError";

/**
 * tfjs draws its random numbers in JavaScript, which a trace would keep as constants. While a function is traced, its
 * random functions draw on the device instead, from a seed and the number of the call.
 */

/** From what a jit function's random numbers come: the seed tells functions apart, the number of the call its calls. */
export interface Draws {
  readonly seed: number;
  readonly calls: number;
}

interface Stream {
  draws: Draws;
  /** Random ops recorded so far. */
  ops: number;
  call: GraphOutput | null;
}

const streams = new WeakMap<Recorder, Stream>();

export function openStream(recorder: Recorder, draws: Draws): void {
  streams.set(recorder, { draws, ops: 0, call: null });
}

/** Of a `jit` function that runs without being traced. */
let direct: { draws: Draws; ops: number } | null = null;

/** Whether such a function runs now. */
export const isDrawing = (): boolean => direct !== null;

/** Runs a function that is not traced with random numbers that depend on `draws`, as a trace's do. */
export function withDraws<T>(draws: Draws, run: () => T): T {
  direct = { draws, ops: 0 };
  try {
    return run();
  } finally {
    direct = null;
  }
}

const NO_STREAM = "Random numbers cannot be drawn here, inside a part that is compiled by itself: draw them outside and pass the tensor in.";

/** The next op's seed: another for each op of a trace and each call of it. @param given the seed that the user gave */
function nextSeed(given: number | string | null | undefined): Tensor {
  if (direct) return tf.tensor1d([hash32(`${given ?? direct.draws.seed} ${direct.ops++}`), direct.draws.calls], "int32");
  const recorder = binding.recorder!;
  const stream = streams.get(recorder);
  if (!stream) throw new TraceError(NO_STREAM);
  const { draws } = stream;
  stream.call ??= recorder.captureNumber(() => draws.calls);
  const word = hash32(`${given ?? draws.seed} ${stream.ops++}`);
  return rawOp("Pack", [tf.scalar(word, "int32"), tensorFrom(binding.adoptSymbol(stream.call))], { N: 2, T: type("int32"), axis: 0 });
}

type Shape = number[];

/** int32 as tfjs makes it of a float32 deviate: rounded by the normal ones. */
const rounded = (x: Tensor, dtype: DataType | undefined): Tensor => (dtype === "int32" ? tf.cast(tf.round(x), "int32") : x);

function refuseDtype(name: string, dtype: DataType | undefined, allowed: readonly DataType[]): void {
  if (dtype && !allowed.includes(dtype)) throw new Error(`tf.${name} makes ${allowed.join(" or ")}, not ${dtype}.`);
}

const NUMBERS = ["float32", "int32"] as const;

const traced = {
  randomNormal(shape: Shape, mean = 0, stdDev = 1, dtype?: DataType, seed?: number): Tensor {
    refuseDtype("randomNormal", dtype, NUMBERS);
    return rounded(statelessNormal(shape as [number], nextSeed(seed), mean, stdDev), dtype);
  },
  randomStandardNormal(shape: Shape, dtype?: DataType, seed?: number): Tensor {
    return traced.randomNormal(shape, 0, 1, dtype, seed);
  },
  truncatedNormal(shape: Shape, mean = 0, stdDev = 1, dtype?: DataType, seed?: number): Tensor {
    refuseDtype("truncatedNormal", dtype, NUMBERS);
    return rounded(statelessTruncatedNormal(shape as [number], nextSeed(seed), mean, stdDev), dtype);
  },
  randomUniform(shape: Shape, min = 0, max = 1, dtype: DataType = "float32", seed?: number | string): Tensor {
    refuseDtype("randomUniform", dtype, ["float32", "int32", "bool"]);
    const drawn = statelessUniform(shape as [number], nextSeed(seed), min, max);
    if (dtype === "float32") return drawn;
    const whole = tf.cast(drawn, "int32");
    return dtype === "bool" ? tf.cast(whole, "bool") : whole;
  },
  randomUniformInt(shape: Shape, min: number, max: number, seed?: number | string): Tensor {
    return statelessUniformInt(shape as [number], nextSeed(seed), min, max);
  },
  randomGamma(shape: Shape, alpha: number, beta?: number, dtype: DataType = "float32", seed?: number): Tensor {
    refuseDtype("randomGamma", dtype, NUMBERS);
    return rounded(statelessGamma(shape as [number], nextSeed(seed), alpha, beta), dtype);
  },
  dropout(x: Tensor | number[], rate: number, noiseShape?: (number | null)[], seed?: number | string): Tensor {
    const input = x instanceof tf.Tensor ? x : tf.tensor(x);
    const noise = noiseShape?.map((size, axis) => size ?? input.shape[axis]!);
    return dropout(input, rate, nextSeed(seed), noise);
  },
  multinomial(logits: Tensor1D | Tensor2D | number[], numSamples: number, seed?: number, normalized = false): Tensor {
    const input = logits instanceof tf.Tensor ? logits : (tf.tensor(logits) as Tensor1D | Tensor2D);
    return multinomial(normalized ? tf.log(input) : input, numSamples, nextSeed(seed));
  },
  rand(): Tensor {
    throw new TraceError("tf.rand takes its numbers from a JavaScript function, which would run while tracing and not again. Inside jit use tf.randomUniform, or pass the tensor in.");
  },
};

// The functions that tfjs exports are looked up here at each call, by itself and by tf.layers.
const core = require("@tensorflow/tfjs-core") as Record<string, (...args: never[]) => Tensor>;
for (const [name, whileTracing] of Object.entries(traced) as [string, (...args: never[]) => Tensor][]) {
  const stock = core[name]!;
  // tfjs's ops are known by their functions' names.
  core[name] = Object.defineProperty((...args: never[]) => (binding.recorder || direct ? whileTracing(...args) : stock(...args)), "name", { value: stock.name });
}
