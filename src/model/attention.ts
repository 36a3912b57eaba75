import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { LlamaConfig } from "./config";
import type { LayerAdapters, Projection } from "./lowRank";
import { attend, embedding, rearrange, rotary, type RotaryTable } from "./ops";

/** Added to the score of a key that a query must not see. Finite: a row that sees nothing stays free of NaN. */
export const MASKED = -1e9;

/** The four projections of one attention layer, as Hugging Face stores them: [out, in]. */
export interface AttentionWeights {
  q: Tensor2D;
  k: Tensor2D;
  v: Tensor2D;
  o: Tensor2D;
  /** Low-rank updates of these and of the feed-forward matrices. */
  adapters?: LayerAdapters | undefined;
}

/** x·Wᵀ for one of a layer's matrices W, with its low-rank update where it has one. @param x [..., in] @returns [..., out] */
export type Project = <T extends Tensor>(x: T, name: Projection) => T;

const biasFrom = (visible: Tensor, shape: [number, number, number]): Tensor4D => {
  const [rows, queries, keys] = shape;
  return tf.reshape(tf.mul(tf.sub(1, tf.cast(visible, "float32")), MASKED), [rows, 1, queries, keys]) as Tensor4D;
};

/**
 * Causal attention: a query at i sees the keys at j ≤ i that are no padding.
 * @param attentionMask 1 for tokens, 0 for padding on either side, int32 [batch, length]
 * @returns float32 [batch, 1, length, length]: 0 or MASKED
 */
export function attentionBias(attentionMask: Tensor2D): Tensor4D {
  const [batch, length] = attentionMask.shape;
  const positions = tf.range(0, length, 1, "int32");
  const causal = tf.greaterEqual(tf.reshape(positions, [1, length, 1]), tf.reshape(positions, [1, 1, length]));
  const real = tf.notEqual(tf.reshape(attentionMask, [batch, 1, length]), tf.scalar(0, "int32"));
  return biasFrom(tf.logicalAnd(real, causal), [batch, length, length]);
}

/** Rows of attention over the tokens of a tree, see PackedPairs. All int32. */
export interface TreeRows {
  /** The token at each place for queries, [rows, queries]. */
  queries: Tensor2D;
  /** The place among the queries of each token, [length]. */
  places: Tensor1D;
  /** The token at each place for keys, and the last token that sees it, [rows, keys]. */
  keys: Tensor2D;
  lasts: Tensor2D;
}

/** A query q sees a key k where k ≤ q ≤ the last token that goes on from k. @returns float32 [rows, 1, queries, keys]: 0 or MASKED */
export function treeBias({ queries, keys, lasts }: TreeRows): Tensor4D {
  const [rows, width] = queries.shape;
  const keyWidth = keys.shape[1];
  const column = tf.reshape(queries, [rows, width, 1]);
  const line = (x: Tensor2D): Tensor => tf.reshape(x, [rows, 1, keyWidth]);
  return biasFrom(tf.logicalAnd(tf.greaterEqual(column, line(keys)), tf.lessEqual(column, line(lasts))), [rows, width, keyWidth]);
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
  /** [rows, 1, queries, keys], see `attentionBias` and `treeBias`. */
  bias: Tensor4D;
  /** Where the rows are not the batch's own. */
  rows?: TreeRows;
}

/**
 * One layer's attention, projections included; the scores are q·kᵀ/√headDim + bias.
 * @param x [batch, length, hidden] @returns [batch, length, hidden]
 */
export function selfAttention(x: Tensor3D, project: Project, table: RotaryTable, { bias, rows }: AttentionLayout, config: LlamaConfig): Tensor3D {
  const [batch, length] = x.shape;
  const [rowCount, , queries, keys] = bias.shape;
  const { numAttentionHeads: heads, numKeyValueHeads: keyHeads, headDim } = config;
  const split = (y: Tensor3D, n: number): Tensor4D => tf.reshape(y, [batch, length, n, headDim]) as Tensor4D;
  const flat = (y: Tensor): Tensor2D => tf.reshape(y, [batch * length, -1]) as Tensor2D;
  const forQueries = (y: Tensor): Tensor => (rows ? rearrange(flat(y), tf.reshape(rows.queries, [-1]), rows.places) : y);
  const forKeys = (y: Tensor): Tensor => (rows ? embedding(flat(y), tf.reshape(rows.keys, [-1])) : y);
  const headsFirst = (y: Tensor, width: number, n: number): Tensor4D => tf.transpose(tf.reshape(y, [rowCount, width, n, headDim]), [0, 2, 1, 3]) as Tensor4D;
  const q = rotary(split(project(x, "q"), heads), table, 1 / Math.sqrt(headDim));
  const k = rotary(split(project(x, "k"), keyHeads), table);
  const v = project(x, "v");
  const mixed = attend(headsFirst(forQueries(q), queries, heads), headsFirst(forKeys(k), keys, keyHeads), headsFirst(forKeys(v), keys, keyHeads), bias);
  const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [rowCount * queries, heads * headDim]) as Tensor2D;
  const back = rows ? rearrange(joined, rows.places, tf.reshape(rows.queries, [-1])) : joined;
  return project(tf.reshape(back, [batch, length, heads * headDim]) as Tensor3D, "o");
}
