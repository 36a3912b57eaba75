import type { Scalar, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { pairLosses } from "./preference";
import { rewardMetrics } from "./rewards";

/**
 * Direct Preference Optimisation (Rafailov et al. 2023, equation 7), the mean over pairs of
 *
 *   −log σ(β·log π(y_w|x)/π_ref(y_w|x) − β·log π(y_l|x)/π_ref(y_l|x))
 *
 * y_w is the chosen answer, y_l the rejected one. With policy = reference the loss is ln 2 = 0.6931. Finite, with a
 * finite gradient, for any log-ratio up to ±1e4.
 * @param chosenLogps log-probability of each chosen answer under the policy, [batch], in nats; the other three alike
 * @param beta how much a nat of log-ratio counts as reward; the greater, the closer the policy stays to the reference
 * @returns three scalars: the loss; the share of pairs whose chosen answer has the greater implicit reward
 *   β·log π/π_ref; the mean difference of the two rewards
 * @throws RangeError for tensors that are not of one length, or a beta that is not positive
 */
export function dpoLoss(chosenLogps: Tensor1D, rejectedLogps: Tensor1D, refChosenLogps: Tensor1D, refRejectedLogps: Tensor1D, beta = 0.1): [loss: Scalar, rewardAccuracy: Scalar, rewardMargin: Scalar] {
  return tf.tidy(() => {
    const logps = { chosenLogps, rejectedLogps, refChosenLogps, refRejectedLogps };
    const loss = tf.mean(pairLosses(logps, { lossType: "sigmoid", beta })) as Scalar;
    const metrics = rewardMetrics(logps, beta);
    return [loss, metrics["rewards/accuracies"], metrics["rewards/margins"]];
  });
}
