import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { rawOp, rawOps, tf, type } from "../engine/backend";

/** What `nextToken` gives for a row whose `topP` tokens go beyond the candidates it looked at. */
export const NOT_COVERED = -1;

/** Tokens that top-p sorts at first. More are rarely needed; sorting a whole vocabulary costs milliseconds a row. */
export const FIRST_CANDIDATES = 1024;

/** Probabilities summed as one in the draw: short sums keep the precision of the small ones. */
const BLOCK = 256;

/** The likeliest token of each row. @param logits [batch, vocabulary] @returns int32 [batch] */
export function likeliest(logits: Tensor2D): Tensor1D {
  return tf.cast(tf.argMax(logits, 1), "int32") as Tensor1D;
}

/**
 * Draws a token for each row from softmax(logits / temperature), cut to the k likeliest tokens and then to the
 * likeliest whose probabilities first reach `topP`, as transformers' warpers do.
 * @param logits [batch, vocabulary] @param seeds int32 [batch, 2], a pair for each row
 * @param topP null: no cut @param candidates how many tokens top-p sorts where there is no `topK`
 * @returns int32 [batch]; NOT_COVERED where `candidates` were too few
 */
export function nextToken(logits: Tensor2D, seeds: Tensor2D, temperature: Scalar, topK: number | null, topP: Scalar | null, candidates: number): Tensor1D {
  const scaled = tf.div(logits, temperature) as Tensor2D;
  if (topK === null && topP === null) return draw(scaled, seeds);
  const sorted = largest(scaled, topK ?? candidates);
  if (topP === null) return draw(atLeast(scaled, tf.slice(sorted, [0, topK! - 1], [-1, 1])), seeds);
  const total = logSumExp(topK === null ? scaled : sorted);
  const p = tf.exp(tf.sub(sorted, total));
  const before = tf.cumsum(p, 1, true);
  const kept = tf.less(before, topP);
  const threshold = tf.min(where(kept, sorted, tf.scalar(Infinity)), 1, true);
  const tokens = draw(atLeast(scaled, threshold), seeds);
  if (topK !== null || candidates >= logits.shape[1]) return tokens;
  const covered = tf.logicalNot(tf.slice(kept, [0, candidates - 1], [-1, 1]));
  return where(tf.reshape(covered, [-1]), tokens, tf.scalar(NOT_COVERED, "int32")) as Tensor1D;
}

/** The k largest of each row, descending. */
function largest(x: Tensor2D, k: number): Tensor2D {
  return rawOps("TopKV2", [x, tf.scalar(k, "int32")], { sorted: true, T: type("float32"), Tk: type("int32"), index_type: type("int32") }, 2)[0] as Tensor2D;
}

const logSumExp = (x: Tensor2D): Tensor => tf.logSumExp(x, 1, true);

const atLeast = (logits: Tensor2D, threshold: Tensor): Tensor2D => where(tf.greaterEqual(logits, threshold), logits, tf.scalar(-Infinity)) as Tensor2D;

/** tf.where, whose type asks for equal shapes where broadcasting ones do. */
function where(condition: Tensor, yes: Tensor, no: Scalar): Tensor {
  return tf.where(condition, yes, no as Tensor);
}

/** One draw a row from softmax(logits), by inverting the distribution function first over blocks of tokens, then within one. */
function draw(logits: Tensor2D, seeds: Tensor2D): Tensor1D {
  const [batch, vocabulary] = logits.shape;
  const blocks = Math.ceil(vocabulary / BLOCK);
  const weights = tf.exp(tf.sub(logits, tf.max(logits, 1, true)));
  const filled = blocks * BLOCK === vocabulary ? weights : tf.pad(weights, [[0, 0], [0, blocks * BLOCK - vocabulary]]);
  const table = tf.reshape(filled, [batch, blocks, BLOCK]);
  const uniform = uniformPairs(seeds);
  const block = invert(tf.sum(table, 2) as Tensor2D, tf.slice(uniform, [0, 0], [batch, 1]));
  const chosen = tf.reshape(tf.gather(table, tf.reshape(block, [batch, 1]), 1, 1), [batch, BLOCK]) as Tensor2D;
  const within = invert(chosen, tf.slice(uniform, [0, 1], [batch, 1]));
  return tf.add(tf.mul(block, tf.scalar(BLOCK, "int32")), within) as Tensor1D;
}

/** The index i with cumulative[i − 1] ≤ u · total < cumulative[i]. @param u [batch, 1], in [0, 1) @returns int32 [batch] */
function invert(weights: Tensor2D, u: Tensor): Tensor1D {
  const [batch, n] = weights.shape;
  const cumulative = tf.cumsum(weights, 1);
  const at = tf.mul(u, tf.slice(cumulative, [0, n - 1], [batch, 1]));
  return tf.sum(tf.cast(tf.lessEqual(cumulative, at), "int32"), 1) as Tensor1D;
}

/** Two numbers in [0, 1) for each row, from its own seed. @param seeds int32 [batch, 2] @returns [batch, 2] */
function uniformPairs(seeds: Tensor2D): Tensor2D {
  const rows = tf.unstack(seeds, 0).map((seed) => rawOp("StatelessRandomUniform", [tf.tensor1d([2], "int32"), seed], { dtype: type("float32"), T: type("int32"), Tseed: type("int32") }));
  return tf.stack(rows, 0) as Tensor2D;
}
