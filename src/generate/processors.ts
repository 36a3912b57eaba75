import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { rawOp, tf, type } from "../engine/backend";
import type { Processing } from "./settings";

/** What the rows of a batch have been given so far, on the device. */
export interface History {
  /** Prompts, padded on the left, and answers: the token of each place, int32 [rows, places]; places after `last` hold anything. */
  tokens: Tensor2D;
  /** The last place that holds a token, int32. */
  last: Scalar;
  /** Padded places of each row, int32 [rows]. */
  padding: Tensor1D;
  /** 1 for a row whose answer must not end yet, else 0, float32 [rows]. */
  tooShort: Tensor1D;
}

/**
 * Scores as they stand before a token is chosen, in transformers' order: repetition penalty, repeated n-grams, end
 * tokens of answers that are too short.
 * @param scores logits or log-probabilities, [rows, vocabulary]
 * @param eosTokenIds tokens that a row that is too short must not get; empty where no row is
 */
export function processScores(scores: Tensor2D, history: History, { repetitionPenalty, noRepeatNgramSize }: Processing, eosTokenIds: readonly number[]): Tensor2D {
  let result = scores;
  if (repetitionPenalty !== null) result = penaliseRepetition(result, history, repetitionPenalty);
  if (noRepeatNgramSize !== null) result = banRepeatedNgrams(result, history, noRepeatNgramSize);
  if (eosTokenIds.length > 0) result = suppressEndTokens(result, history.tooShort, eosTokenIds);
  return result;
}

/** Keskar et al. 2019, eq. 1, as transformers' RepetitionPenaltyLogitsProcessor: a token counts once, prompts' tokens too. */
function penaliseRepetition(scores: Tensor2D, history: History, penalty: number): Tensor2D {
  const met = marks(history.tokens, isToken(history), scores.shape[1]);
  const penalised = tf.where(tf.less(scores, 0), tf.mul(scores, penalty), tf.div(scores, penalty));
  return tf.where(met, penalised, scores) as Tensor2D;
}

/** As transformers' NoRepeatNGramLogitsProcessor: a token that would complete an n-gram met before gets −∞. */
function banRepeatedNgrams(scores: Tensor2D, history: History, n: number): Tensor2D {
  const { tokens, last } = history;
  const [rows, places] = tokens.shape;
  const windows = places - n + 1;
  if (windows < 1) return scores;
  // The window that begins at i: its first n − 1 tokens must be the last n − 1 met, and all n of them lie in the text.
  const real = isToken(history);
  let matches = tf.logicalAnd(tf.slice(real, [0, 0], [rows, windows]), tf.slice(real, [0, n - 1], [rows, windows]));
  for (let k = 0; k < n - 1; k++) {
    const place = tf.maximum(tf.sub(last, tf.scalar(n - 2 - k, "int32")), tf.scalar(0, "int32"));
    const suffix = tf.gather(tokens, tf.reshape(place, [1]) as Tensor1D, 1);
    matches = tf.logicalAnd(matches, tf.equal(tf.slice(tokens, [0, k], [rows, windows]), suffix));
  }
  const banned = marks(tf.slice(tokens, [0, n - 1], [rows, windows]), matches, scores.shape[1]);
  return tf.where(banned, tf.scalar(-Infinity) as Tensor, scores) as Tensor2D;
}

function suppressEndTokens(scores: Tensor2D, tooShort: Tensor1D, eosTokenIds: readonly number[]): Tensor2D {
  const isEnd = new Float32Array(scores.shape[1]);
  for (const id of eosTokenIds) isEnd[id] = 1;
  const suppressed = tf.greater(tf.mul(tf.reshape(tooShort, [-1, 1]), tf.tensor2d(isEnd, [1, isEnd.length])), 0.5);
  return tf.where(suppressed, tf.scalar(-Infinity) as Tensor, scores) as Tensor2D;
}

/** Which places hold a token of prompt or answer, bool [rows, places]. */
function isToken({ tokens, last, padding }: History): Tensor2D {
  const places = tf.reshape(tf.range(0, tokens.shape[1], 1, "int32"), [1, -1]);
  return tf.logicalAnd(tf.greaterEqual(places, tf.reshape(padding, [-1, 1])), tf.lessEqual(places, last)) as Tensor2D;
}

/** The tokens of each row where `counts` holds, as marks over the vocabulary: bool [rows, vocabulary]. */
function marks(tokens: Tensor2D, counts: Tensor, vocabulary: number): Tensor2D {
  const [rows, places] = tokens.shape;
  // Tokens that do not count go to a column beyond the vocabulary.
  const columns = tf.where(counts, tokens, tf.scalar(vocabulary, "int32") as Tensor);
  const row = tf.tile(tf.reshape(tf.range(0, rows, 1, "int32"), [rows, 1]), [1, places]);
  const indices = tf.stack([tf.reshape(row, [-1]), tf.reshape(columns, [-1])], 1);
  const shape = tf.tensor1d([rows, vocabulary + 1], "int32");
  const sums = rawOp("ScatterNd", [indices, tf.ones([rows * places]), shape], { T: type("float32"), Tindices: type("int32") });
  return tf.greater(tf.slice(sums, [0, 0], [rows, vocabulary]), 0) as Tensor2D;
}
