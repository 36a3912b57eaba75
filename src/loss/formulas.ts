import type { Tensor, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { Divergence } from "./divergence";
import { logSigmoid } from "./logSigmoid";
import type { PairLogps } from "./pair";
import { sortAscending } from "./sort";

/** What the losses of one batch are made of. All tensors are [batch]. */
export interface PairTerms {
  logps: PairLogps;
  /** log π/π_ref of each answer. */
  chosenRatios: Tensor1D;
  rejectedRatios: Tensor1D;
  divergence: Divergence;
  beta: number;
  labelSmoothing: number;
  discopopTau: number;
}

/** One loss for each pair. @returns [batch] */
export type PairLoss = (terms: PairTerms) => Tensor1D;

const scaled = (x: Tensor, factor: number): Tensor1D => tf.mul(x, factor);
const sum = (...terms: Tensor[]): Tensor1D => tf.addN(terms) as Tensor1D;

/** β·(score of the chosen − score of the rejected): the argument of σ in Rafailov et al. 2023, equation 7. */
const logits = ({ divergence, chosenRatios, rejectedRatios, beta }: PairTerms): Tensor1D => scaled(divergence.difference(chosenRatios, rejectedRatios), beta);

/** −(1 − ε)·log σ(z) − ε·log σ(−z): the preference is right with probability 1 − ε. */
function smoothed(z: Tensor1D, epsilon: number): Tensor1D {
  if (epsilon === 0) return tf.neg(logSigmoid(z));
  return sum(scaled(logSigmoid(z), epsilon - 1), scaled(logSigmoid(tf.neg(z)), -epsilon));
}

/** Difference of the scores per token: each answer's divided by its length. */
function scorePerToken({ divergence, chosenRatios, rejectedRatios, logps }: PairTerms): Tensor1D {
  const perToken = (ratios: Tensor1D, lengths: Tensor1D): Tensor => tf.div(divergence.score(ratios), tf.cast(lengths, "float32"));
  return tf.sub(perToken(chosenRatios, logps.chosenLengths!), perToken(rejectedRatios, logps.rejectedLengths!));
}

/** DPO, equation 7 of Rafailov et al. 2023; with label smoothing the conservative DPO of Mitchell 2023 (TRL 1.16 ignores it here). */
export const sigmoid: PairLoss = (terms) => smoothed(logits(terms), terms.labelSmoothing);

/** SLiC's hinge on the same argument (Zhao et al. 2023): max(0, 1 − z). */
export const hinge: PairLoss = (terms) => tf.relu(tf.sub(1, logits(terms)) as Tensor1D);

/** IPO (Azar et al. 2023, equation 17) on scores per token: (difference − 1/(2β))². */
export const ipo: PairLoss = (terms) => tf.square(tf.sub(scorePerToken(terms), 1 / (2 * terms.beta)) as Tensor1D);

/** DPO on scores per token. */
export const sigmoidNorm: PairLoss = (terms) => tf.neg(logSigmoid(scaled(scorePerToken(terms), terms.beta)));

/** Robust DPO (Chowdhury et al. 2024): the loss that is unbiased when a share ε of the labels is flipped. */
export const robust: PairLoss = (terms) => {
  const z = logits(terms);
  const epsilon = terms.labelSmoothing;
  return scaled(sum(scaled(logSigmoid(z), epsilon - 1), scaled(logSigmoid(tf.neg(z)), epsilon)), 1 / (1 - 2 * epsilon));
};

/** EXO for pairs (Ji et al. 2024, equation 16): the reverse KL from the preference distribution to (1 − ε, ε). */
export const exoPair: PairLoss = (terms) => {
  const z = logits(terms);
  const epsilon = terms.labelSmoothing;
  const term = (x: Tensor1D, log: number): Tensor => tf.mul(tf.sigmoid(x), tf.sub(logSigmoid(x), log));
  return sum(term(z, Math.log1p(-epsilon)), term(tf.neg(z), Math.log(epsilon)));
};

/** NCA for pairs (Chen et al. 2024). */
export const ncaPair: PairLoss = ({ chosenRatios, rejectedRatios, beta }) => {
  const chosen = scaled(chosenRatios, beta);
  const against = sum(logSigmoid(tf.neg(chosen)), logSigmoid(scaled(rejectedRatios, -beta)));
  return sum(tf.neg(logSigmoid(chosen)), scaled(against, -0.5));
};

/** Binary classifier on the rewards (Jung et al. 2024), without its running shift. */
export const bcoPair: PairLoss = ({ chosenRatios, rejectedRatios, beta }) =>
  tf.neg(sum(logSigmoid(scaled(chosenRatios, beta)), logSigmoid(scaled(rejectedRatios, -beta))));

/** SPPO (Wu et al. 2024, equation 4.7) with the winner's probability set to 1 and the loser's to 0. */
export const sppoHard: PairLoss = ({ chosenRatios, rejectedRatios, beta }) =>
  sum(tf.square(tf.sub(chosenRatios, 0.5 / beta)), tf.square(tf.add(rejectedRatios, 0.5 / beta)));

/** AOT, paired (Melnyk et al. 2024): the sorted margins of the policy against the sorted margins of the reference. */
export const aot: PairLoss = ({ logps, beta, labelSmoothing }) => {
  const policy = sortAscending(tf.sub(logps.chosenLogps, logps.rejectedLogps));
  const reference = sortAscending(tf.sub(logps.refChosenLogps, logps.refRejectedLogps));
  return smoothed(scaled(tf.sub(policy, reference), beta), labelSmoothing);
};

/** AOT, unpaired: the sorted log-ratios of the chosen against the sorted log-ratios of the rejected. */
export const aotUnpaired: PairLoss = ({ chosenRatios, rejectedRatios, beta, labelSmoothing }) =>
  smoothed(scaled(tf.sub(sortAscending(chosenRatios), sortAscending(rejectedRatios)), beta), labelSmoothing);

/** APO-zero (D'Oosterlinck et al. 2024, equation 7): chosen up, rejected down. */
export const apoZero: PairLoss = ({ chosenRatios, rejectedRatios, beta }) =>
  sum(tf.sigmoid(scaled(chosenRatios, -beta)), tf.sigmoid(scaled(rejectedRatios, beta)));

/** APO-down (the same, equation 8): both down, the rejected further. */
export const apoDown: PairLoss = ({ chosenRatios, rejectedRatios, beta }) =>
  sum(tf.sigmoid(scaled(chosenRatios, beta)), tf.sigmoid(scaled(tf.sub(rejectedRatios, chosenRatios), beta)));

/** DiscoPOP (Lu et al. 2024, equation 5): a blend of −log σ(z) and e^−z, mixed by σ(z/τ). */
export const discopop: PairLoss = (terms) => {
  const z = logits(terms);
  const inner = scaled(z, 1 / terms.discopopTau);
  const logistic = tf.mul(tf.neg(logSigmoid(z)), tf.sigmoid(tf.neg(inner)));
  // e^−z·σ(z/τ) as one power: apart, the first overflows where the second has vanished.
  return sum(logistic, tf.exp(tf.sub(logSigmoid(inner), z)));
};

/** The chosen answers' cross-entropy per token of the whole batch, as in supervised fine-tuning: every pair gets the mean. */
export const sft: PairLoss = ({ logps }) => {
  const perToken = tf.div(tf.neg(tf.sum(logps.chosenLogps)), tf.sum(tf.cast(logps.chosenLengths!, "float32")));
  return tf.mul(perToken, tf.onesLike(logps.chosenLogps));
};
