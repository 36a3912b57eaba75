import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { LlamaConfig } from "./config";
import { attend, linear, rearrange, rotary, type RotaryTable } from "./ops";

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

/** How a batch attends. */
export interface AttentionLayout {
  /** [rows, 1, width, width], see `attentionBias`. */
  bias: Tensor4D;
  /** Where the rows are not the batch's own: which token stands at each of their places, and at which place each token stands. */
  rows?: { tokenOf: Tensor2D; slots: Tensor1D };
}

/**
 * One layer's attention, projections included; the scores are q·kᵀ/√headDim + bias.
 * @param x [batch, length, hidden] @returns [batch, length, hidden]
 */
export function selfAttention(x: Tensor3D, weights: AttentionWeights, table: RotaryTable, { bias, rows }: AttentionLayout, config: LlamaConfig): Tensor3D {
  const [batch, length] = x.shape;
  const [rowCount, , width] = bias.shape;
  const { numAttentionHeads: heads, numKeyValueHeads: keyHeads, headDim } = config;
  const split = (y: Tensor3D, n: number): Tensor4D => tf.reshape(y, [batch, length, n, headDim]) as Tensor4D;
  const toRows = (y: Tensor): Tensor => (rows ? rearrange(tf.reshape(y, [batch * length, -1]) as Tensor2D, tf.reshape(rows.tokenOf, [-1]), rows.slots) : y);
  const headsFirst = (y: Tensor, n: number): Tensor4D => tf.transpose(tf.reshape(toRows(y), [rowCount, width, n, headDim]), [0, 2, 1, 3]) as Tensor4D;
  const q = rotary(split(linear(x, weights.q), heads), table, 1 / Math.sqrt(headDim));
  const k = rotary(split(linear(x, weights.k), keyHeads), table);
  const v = linear(x, weights.v);
  const mixed = attend(headsFirst(q, heads), headsFirst(k, keyHeads), headsFirst(v, keyHeads), bias);
  const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [rowCount * width, heads * headDim]) as Tensor2D;
  const back = rows ? rearrange(joined, rows.slots, tf.reshape(rows.tokenOf, [-1])) : joined;
  return linear(tf.reshape(back, [batch, length, heads * headDim]) as Tensor3D, weights.o);
}
