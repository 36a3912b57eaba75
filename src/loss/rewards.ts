import type { Scalar, Tensor } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { checkBeta, checkPair, type PairLogps } from "./pair";

/** What TRL logs for a batch of pairs, under TRL's names. */
export interface RewardMetrics {
  "rewards/chosen": Scalar;
  "rewards/rejected": Scalar;
  /** Share of pairs whose chosen answer has the greater reward; a tie counts as wrong. */
  "rewards/accuracies": Scalar;
  "rewards/margins": Scalar;
  "logps/chosen": Scalar;
  "logps/rejected": Scalar;
}

/**
 * Means over a batch of the implicit rewards β·log π(y|x)/π_ref(y|x) (Rafailov et al. 2023, §4) and of the policy's
 * log-probabilities. The rewards are these whatever the loss or its divergence.
 */
export function rewardMetrics(logps: PairLogps, beta: number): RewardMetrics {
  checkPair(logps);
  checkBeta(beta);
  return tf.tidy(() => {
    const mean = (x: Tensor): Scalar => tf.mean(x);
    const chosen = tf.mul(tf.sub(logps.chosenLogps, logps.refChosenLogps), beta);
    const rejected = tf.mul(tf.sub(logps.rejectedLogps, logps.refRejectedLogps), beta);
    return {
      "rewards/chosen": mean(chosen),
      "rewards/rejected": mean(rejected),
      "rewards/accuracies": mean(tf.cast(tf.greater(chosen, rejected), "float32")),
      "rewards/margins": mean(tf.sub(chosen, rejected)),
      "logps/chosen": mean(logps.chosenLogps),
      "logps/rejected": mean(logps.rejectedLogps),
    };
  }) as RewardMetrics;
}
