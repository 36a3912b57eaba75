import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";

/** The least probability that a loss takes the logarithm of. */
const LEAST = 1e-8;

/**
 * The probability that the chosen answer is rated above the rejected one, when each answer's rating is drawn from its own
 * distribution p = softmax(logits) over the ratings 1 to K:
 *
 *   P(chosen > rejected) = Σ_{i > j} p_chosen[i]·p_rejected[j]
 *
 * A draw counts for neither, so the two probabilities of winning sum to less than 1.
 * @param chosenLogits [batch, K] @param rejectedLogits [batch, K] @returns [batch]
 * @throws RangeError for logits of other shapes
 */
export function pWin(chosenLogits: Tensor2D, rejectedLogits: Tensor2D): Tensor1D {
  checkLogits("chosenLogits", chosenLogits);
  if (String(chosenLogits.shape) !== String(rejectedLogits.shape)) throw new RangeError(`rejectedLogits has shape [${rejectedLogits.shape}] and chosenLogits [${chosenLogits.shape}]; both hold one row of logits for each pair.`);
  // Below the rating i lies the sum of what comes before it.
  const below = tf.cumsum(tf.softmax(rejectedLogits), 1, true);
  return tf.sum(tf.mul(tf.softmax(chosenLogits), below), 1) as Tensor1D;
}

/**
 * −log P(chosen > rejected), the mean over the pairs. A probability below 1e-8 counts as 1e-8: its loss stays finite, and
 * it has no gradient.
 */
export function probabilisticRewardLoss(chosenLogits: Tensor2D, rejectedLogits: Tensor2D): Scalar {
  return tf.neg(tf.mean(logOf(pWin(chosenLogits, rejectedLogits)))) as Scalar;
}

/** log of P(chosen > rejected) / P(rejected > chosen), each counted as 1e-8 at least: by how much the chosen answer is ahead once draws are set aside. @returns [batch] */
export function pWinLogOdds(chosenLogits: Tensor2D, rejectedLogits: Tensor2D): Tensor1D {
  return tf.sub(logOf(pWin(chosenLogits, rejectedLogits)), logOf(pWin(rejectedLogits, chosenLogits))) as Tensor1D;
}

const logOf = (probability: Tensor1D): Tensor1D => tf.log(tf.maximum(probability, LEAST)) as Tensor1D;

/** What is logged of a batch of pairs. */
export interface RatingMetrics {
  /** Win rate: share of pairs with P(chosen > rejected) above one half. A draw speaks for neither, so a model that knows nothing has 0. */
  accuracy: Scalar;
  /** Mean P(chosen > rejected). */
  win_probability: Scalar;
  /** Mean expected rating of the chosen answers, of the rejected ones, and of their differences. */
  "ratings/chosen": Scalar;
  "ratings/rejected": Scalar;
  "ratings/margin": Scalar;
  /** Mean entropy of the distributions of all answers, in nats. */
  entropy: Scalar;
}

/** @param chosenLogits [batch, K] @param rejectedLogits [batch, K] */
export function ratingMetrics(chosenLogits: Tensor2D, rejectedLogits: Tensor2D): RatingMetrics {
  return tf.tidy(() => {
    const win = pWin(chosenLogits, rejectedLogits);
    const [chosen, rejected] = [ratingSummary(chosenLogits), ratingSummary(rejectedLogits)];
    return {
      accuracy: tf.mean(tf.cast(tf.greater(win, 0.5), "float32")), win_probability: tf.mean(win),
      "ratings/chosen": tf.mean(chosen.expected), "ratings/rejected": tf.mean(rejected.expected), "ratings/margin": tf.mean(tf.sub(chosen.expected, rejected.expected)),
      entropy: tf.mean(tf.concat([chosen.entropy, rejected.entropy])),
    };
  }) as unknown as RatingMetrics;
}

/** What a distribution over the ratings 1 to K says of each text, every tensor [batch]. */
export interface RatingSummary {
  /** Σ i·p_i, between 1 and K. */
  expected: Tensor1D;
  /** Σ p_i·(i − expected)². */
  variance: Tensor1D;
  /** −Σ p_i·log p_i, in nats: 0 for a sure rating, log K where all are as likely. */
  entropy: Tensor1D;
}

/** @param logits [batch, K] */
export function ratingSummary(logits: Tensor2D): RatingSummary {
  checkLogits("logits", logits);
  return tf.tidy(() => {
    const logP = tf.logSoftmax(logits);
    const p = tf.exp(logP);
    const ratings = tf.range(1, logits.shape[1] + 1);
    const expected = tf.sum(tf.mul(p, ratings), 1) as Tensor1D;
    const distance = tf.sub(ratings, tf.expandDims(expected, 1));
    const sum = (x: Tensor): Tensor1D => tf.sum(tf.mul(p, x), 1) as Tensor1D;
    return { expected, variance: sum(tf.square(distance)), entropy: tf.neg(sum(logP)) as Tensor1D };
  }) as unknown as RatingSummary;
}

/** Σ i·p_i over the ratings 1 to K. @param logits [batch, K] @returns [batch], between 1 and K */
export const expectedRating = (logits: Tensor2D): Tensor1D => tf.tidy(() => ratingSummary(logits).expected);

function checkLogits(name: string, logits: Tensor): void {
  if (logits.shape.length !== 2 || logits.shape[0] === 0 || logits.shape[1]! < 2) throw new RangeError(`${name} has shape [${logits.shape}]; [batch, ratings] is needed, with at least one row and two ratings.`);
}
