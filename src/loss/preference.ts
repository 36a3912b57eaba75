import type { Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { divergence, type DivergenceType } from "./divergence";
import { checkBeta, checkPair, type PairLogps } from "./pair";
import * as losses from "./formulas";

interface LossEntry {
  loss: losses.PairLoss;
  /** Built on the difference of the two scores, the one place where another divergence than reverse KL has a meaning. */
  takesDivergence?: boolean;
  takesLabelSmoothing?: boolean;
  needsLengths?: boolean;
}

const LOSSES = {
  sigmoid: { loss: losses.sigmoid, takesDivergence: true, takesLabelSmoothing: true },
  hinge: { loss: losses.hinge, takesDivergence: true },
  ipo: { loss: losses.ipo, takesDivergence: true, needsLengths: true },
  exo_pair: { loss: losses.exoPair, takesDivergence: true, takesLabelSmoothing: true },
  nca_pair: { loss: losses.ncaPair },
  robust: { loss: losses.robust, takesDivergence: true, takesLabelSmoothing: true },
  bco_pair: { loss: losses.bcoPair },
  sppo_hard: { loss: losses.sppoHard },
  aot: { loss: losses.aot, takesLabelSmoothing: true },
  aot_unpaired: { loss: losses.aotUnpaired, takesLabelSmoothing: true },
  apo_zero: { loss: losses.apoZero },
  apo_down: { loss: losses.apoDown },
  discopop: { loss: losses.discopop, takesDivergence: true },
  sft: { loss: losses.sft, takesDivergence: true, needsLengths: true },
  sigmoid_norm: { loss: losses.sigmoidNorm, takesDivergence: true, needsLengths: true },
} satisfies Record<string, LossEntry>;

/** Names as TRL's `loss_type` has them. */
export type LossType = keyof typeof LOSSES;

export interface PreferenceLossOptions {
  /** Default `sigmoid`, which is DPO. */
  lossType?: LossType;
  /** Strength of the pull towards the reference; IPO's τ. Default 0.1. */
  beta?: number;
  /** The probability that a preference is the wrong way round, from 0 to below 0.5. Default 0. */
  labelSmoothing?: number;
  /** What holds the policy near the reference. Default `reverse_kl`. */
  fDivergenceType?: DivergenceType;
  /** α of `alpha_divergence`. Default 0.5. */
  fAlphaDivergenceCoef?: number;
  /** DiscoPOP's temperature. Default 0.05. */
  discopopTau?: number;
}

/** The losses that `preferenceLoss` knows, by TRL 1.16's names. */
export function supportedLosses(): LossType[] {
  return Object.keys(LOSSES) as LossType[];
}

/** Whether a loss is taken per token and so needs `chosenLengths` and `rejectedLengths`. */
export function lossNeedsLengths(lossType: LossType): boolean {
  return entryOf(lossType).needsLengths === true;
}

/**
 * A preference loss as a pure function: a batch of log-probabilities in, one loss for each pair out, [batch]. The mean
 * of it is what TRL minimises. It can be traced by `jit`.
 * @throws RangeError for an unknown name, or an option that is out of range or that the loss does not have
 */
export function preferenceLoss(options: PreferenceLossOptions = {}): (logps: PairLogps) => Tensor1D {
  const { lossType = "sigmoid", beta = 0.1, labelSmoothing = 0, fDivergenceType = "reverse_kl", fAlphaDivergenceCoef = 0.5, discopopTau = 0.05 } = options;
  const entry = entryOf(lossType);
  const measure = divergence(fDivergenceType, fAlphaDivergenceCoef);
  checkBeta(beta);
  checkOptions(lossType, entry, labelSmoothing, fDivergenceType, discopopTau);
  return (logps) => {
    checkPair(logps);
    if (entry.needsLengths && !(logps.chosenLengths && logps.rejectedLengths)) {
      throw new RangeError(`The loss ${lossType} is taken per token: it needs chosenLengths and rejectedLengths, the answers' numbers of tokens.`);
    }
    return tf.tidy(() => {
      const chosenRatios = tf.sub(logps.chosenLogps, logps.refChosenLogps) as Tensor1D;
      const rejectedRatios = tf.sub(logps.rejectedLogps, logps.refRejectedLogps) as Tensor1D;
      return entry.loss({ logps, chosenRatios, rejectedRatios, divergence: measure, beta, labelSmoothing, discopopTau });
    });
  };
}

/** `preferenceLoss(options)` of one batch. @returns [batch] */
export function pairLosses(logps: PairLogps, options: PreferenceLossOptions = {}): Tensor1D {
  return preferenceLoss(options)(logps);
}

function entryOf(lossType: LossType): LossEntry {
  if (!Object.hasOwn(LOSSES, lossType)) throw new RangeError(`lossType is ${JSON.stringify(lossType)}; known are ${supportedLosses().join(", ")}.`);
  return LOSSES[lossType];
}

function checkOptions(lossType: LossType, entry: LossEntry, labelSmoothing: number, fDivergenceType: DivergenceType, discopopTau: number): void {
  const having = (key: keyof LossEntry): string => supportedLosses().filter((name) => (LOSSES[name] as LossEntry)[key]).join(", ");
  if (!(labelSmoothing >= 0 && labelSmoothing < 0.5)) throw new RangeError(`labelSmoothing is ${labelSmoothing}; a probability from 0 to below 0.5 is needed.`);
  if (labelSmoothing > 0 && !entry.takesLabelSmoothing) throw new RangeError(`The loss ${lossType} has no label smoothing. These have: ${having("takesLabelSmoothing")}.`);
  if (lossType === "exo_pair" && labelSmoothing === 0) throw new RangeError("The loss exo_pair needs labelSmoothing above 0, for it takes its logarithm; Ji et al. 2024 use 0.001.");
  if (fDivergenceType !== "reverse_kl" && !entry.takesDivergence) {
    throw new RangeError(`The loss ${lossType} has no form with ${fDivergenceType}. These have: ${having("takesDivergence")}.`);
  }
  if (!(discopopTau > 0 && discopopTau <= 1)) throw new RangeError(`discopopTau is ${discopopTau}; a number above 0 and up to 1 is needed.`);
}
