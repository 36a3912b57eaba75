import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { rawOp, tf, type } from "../engine/backend";
import { processScores, type History } from "./processors";
import { NOT_COVERED, cutScores, gumbel, largestWithIndices, type SamplingKind, type SamplingNumbers } from "./sampling";
import type { Processing } from "./settings";

/** How a search's candidates are found: what a compiled function depends on. */
export interface CandidateKind {
  /** Running hypotheses, and candidates kept, of each search. */
  numBeams: number;
  keep: number;
  processing: Processing;
  /** Tokens that a hypothesis that is too short must not get. */
  eosTokenIds: readonly number[];
  /** null: the likeliest; else they are drawn. */
  sampling: SamplingKind | null;
  /** How many tokens of each row top-p sorts where there is no `topK`. */
  sorted: number;
}

/**
 * The likeliest continuations by one token of each search's running hypotheses, or with `sampling` as many drawn without
 * replacement, in the order drawn. Log-probabilities are processed and cut before the hypothesis' own is added, as in
 * transformers' beam search.
 * @param logits [searches · numBeams, vocabulary] @param scores log-probabilities of the hypotheses, [searches, numBeams]
 * @param seeds int32 [searches, 2]
 * @returns scores, [searches, keep], and which hypothesis and which token, int32 [2, searches, keep]; the token is
 * NOT_COVERED where `sorted` was too few
 */
export function findCandidates(logits: Tensor2D, scores: Tensor2D, history: History | null, seeds: Tensor2D, numbers: SamplingNumbers, kind: CandidateKind): [Tensor2D, Tensor3D] {
  const { numBeams, keep, sampling } = kind;
  const [rows, vocabulary] = logits.shape;
  const searches = rows / numBeams;
  const logps = tf.logSoftmax(logits) as Tensor2D;
  const processed = history ? processScores(logps, history, kind.processing, kind.eosTokenIds) : logps;
  const cut = sampling ? cutScores(processed, sampling, numbers, kind.sorted) : { scores: processed, covered: null };
  const total = tf.add(cut.scores, tf.reshape(scores, [rows, 1])) as Tensor2D;
  const ranked = sampling ? (tf.add(total, tf.reshape(gumbel(seeds, numBeams * vocabulary), [rows, vocabulary])) as Tensor2D) : total;
  // First within each hypothesis, then among those: a sort of all at once would run on one thread.
  const each = Math.min(keep, vocabulary);
  const [top, tokens] = largestWithIndices(ranked, each);
  const [best, places] = largestWithIndices(tf.reshape(top, [searches, numBeams * each]) as Tensor2D, keep);
  const token = pick(tf.reshape(tokens, [searches, -1]), places);
  const beam = rawOp("FloorDiv", [places, tf.scalar(each, "int32")], { T: type("int32") });
  const sums = sampling ? pick(tf.reshape(total, [searches, -1]), tf.add(tf.mul(beam, tf.scalar(vocabulary, "int32")), token)) : best;
  const covered = cut.covered && tf.all(tf.reshape(cut.covered, [searches, numBeams]), 1, true);
  const known = covered ? tf.where(covered, token, tf.scalar(NOT_COVERED, "int32") as Tensor) : token;
  return [sums as Tensor2D, tf.stack([beam, known], 0) as Tensor3D];
}

/** The next state of the running hypotheses. */
export interface Advanced {
  /** [searches, numBeams] */
  scores: Tensor2D;
  /** Which row each hypothesis goes on from, and its new token, int32 [searches · numBeams]. */
  parents: Tensor1D;
  tokens: Tensor1D;
}

/**
 * Goes on with the candidates that were selected.
 * @param found what `findCandidates` gave @param select int32 [searches, numBeams] @param penalty added to their scores, as `select`
 */
export function advanceBeams(found: [scores: Tensor2D, choices: Tensor3D], select: Tensor2D, penalty: Tensor2D): Advanced {
  const [searches, numBeams] = select.shape;
  const [beams, tokens] = tf.unstack(found[1], 0) as [Tensor, Tensor];
  const firstRow = tf.reshape(tf.range(0, searches * numBeams, numBeams, "int32"), [searches, 1]);
  return {
    scores: tf.add(pick(found[0], select), penalty) as Tensor2D,
    parents: tf.reshape(tf.add(pick(beams, select), firstRow), [-1]) as Tensor1D,
    tokens: tf.reshape(pick(tokens, select), [-1]) as Tensor1D,
  };
}

/** Rows of `history` in a new order, with a token of each at `place`. @param history int32 [rows, places] */
export function extendHistory(history: Tensor2D, parents: Tensor1D, tokens: Tensor1D, place: Scalar): Tensor2D {
  const isNew = tf.equal(tf.reshape(tf.range(0, history.shape[1], 1, "int32"), [1, -1]), place);
  return tf.where(isNew, tf.reshape(tokens, [-1, 1]), tf.gather(history, parents)) as Tensor2D;
}

/** Of each row of `x` the elements at `indices`. */
function pick(x: Tensor, indices: Tensor): Tensor {
  return tf.gather(x, indices as Tensor1D, 1, 1);
}
