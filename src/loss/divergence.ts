import type { Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { withGradient } from "../model/ops";
import { logSigmoid } from "./logSigmoid";

/**
 * f-DPO (Wang et al. 2024): in place of the log-ratio log t, t = π/π_ref, an answer scores f′(t), f being
 * the divergence that holds the policy near the reference. All are functions of r = log t, so that t is never formed.
 */
export interface Divergence {
  /** f′(eʳ) for each answer. @param logRatios [batch] */
  score(logRatios: Tensor1D): Tensor1D;
  /** score(chosen) − score(rejected), right even where the two scores alone would be too great for float32. */
  difference(chosenRatios: Tensor1D, rejectedRatios: Tensor1D): Tensor1D;
}

/**
 * Exponents above this count as this. e⁴⁰ = 2e17: IPO squares it and float32 still holds the result, and a loss that
 * has come to it has long been off any scale that can be trained.
 */
const MAX_EXPONENT = 40;

const subtract = (a: Tensor1D, b: Tensor1D): Tensor1D => tf.sub(a, b);

const reverseKl: Divergence = { score: (ratios) => ratios, difference: subtract };

/** f′(t) = log(2t / (1 + t)) = ln 2 + log σ(r). */
const jensenShannon: Divergence = {
  score: (ratios) => tf.add(logSigmoid(ratios), Math.LN2),
  difference: (chosen, rejected) => tf.sub(logSigmoid(chosen), logSigmoid(rejected)),
};

/**
 * The α-divergence, f′(t) = (t^(α−1) − 1) / (α − 1). α = 0 is the forward KL, 1 − 1/t; towards α = 1 it becomes the
 * reverse KL, log t.
 */
function alphaDivergence(alpha: number): Divergence {
  const power = alpha - 1;
  if (Math.abs(power) < 1e-6) return reverseKl;
  return {
    score: (ratios) => tf.div(tf.expm1(tf.minimum(tf.mul(ratios, power), MAX_EXPONENT)), power),
    difference: (chosen, rejected) => tf.div(exponentialDifference(tf.mul(chosen, power), tf.mul(rejected, power)), power),
  };
}

/** eᵃ − eᵇ as ±e^(max + log(1 − e^−|a−b|)): its sign is right however great both are. */
function exponentialDifference(a: Tensor1D, b: Tensor1D): Tensor1D {
  const capped = (x: Tensor1D): Tensor1D => tf.exp(tf.minimum(x, MAX_EXPONENT) as Tensor1D);
  return withGradient(
    [a, b],
    (save) => {
      save([a, b]);
      const gap = tf.sub(a, b);
      const logMagnitude = tf.add(tf.maximum(a, b), tf.log(tf.neg(tf.expm1(tf.neg(tf.abs(gap)))))) as Tensor1D;
      return tf.mul(tf.sign(gap), capped(logMagnitude));
    },
    (dy, [a, b]) => [tf.mul(dy, capped(a as Tensor1D)), tf.neg(tf.mul(dy, capped(b as Tensor1D)))],
  ) as Tensor1D;
}

const DIVERGENCES = {
  reverse_kl: () => reverseKl,
  forward_kl: () => alphaDivergence(0),
  js_divergence: () => jensenShannon,
  alpha_divergence: alphaDivergence,
} satisfies Record<string, (alpha: number) => Divergence>;

/** Names as TRL's `f_divergence_type` has them. */
export type DivergenceType = keyof typeof DIVERGENCES;

/** The divergences that `preferenceLoss` knows. */
export function supportedDivergences(): DivergenceType[] {
  return Object.keys(DIVERGENCES) as DivergenceType[];
}

/**
 * @param alpha the coefficient of `alpha_divergence`; the others have none
 * @throws RangeError for an unknown name or an alpha that is not a finite number
 */
export function divergence(name: DivergenceType, alpha: number): Divergence {
  if (!Object.hasOwn(DIVERGENCES, name)) throw new RangeError(`fDivergenceType is ${JSON.stringify(name)}; known are ${supportedDivergences().join(", ")}.`);
  if (!Number.isFinite(alpha)) throw new RangeError(`fAlphaDivergenceCoef is ${alpha}; a finite number is needed (0.5 is usual).`);
  return DIVERGENCES[name](alpha);
}
