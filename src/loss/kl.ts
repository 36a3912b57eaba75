import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";

/**
 * Estimators of KL(π ‖ π_ref) from a token drawn from π (Schulman 2020, "Approximating KL divergence"). With
 * d = log π − log π_ref of the token:
 *
 * - k1 = d: unbiased, often negative, of high variance;
 * - k2 = d²/2: never negative, biased, of low variance;
 * - k3 = e^−d − 1 + d: unbiased and never negative.
 */
export const KL_ESTIMATORS = ["k1", "k2", "k3"] as const;
export type KlEstimator = (typeof KL_ESTIMATORS)[number];

const TERMS: Record<KlEstimator, (d: Tensor) => Tensor> = {
  k1: (d) => d,
  k2: (d) => tf.mul(tf.square(d), 0.5),
  k3: (d) => tf.add(tf.expm1(tf.neg(d)), d),
};

/**
 * Each token's estimate, in nats.
 * @param logps of the policy, of any shape @param refLogps of the reference, of the same shape
 * @throws RangeError for an unknown estimator
 */
export function klTerms<T extends Tensor>(logps: T, refLogps: T, estimator: KlEstimator): T {
  checkEstimator(estimator);
  return TERMS[estimator](tf.sub(logps, refLogps)) as T;
}

/** The same for one token's numbers. */
export function klTerm(logp: number, refLogp: number, estimator: KlEstimator): number {
  checkEstimator(estimator);
  const d = logp - refLogp;
  if (estimator === "k1") return d;
  return estimator === "k2" ? (d * d) / 2 : Math.expm1(-d) + d;
}

export function checkEstimator(estimator: string): void {
  if (!(KL_ESTIMATORS as readonly string[]).includes(estimator)) throw new RangeError(`The KL estimator is ${JSON.stringify(estimator)}; known are ${KL_ESTIMATORS.join(", ")}.`);
}

export interface AdaptiveKlOptions {
  /** The KL that is aimed at, in nats per answer. */
  target: number;
  /** Answers after which an error of 20 % has changed the coefficient by a factor of about 1.2. */
  horizon: number;
}

/**
 * The KL coefficient after a batch (Ziegler et al. 2019, §2.2): with e = clip(KL/target − 1, −0.2, 0.2) it is multiplied by
 * 1 + e·answers/horizon.
 */
export function adaptedKlCoef(coefficient: number, kl: number, answers: number, { target, horizon }: AdaptiveKlOptions): number {
  const error = Math.min(0.2, Math.max(-0.2, kl / target - 1));
  return coefficient * (1 + (error * answers) / horizon);
}
