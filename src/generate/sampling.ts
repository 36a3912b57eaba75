import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { rawOp, rawOps, tf, type } from "../engine/backend";
import type { Sampling } from "./settings";

/** What `nextToken` gives for a row whose `topP` tokens go beyond the candidates it looked at. */
export const NOT_COVERED = -1;

/** Tokens that top-p sorts at first. More are rarely needed; sorting a whole vocabulary costs milliseconds a row. */
export const FIRST_CANDIDATES = 1024;

/** Probabilities summed as one in the draw: short sums keep the precision of the small ones. */
const BLOCK = 256;

/** The numbers of `Sampling`, which compiled functions take as arguments. */
export interface SamplingNumbers {
  temperature: Scalar;
  topP: Scalar;
  /** Natural logarithm of `minP`. */
  logMinP: Scalar;
}

/** Which of `Sampling`'s parts there are: what a compiled function depends on. */
export type SamplingKind = { topK: number | null; topP: boolean; minP: boolean; minTokensToKeep: number };

export const kindOf = ({ topK, topP, minP, minTokensToKeep }: Sampling): SamplingKind => ({ topK, topP: topP !== null, minP: minP !== null, minTokensToKeep });

/** The likeliest token of each row. @param logits [batch, vocabulary] @returns int32 [batch] */
export function likeliest(logits: Tensor2D): Tensor1D {
  return tf.cast(tf.argMax(logits, 1), "int32") as Tensor1D;
}

/**
 * Draws a token for each row from softmax(logits / temperature), cut as `cutScores` says.
 * @param logits [batch, vocabulary] @param seeds int32 [batch, 2], a pair for each row
 * @param candidates how many tokens top-p sorts where there is no `topK`
 * @returns int32 [batch]; NOT_COVERED where `candidates` were too few
 */
export function nextToken(logits: Tensor2D, seeds: Tensor2D, kind: SamplingKind, numbers: SamplingNumbers, candidates: number): Tensor1D {
  const { scores, covered } = cutScores(logits, kind, numbers, candidates);
  const tokens = draw(scores, seeds);
  return covered ? (where(tf.reshape(covered, [-1]), tokens, tf.scalar(NOT_COVERED, "int32")) as Tensor1D) : tokens;
}

/**
 * scores / temperature, cut to the k likeliest tokens, of these to the likeliest whose probabilities first reach `topP`,
 * and of these to those at least `minP` times as likely as the likeliest, as transformers' warpers do; all else is −∞.
 * @param scores logits or log-probabilities, [batch, vocabulary] @param candidates how many tokens top-p sorts where there is no `topK`
 * @returns the scores, and where `candidates` may be too few, whether each row's were enough, bool [batch, 1]
 */
export function cutScores(scores: Tensor2D, { topK, topP, minP, minTokensToKeep }: SamplingKind, numbers: SamplingNumbers, candidates: number): { scores: Tensor2D; covered: Tensor | null } {
  const scaled = tf.div(scores, numbers.temperature) as Tensor2D;
  if (topK === null && !topP && !minP) return { scores: scaled, covered: null };
  const sorted = largest(scaled, topK ?? (topP ? candidates : minTokensToKeep));
  const width = sorted.shape[1];
  const thresholds: Tensor[] = topK === null ? [] : [tf.slice(sorted, [0, topK - 1], [-1, 1])];
  let covered: Tensor | null = null;
  if (topP) {
    const total = logSumExp(topK === null ? scaled : sorted);
    const before = tf.cumsum(tf.exp(tf.sub(sorted, total)), 1, true);
    const kept = tf.logicalOr(tf.less(before, numbers.topP), first(minTokensToKeep, width));
    thresholds.push(tf.min(where(kept, sorted, tf.scalar(Infinity)), 1, true));
    if (topK === null && candidates < scores.shape[1]) covered = tf.logicalNot(tf.slice(kept, [0, candidates - 1], [-1, 1]));
  }
  if (minP) {
    const least = tf.add(tf.slice(sorted, [0, 0], [-1, 1]), numbers.logMinP);
    thresholds.push(tf.minimum(least, tf.slice(sorted, [0, minTokensToKeep - 1], [-1, 1])));
  }
  return { scores: atLeast(scaled, thresholds.reduce((a, b) => tf.maximum(a, b))), covered };
}

/**
 * log softmax(logits / temperature) at each row's token, under the whole distribution: no cut and no penalty is in it.
 * @param logits [batch, vocabulary] @param tokens int32 [batch] @param temperature null for 1 @returns [batch], in nats
 */
export function tokenLogProbs(logits: Tensor2D, tokens: Tensor1D, temperature: Scalar | null): Tensor1D {
  const [batch, vocabulary] = logits.shape;
  const scaled = temperature ? (tf.div(logits, temperature) as Tensor2D) : logits;
  // A row that was not covered is drawn again; until then it has no token to look at.
  const places = tf.add(tf.range(0, batch * vocabulary, vocabulary, "int32"), tf.maximum(tokens, tf.scalar(0, "int32"))) as Tensor1D;
  return tf.sub(tf.gather(tf.reshape(scaled, [-1]), places), tf.reshape(logSumExp(scaled), [-1])) as Tensor1D;
}

/** Which of `width` places are the first n, bool [1, width]. */
function first(n: number, width: number): Tensor {
  return tf.less(tf.reshape(tf.range(0, width, 1, "int32"), [1, width]), tf.scalar(n, "int32"));
}

/** The k largest of each row, descending, and where they stand (int32). */
export function largestWithIndices(x: Tensor2D, k: number): [values: Tensor2D, indices: Tensor2D] {
  return rawOps("TopKV2", [x, tf.scalar(k, "int32")], { sorted: true, T: type("float32"), Tk: type("int32"), index_type: type("int32") }, 2) as [Tensor2D, Tensor2D];
}

const largest = (x: Tensor2D, k: number): Tensor2D => largestWithIndices(x, k)[0];

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

/**
 * Independent draws from the standard Gumbel distribution, a row from each seed: of scores to which they are added, the k
 * largest are a draw of k without replacement from softmax(scores) (Kool et al. 2019). Precise in both tails, as draws
 * from a large vocabulary need.
 * @param seeds int32 [batch, 2] @returns [batch, width]
 */
export function gumbel(seeds: Tensor2D, width: number): Tensor2D {
  const int = type("int32");
  const bits = tf.unstack(seeds, 0).map((seed) => rawOp("StatelessRandomUniformFullInt", [tf.tensor1d([width], "int32"), seed], { dtype: int, T: int, Tseed: int }));
  // 31 bits, of which float32 keeps the small numbers whole: −log(1 − u) is then exact where it decides who comes first.
  const low = rawOp("BitwiseAnd", [tf.stack(bits, 0), tf.scalar(0x7fffffff, "int32")], { T: int });
  const u = tf.mul(tf.add(tf.cast(low, "float32"), 0.5), 2 ** -31);
  return tf.neg(tf.log(tf.neg(tf.log1p(tf.neg(u))))) as Tensor2D;
}
