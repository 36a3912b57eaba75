import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { LlamaConfig } from "./config";
import type { LayerAdapters, Projection } from "./lowRank";
import { attend, embedding, rearrange, rotary, type RotaryTable } from "./ops";
import { join, partSizes, split } from "./streams";

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
 * @param xs the batch in parts, [batch, length, hidden] each; more than one only where `rows` are given, which see them all
 * @param tables of each part @returns as `xs`
 */
export function selfAttention(xs: readonly Tensor3D[], project: Project, tables: readonly RotaryTable[], { bias, rows }: AttentionLayout, config: LlamaConfig): Tensor3D[] {
  const { numAttentionHeads: heads, numKeyValueHeads: keyHeads, headDim } = config;
  const projected = xs.map((x, i) => {
    const perHead = (y: Tensor3D, n: number): Tensor4D => tf.reshape(y, [x.shape[0], x.shape[1], n, headDim]) as Tensor4D;
    const q = rotary(perHead(project(x, "q"), heads), tables[i]!, 1 / Math.sqrt(headDim));
    const k = rotary(perHead(project(x, "k"), keyHeads), tables[i]!);
    return [q, k, project(x, "v")].map((y) => tf.reshape(y, [x.shape[0] * x.shape[1], -1]) as Tensor2D);
  });
  const [q, k, v] = [0, 1, 2].map((i) => join(projected.map((part) => part[i]!))) as [Tensor2D, Tensor2D, Tensor2D];
  const mixed = rows
    ? rearrange(attendInRows(rearrange(q, flat(rows.queries), rows.places), embedding(k, flat(rows.keys)) as Tensor2D, embedding(v, flat(rows.keys)) as Tensor2D, bias, xs.length, config), rows.places, flat(rows.queries))
    : attendInRows(q, k, v, bias, xs.length, config);
  return split(mixed, xs.map(({ shape }) => shape[0] * shape[1])).map((part, i) => project(tf.reshape(part, [xs[i]!.shape[0], xs[i]!.shape[1], -1]) as Tensor3D, "o"));
}

const flat = (y: Tensor2D): Tensor1D => tf.reshape(y, [-1]) as Tensor1D;

/**
 * Attention within rows, so many parts of them side by side.
 * @param q [rows · queries, heads · headDim] @param k [rows · keys, keyHeads · headDim] @param v as k @returns as q
 */
function attendInRows(q: Tensor2D, k: Tensor2D, v: Tensor2D, bias: Tensor4D, parts: number, { numAttentionHeads: heads, numKeyValueHeads: keyHeads, headDim }: LlamaConfig): Tensor2D {
  const [rows, , queries, keys] = bias.shape;
  const sizes = partSizes(rows, Math.min(parts, rows));
  const ofParts = (y: Tensor2D, width: number, n: number): Tensor4D[] =>
    split(y, sizes.map((size) => size * width)).map((part, i) => tf.transpose(tf.reshape(part, [sizes[i]!, width, n, headDim]), [0, 2, 1, 3]) as Tensor4D);
  const [qs, ks, vs, biases] = [ofParts(q, queries, heads), ofParts(k, keys, keyHeads), ofParts(v, keys, keyHeads), split(bias, sizes)];
  return join(qs.map((q, i) => tf.reshape(tf.transpose(attend(q, ks[i]!, vs[i]!, biases[i]!), [0, 2, 1, 3]), [-1, heads * headDim]) as Tensor2D));
}
