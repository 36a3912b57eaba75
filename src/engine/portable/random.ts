import type { Tensor } from "@tensorflow/tfjs";
import { RandomSource, hash32 } from "../random";
import { tf } from "../tfjs";

/**
 * TensorFlow's stateless random ops, drawn on the host: the same seed gives the same numbers on every backend but
 * TensorFlow, which draws others.
 */

/** The two words of a seed. */
type Words = readonly number[];

function source(seed: Words): RandomSource {
  const word = (i: number): number => hash32(`${seed.join(" ")} ${i}`) >>> 0;
  // One bit is set, so that the state is never all zero.
  return new RandomSource([word(0) | 1, word(1), word(2), word(3)]);
}

function filled(shape: readonly number[], dtype: "float32" | "int32", seed: Words, draw: (random: RandomSource) => number): Tensor {
  const random = source(seed);
  const values = new (dtype === "int32" ? Int32Array : Float32Array)(tf.util.sizeFromShape([...shape]));
  for (let i = 0; i < values.length; i++) values[i] = draw(random);
  return tf.tensor(values, [...shape], dtype);
}

/** 24 bits, as many as float32 holds: the result is below 1. */
const fraction = (random: RandomSource): number => (random.uint32() >>> 8) * 2 ** -24;

export const randomUniform = (shape: readonly number[], seed: Words): Tensor => filled(shape, "float32", seed, fraction);

export const randomInts = (shape: readonly number[], seed: Words, min: number, max: number): Tensor => filled(shape, "int32", seed, (random) => min + random.integer(max - min));

/** All 32 bits. */
export const randomWords = (shape: readonly number[], seed: Words): Tensor => filled(shape, "int32", seed, (random) => random.uint32() | 0);

export const randomNormal = (shape: readonly number[], seed: Words): Tensor => filled(shape, "float32", seed, (random) => random.normal());

/** Deviates beyond two standard deviations are drawn again. */
export const truncatedNormal = (shape: readonly number[], seed: Words): Tensor => filled(shape, "float32", seed, (random) => {
  for (;;) {
    const value = random.normal();
    if (Math.abs(value) < 2) return value;
  }
});

/** Rate 1. */
export const randomGamma = (shape: readonly number[], seed: Words, alpha: number): Tensor => filled(shape, "float32", seed, (random) => gamma(random, alpha));

/** Marsaglia & Tsang 2000, "A simple method for generating gamma variables"; below 1 by their §6. */
function gamma(random: RandomSource, alpha: number): number {
  if (alpha < 1) return gamma(random, alpha + 1) * (1 - random.uniform()) ** (1 / alpha);
  const d = alpha - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

/** Draws from softmax(logits): the largest of logits with Gumbel noise. @param logits [batch, classes] @returns int32 [batch, count] */
export function multinomial(logits: Tensor, count: number, seed: Words): Tensor {
  const [batch, classes] = logits.shape;
  const noise = filled([batch!, count, classes!], "float32", seed, (random) => -Math.log(-Math.log1p(-random.uniform()) || Number.MIN_VALUE));
  return tf.cast(tf.argMax(tf.add(tf.reshape(logits, [batch!, 1, classes!]), noise), 2), "int32");
}
