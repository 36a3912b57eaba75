import type { Scalar, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { logSigmoid } from "./logSigmoid";

/** Rewards of a batch of pairs, every tensor [batch]. */
export interface PairRewards {
  /** r(x, y_w), of the chosen answers. */
  chosen: Tensor1D;
  /** r(x, y_l), of the rejected ones. */
  rejected: Tensor1D;
  /** m: by how much the chosen answer should win. */
  margin?: Tensor1D | undefined;
}

export interface RewardLossOptions {
  /** λ of the penalty that keeps rewards centred on 0; null for none. 0.01 is usual. Default null. */
  centerRewardsCoefficient?: number | null;
}

/**
 * The loss of each pair under the Bradley–Terry model (1952), which says that y_w is preferred with probability σ(r_w − r_l):
 *
 *   −log σ(r(x, y_w) − r(x, y_l) − m)
 *
 * Without m this is what Ouyang et al. 2022, equation 1, averages; with it equation 2 of Touvron et al. 2023 (Llama 2).
 * @returns [batch] @throws RangeError for tensors that are not of one length
 */
export function rewardLosses(rewards: PairRewards): Tensor1D {
  checkRewards(rewards);
  const { chosen, rejected, margin } = rewards;
  const difference = tf.sub(chosen, rejected) as Tensor1D;
  return tf.neg(logSigmoid(margin ? (tf.sub(difference, margin) as Tensor1D) : difference));
}

/**
 * The mean of `rewardLosses`, and where asked for of λ·(r_w + r_l)² (Eisenstein et al. 2023, equation 2): the Bradley–Terry
 * loss does not say where 0 lies, since a constant that is added to all rewards changes no difference.
 * @throws RangeError for tensors that are not of one length, or a coefficient below 0
 */
export function rewardLoss(rewards: PairRewards, { centerRewardsCoefficient = null }: RewardLossOptions = {}): Scalar {
  checkCoefficient(centerRewardsCoefficient);
  const loss = tf.mean(rewardLosses(rewards)) as Scalar;
  if (centerRewardsCoefficient === null) return loss;
  const sums = tf.add(rewards.chosen, rewards.rejected);
  return tf.add(loss, tf.mul(tf.mean(tf.square(sums)), centerRewardsCoefficient)) as Scalar;
}

/** What TRL's RewardTrainer logs of a batch of pairs, under its names. */
export interface RewardModelMetrics {
  /** Share of pairs whose chosen answer has the greater reward; a tie counts as wrong. */
  accuracy: Scalar;
  /** Mean of r_w − r_l; no margin of the rows is taken off. */
  margin: Scalar;
  mean_reward: Scalar;
  min_reward: Scalar;
  max_reward: Scalar;
}

export function rewardModelMetrics({ chosen, rejected }: PairRewards): RewardModelMetrics {
  checkRewards({ chosen, rejected });
  return tf.tidy(() => {
    const all = tf.concat([chosen, rejected]);
    return {
      accuracy: tf.mean(tf.cast(tf.greater(chosen, rejected), "float32")), margin: tf.mean(tf.sub(chosen, rejected)),
      mean_reward: tf.mean(all), min_reward: tf.min(all), max_reward: tf.max(all),
    };
  }) as RewardModelMetrics;
}

/** @throws RangeError unless it is null, or a number from 0 up */
export function checkCoefficient(coefficient: number | null): void {
  if (coefficient !== null && !(coefficient >= 0 && Number.isFinite(coefficient))) throw new RangeError(`centerRewardsCoefficient is ${coefficient}; a number, 0 or above, or null for none, is needed (0.01 is usual).`);
}

function checkRewards(rewards: PairRewards): void {
  const [batch] = rewards.chosen.shape;
  for (const [name, tensor] of Object.entries(rewards) as [string, Tensor1D | undefined][]) {
    if (tensor && (tensor.shape.length !== 1 || tensor.shape[0] !== batch)) {
      throw new RangeError(`${name} has shape [${tensor.shape}]; rewards and margins of a batch are vectors with one value for each pair, like chosen [${rewards.chosen.shape}].`);
    }
  }
  if (batch === 0) throw new RangeError("A reward loss needs at least one pair; the tensors are empty.");
}
