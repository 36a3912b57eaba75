import type { Tensor, Tensor2D, Tensor3D, Tensor4D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { LlamaConfig } from "./config";
import { biasedSoftmax, linear, rotary, type RotaryTable } from "./ops";

/** Added to the score of a key that a query must not see. Finite: a row that sees nothing stays free of NaN. */
export const MASKED = -1e9;

/** The four projections of one attention layer, as Hugging Face stores them: [out, in]. */
export interface AttentionWeights {
  q: Tensor2D;
  k: Tensor2D;
  v: Tensor2D;
  o: Tensor2D;
}

/**
 * Who sees whom. A query at i sees a key at j ≤ i that stands in the query's own segment or in its parent; segment 0
 * is padding, seen by nobody. An attention mask of ones and zeros is such a map with every token its own parent:
 * ordinary causal attention. An answer whose parent is its prompt shares the prompt with the other answers to it.
 * @param segments int32 [batch, length] @param parents the segment each token sees beside its own, int32 [batch, length]
 * @returns float32 [batch, 1, length, length]: 0 or MASKED
 */
export function attentionBias(segments: Tensor2D, parents: Tensor2D = segments): Tensor4D {
  const [batch, length] = segments.shape;
  const keys = tf.reshape(segments, [batch, 1, length]);
  const column = (x: Tensor2D): Tensor => tf.reshape(x, [batch, length, 1]);
  const positions = tf.range(0, length, 1, "int32");
  const causal = tf.greaterEqual(tf.reshape(positions, [1, length, 1]), tf.reshape(positions, [1, 1, length]));
  const related = tf.logicalOr(tf.equal(keys, column(segments)), tf.equal(keys, column(parents)));
  const visible = tf.logicalAnd(tf.logicalAnd(related, tf.notEqual(keys, tf.scalar(0, "int32"))), causal);
  return tf.reshape(tf.mul(tf.sub(1, tf.cast(visible, "float32")), MASKED), [batch, 1, length, length]) as Tensor4D;
}

/**
 * Cosines and sines for positions, in the layout that `rotary` takes.
 * @param positions int32 [batch, length] @returns two float32 [batch, length, 1, headDim]
 */
export function rotaryTable(positions: Tensor2D, config: LlamaConfig): RotaryTable {
  const [batch, length] = positions.shape;
  const half = config.headDim / 2;
  const inverse = Float32Array.from({ length: half }, (_, i) => config.ropeTheta ** ((-2 * i) / config.headDim));
  const angles = tf.mul(tf.reshape(tf.cast(positions, "float32"), [batch, length, 1, 1]), tf.tensor(inverse, [1, 1, 1, half]));
  const cos = tf.cos(angles);
  const sin = tf.sin(angles);
  return { cos: tf.concat([cos, cos], 3), sin: tf.concat([tf.neg(sin), sin], 3) };
}

/**
 * Causal grouped-query attention (Ainslie et al. 2023): softmax(q·kᵀ/√d + bias)·v, each key head serving a group of
 * query heads.
 * @param x [batch, length, hidden] @param bias [batch, 1, length, length] @returns [batch, length, hidden]
 */
export function selfAttention(x: Tensor3D, weights: AttentionWeights, table: RotaryTable, bias: Tensor4D, config: LlamaConfig): Tensor3D {
  const [batch, length] = x.shape;
  const { numAttentionHeads: heads, numKeyValueHeads: keyHeads, headDim } = config;
  const group = heads / keyHeads;
  const split = (y: Tensor3D, n: number): Tensor4D => tf.reshape(y, [batch, length, n, headDim]) as Tensor4D;
  const headsFirst = (y: Tensor4D): Tensor4D => tf.transpose(y, [0, 2, 1, 3]);
  const q = tf.mul(rotary(split(linear(x, weights.q), heads), table), 1 / Math.sqrt(headDim)) as Tensor4D;
  const k = rotary(split(linear(x, weights.k), keyHeads), table);
  const v = split(linear(x, weights.v), keyHeads);
  // Query heads of one group stand one below the other, so that one product with their key head serves them all.
  const grouped = tf.reshape(headsFirst(q), [batch, keyHeads, group * length, headDim]);
  const scores = tf.reshape(tf.matMul(grouped, headsFirst(k) as Tensor, false, true), [batch, heads, length, length]);
  const p = tf.reshape(biasedSoftmax(scores, bias), [batch, keyHeads, group * length, length]);
  const mixed = tf.reshape(tf.matMul(p, headsFirst(v) as Tensor), [batch, heads, length, headDim]) as Tensor4D;
  return linear(tf.reshape(headsFirst(mixed), [batch, length, heads * headDim]) as Tensor3D, weights.o);
}
