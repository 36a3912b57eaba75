import type { Rank, ShapeMap, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { rawOp, tf, type } from "./backend";

/**
 * Random numbers that depend on nothing but their seed (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"):
 * drawn on the device, eager and inside `jit`, the same in both. XLA draws other numbers from the same seed.
 */

/** A whole number from 0 to 2^53 − 1, or two 32-bit words as an int32 tensor [2], which may change from call to call. */
export type Seed = number | Tensor;

/** @throws RangeError for a number that is no seed */
export function checkedSeed(seed: number): number {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`A seed is a whole number from 0 to 2^53 − 1, not ${seed}.`);
  return seed;
}

function seedTensor(seed: Seed): Tensor {
  if (typeof seed === "number") return tf.tensor1d([checkedSeed(seed) | 0, Math.floor(seed / 2 ** 32)], "int32");
  if (seed.dtype !== "int32" || seed.size !== 2 || seed.rank !== 1) throw new TypeError(`A seed tensor is int32 [2]; this one is ${seed.dtype} [${seed.shape}].`);
  return seed;
}

function draw(op: "StatelessRandomUniform" | "StatelessRandomUniformInt" | "StatelessRandomNormal" | "StatelessTruncatedNormal" | "StatelessRandomGammaV2", shape: readonly number[], seed: Seed, parameters: Tensor[] = [], attributes: Record<string, { type: number }> = {}): Tensor {
  tf.util.assertNonNegativeIntegerDimensions([...shape]);
  return rawOp(op, [tf.tensor1d([...shape], "int32"), seedTensor(seed), ...parameters], { T: type("int32"), Tseed: type("int32"), dtype: type("float32"), ...attributes });
}

/** Independent numbers, uniform in [min, max). @returns float32 of the shape */
export function statelessUniform<R extends Rank>(shape: ShapeMap[R], seed: Seed, min = 0, max = 1): Tensor<R> {
  return tf.tidy(() => scaled(draw("StatelessRandomUniform", shape, seed), max - min, min)) as Tensor<R>;
}

/** Independent whole numbers, each of min … max − 1 as likely as the other. @returns int32 of the shape */
export function statelessUniformInt<R extends Rank>(shape: ShapeMap[R], seed: Seed, min: number, max: number): Tensor<R> {
  const limits = [min, max];
  if (!limits.every((limit) => Number.isInteger(limit) && Math.abs(limit) < 2 ** 31) || min >= max) throw new RangeError(`Limits must be whole numbers of 32 bits, the lower below the upper; they are ${min} and ${max}.`);
  return tf.tidy(() => draw("StatelessRandomUniformInt", shape, seed, limits.map((limit) => tf.scalar(limit, "int32")), { dtype: type("int32") })) as Tensor<R>;
}

/** Independent normal deviates. @returns float32 of the shape */
export function statelessNormal<R extends Rank>(shape: ShapeMap[R], seed: Seed, mean = 0, stdDev = 1): Tensor<R> {
  return tf.tidy(() => scaled(draw("StatelessRandomNormal", shape, seed), stdDev, mean)) as Tensor<R>;
}

/** Normal deviates of which those beyond two standard deviations are drawn again. @returns float32 of the shape */
export function statelessTruncatedNormal<R extends Rank>(shape: ShapeMap[R], seed: Seed, mean = 0, stdDev = 1): Tensor<R> {
  return tf.tidy(() => scaled(draw("StatelessTruncatedNormal", shape, seed), stdDev, mean)) as Tensor<R>;
}

/** Gamma deviates of shape `alpha` and rate `beta`: mean α/β, variance α/β². @returns float32 of the shape */
export function statelessGamma<R extends Rank>(shape: ShapeMap[R], seed: Seed, alpha: number, beta = 1): Tensor<R> {
  if (!(alpha > 0 && beta > 0)) throw new RangeError(`The gamma distribution's alpha and beta are above 0; they are ${alpha} and ${beta}.`);
  return tf.tidy(() => scaled(draw("StatelessRandomGammaV2", shape, seed, [tf.scalar(alpha)]), 1 / beta, 0)) as Tensor<R>;
}

function scaled(x: Tensor, by: number, plus: number): Tensor {
  const product = by === 1 ? x : tf.mul(x, by);
  return plus === 0 ? product : tf.add(product, plus);
}

/**
 * Dropout (Srivastava et al. 2014): each value is 0 with probability `rate`, else divided by 1 − rate.
 * @param noiseShape where it has 1, values along that axis share their fate
 */
export function dropout<T extends Tensor>(x: T, rate: number, seed: Seed, noiseShape: readonly number[] = x.shape): T {
  if (x.dtype !== "float32") throw new TypeError(`dropout scales its input, which must be float32, not ${x.dtype}.`);
  if (!(rate >= 0 && rate < 1)) throw new RangeError(`dropout's rate lies in [0, 1), it is ${rate}.`);
  if (rate === 0) return x.clone();
  return tf.tidy(() => {
    const isKept = tf.greaterEqual(draw("StatelessRandomUniform", noiseShape, seed), rate);
    return tf.mul(x, tf.mul(tf.cast(isKept, "float32"), 1 / (1 - rate)));
  }) as T;
}

/**
 * Draws from softmax(logits), with replacement.
 * @param logits [classes] or [batch, classes] @returns int32 [numSamples] or [batch, numSamples]
 */
export function multinomial<T extends Tensor1D | Tensor2D>(logits: T, numSamples: number, seed: Seed): T {
  const classes = logits.shape[logits.rank - 1]!;
  if (logits.rank !== 1 && logits.rank !== 2) throw new RangeError(`multinomial takes logits of rank 1 or 2, not [${(logits as Tensor).shape}].`);
  if (classes < 2) throw new RangeError(`multinomial needs at least 2 outcomes, not ${classes}.`);
  return tf.tidy(() => {
    const rows = tf.reshape(logits as Tensor, [-1, classes]);
    const drawn = rawOp("StatelessMultinomial", [rows, tf.scalar(numSamples, "int32"), seedTensor(seed)], { T: type("float32"), Tseed: type("int32"), output_dtype: type("int32") });
    return logits.rank === 1 ? tf.reshape(drawn, [numSamples]) : drawn;
  }) as T;
}
