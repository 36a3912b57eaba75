import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { klTerms, type KlEstimator } from "./kl";

/** Tokens of sampled answers; every tensor is [batch, tokens]. */
export interface PolicyTerms {
  /** log π_θ of each token, which the gradient goes through. */
  logps: Tensor2D;
  /** log π of the policy that drew it. */
  oldLogps: Tensor2D;
  /** Â_t. */
  advantages: Tensor2D;
  /** 1 for an answer's tokens, 0 for what fills the rows. */
  mask: Tensor2D;
}

/** The mean over all tokens that count; 0 where none does, as in a batch of answers that were all cut off and are left out. */
export function maskedMean(values: Tensor2D, mask: Tensor2D): Scalar {
  return tf.div(tf.sum(tf.mul(values, mask)), tf.maximum(tf.sum(mask), 1)) as Scalar;
}

/**
 * REINFORCE (Williams 1992): −(1/B)·Σ_answers Â·log π(y|x), log π summed over the answer's tokens.
 * @param sequenceLogps [batch] @param advantages [batch]; no gradient goes through them
 */
export function reinforceLoss(sequenceLogps: Tensor1D, advantages: Tensor1D): Scalar {
  if (sequenceLogps.shape.length !== 1 || String(sequenceLogps.shape) !== String(advantages.shape)) {
    throw new RangeError(`sequenceLogps has shape [${sequenceLogps.shape}] and advantages [${advantages.shape}]; both are vectors with one value for each answer.`);
  }
  return tf.neg(tf.mean(tf.mul(sequenceLogps, advantages))) as Scalar;
}

export interface ClipRange {
  /** ε below 1 and above. Default 0.2 both. */
  low?: number;
  high?: number;
}

export interface PolicyLoss {
  loss: Scalar;
  /** Share of tokens whose ratio is clipped, which have no gradient. */
  clipFraction: Scalar;
  /** ½·mean (log π_θ − log π_old)². */
  approxKl: Scalar;
  /** Mean of the ratio π_θ/π_old. */
  ratio: Scalar;
}

/** The clipped surrogate of each token, to be minimised, with the ratio ρ_t = π_θ/π_old and whether it is clipped. */
function surrogate({ logps, oldLogps, advantages }: PolicyTerms, { low = 0.2, high = low }: ClipRange): { losses: Tensor2D; ratio: Tensor2D; clipped: Tensor2D } {
  const ratio = tf.exp(tf.sub(logps, oldLogps)) as Tensor2D;
  const free = tf.neg(tf.mul(advantages, ratio));
  const held = tf.neg(tf.mul(advantages, tf.clipByValue(ratio, 1 - low, 1 + high)));
  return { losses: tf.maximum(free, held) as Tensor2D, ratio, clipped: tf.cast(tf.greater(held, free), "float32") as Tensor2D };
}

const approxKl = ({ logps, oldLogps, mask }: PolicyTerms): Scalar => tf.mul(maskedMean(tf.square(tf.sub(logps, oldLogps)) as Tensor2D, mask), 0.5) as Scalar;

/**
 * PPO's clipped objective (Schulman et al. 2017, equation 7), negated, the mean over all tokens of the batch:
 *
 *   −mean min(ρ_t·Â_t, clip(ρ_t, 1 − ε, 1 + ε)·Â_t),   ρ_t = π_θ/π_old
 *
 * @throws RangeError for tensors that are not of one shape
 */
export function ppoPolicyLoss(terms: PolicyTerms, range: ClipRange = {}): PolicyLoss {
  checkTerms({ ...terms });
  checkRange(range);
  const { losses, ratio, clipped } = surrogate(terms, range);
  return { loss: maskedMean(losses, terms.mask), clipFraction: maskedMean(clipped, terms.mask), approxKl: approxKl(terms), ratio: maskedMean(ratio, terms.mask) };
}

export interface ValueTerms {
  /** V_θ of each token's state, before it is drawn. */
  values: Tensor2D;
  /** V when the answers were drawn. */
  oldValues: Tensor2D;
  returns: Tensor2D;
  mask: Tensor2D;
}

export interface ValueLoss {
  loss: Scalar;
  /** Share of tokens where the clipped value has the greater error. */
  clipFraction: Scalar;
}

/**
 * PPO's value loss with clipping (Schulman et al. 2017, as in OpenAI's baselines): values may move by `clipRange` from what
 * they were,
 *
 *   ½·mean max((V − R)², (clip(V, V_old − ε, V_old + ε) − R)²)
 *
 * @param clipRange null for plain ½·mean (V − R)². Default 0.2
 */
export function valueLoss(terms: ValueTerms, clipRange: number | null = 0.2): ValueLoss {
  checkTerms({ ...terms });
  const { values, oldValues, returns, mask } = terms;
  const free = tf.square(tf.sub(values, returns)) as Tensor2D;
  if (clipRange === null) return { loss: tf.mul(maskedMean(free, mask), 0.5) as Scalar, clipFraction: tf.scalar(0) };
  checkRange({ low: clipRange });
  const near = tf.add(oldValues, tf.clipByValue(tf.sub(values, oldValues), -clipRange, clipRange));
  const held = tf.square(tf.sub(near, returns)) as Tensor2D;
  return { loss: tf.mul(maskedMean(tf.maximum(free, held) as Tensor2D, mask), 0.5) as Scalar, clipFraction: maskedMean(tf.cast(tf.greater(held, free), "float32") as Tensor2D, mask) };
}

/**
 * How GRPO's token losses become one number: `grpo` is the mean over each answer's tokens, then over answers (Shao et al. 2024);
 * `dapo` and `bnpo` the mean over all tokens of the batch (Yu et al. 2025); `dr_grpo` the sum over all tokens by the number
 * of answers times the greatest length (Liu et al. 2025).
 */
export const GRPO_LOSS_TYPES = ["grpo", "bnpo", "dapo", "dr_grpo"] as const;
export type GrpoLossType = (typeof GRPO_LOSS_TYPES)[number];

export interface GrpoLossOptions {
  lossType?: GrpoLossType;
  range?: ClipRange;
  /** β of the KL penalty in the loss; 0, the default, for none. */
  beta?: number;
  klEstimator?: KlEstimator;
  /** The greatest length of an answer, for `dr_grpo`. Default: the tensors' width. */
  maxLength?: number;
}

/**
 * GRPO's objective (Shao et al. 2024, equation 3), negated: PPO's clipped surrogate plus β times an estimate of the KL to
 * the reference, by default k3.
 * @param refLogps log π_ref of each token, [batch, tokens]; needed where beta is not 0
 */
export function grpoLoss(terms: PolicyTerms, refLogps: Tensor2D | null, { lossType = "dapo", range = {}, beta = 0, klEstimator = "k3", maxLength }: GrpoLossOptions = {}): PolicyLoss & { kl: Scalar | null } {
  checkTerms(refLogps ? { ...terms, refLogps } : { ...terms });
  checkRange(range);
  if (!GRPO_LOSS_TYPES.includes(lossType)) throw new RangeError(`lossType is ${JSON.stringify(lossType)}; known are ${GRPO_LOSS_TYPES.join(", ")}.`);
  if (beta !== 0 && !refLogps) throw new RangeError(`beta is ${beta}, and refLogps is missing: the KL needs the reference's log-probabilities.`);
  const { mask } = terms;
  const { losses, ratio, clipped } = surrogate(terms, range);
  const kl = refLogps ? klTerms(terms.logps, refLogps, klEstimator) : null;
  const each = (kl && beta !== 0 ? tf.add(losses, tf.mul(kl, beta)) : losses) as Tensor2D;
  return { loss: reduced(each, mask, lossType, maxLength), clipFraction: maskedMean(clipped, mask), approxKl: approxKl(terms), ratio: maskedMean(ratio, mask), kl: kl && maskedMean(kl, mask) };
}

function reduced(losses: Tensor2D, mask: Tensor2D, lossType: GrpoLossType, maxLength?: number): Scalar {
  const [batch, width] = losses.shape;
  if (lossType === "dr_grpo") return tf.div(tf.sum(tf.mul(losses, mask)), batch * (maxLength ?? width)) as Scalar;
  if (lossType !== "grpo") return maskedMean(losses, mask);
  return tf.mean(tf.div(tf.sum(tf.mul(losses, mask), 1), tf.maximum(tf.sum(mask, 1), 1))) as Scalar;
}

function checkTerms(terms: Record<string, Tensor>): void {
  const [[first, { shape }]] = Object.entries(terms) as [[string, Tensor]];
  if (shape.length !== 2 || shape[0] === 0 || shape[1] === 0) throw new RangeError(`${first} has shape [${shape}]; [batch, tokens] is needed.`);
  for (const [name, tensor] of Object.entries(terms)) {
    if (String(tensor.shape) !== String(shape)) throw new RangeError(`${name} has shape [${tensor.shape}] and ${first} [${shape}]; one value of each belongs to a token.`);
  }
}

function checkRange({ low = 0.2, high = low }: ClipRange): void {
  for (const [side, by] of [["below", low], ["above", high]] as const) if (!(by > 0)) throw new RangeError(`The clip range is ${by} ${side}; a number above 0 is needed.`);
}
