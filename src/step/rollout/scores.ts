import { klTerm } from "../../loss/kl";
import { finalScores } from "../../loss/tokenRewards";
import { sumOf, type MeasuredRollouts } from "./objective";
import type { RolloutConfig } from "./settings";

/** What answers as wholes are worth. */
export interface AnswerRewards {
  /** Without the KL. */
  scores: number[];
  /** Scores less β times the KL. */
  rewards: number[];
  /** The estimate of the KL to the reference, summed over each answer, in nats; null without a reference. */
  kl: number[] | null;
}

/** @param beta of the KL that is taken off */
export function answerRewards({ scores: given, rollouts, logps, refLogps }: MeasuredRollouts, args: RolloutConfig, beta: number): AnswerRewards {
  const scores = finalScores(given, rollouts.map(({ ended }) => ended), args);
  const kl = refLogps && logps.map((own, i) => sumOf(own.map((logp, t) => klTerm(logp, refLogps[i]![t]!, args.klEstimator))));
  return { scores, rewards: kl ? scores.map((score, i) => score - beta * kl[i]!) : scores, kl };
}
