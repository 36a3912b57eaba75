import type { Scalar, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { leaveOneOut, moments, MovingBaseline, whiten } from "../loss/advantages";
import { klTerms } from "../loss/kl";
import { maskedMean, reinforceLoss } from "../loss/policyGradient";
import { finalScores } from "../loss/tokenRewards";
import { trainingArguments } from "./arguments";
import { meanOf, perToken, sumOf, type Control, type MeasuredRollouts, type Objective } from "./rollout/objective";
import type { RolloutTrainerOptions } from "./rollout/options";
import { answerRewards } from "./rollout/scores";
import { checkCounts, checkNotNegative, checkOneOf, checkSwitches, refuseArgument, ROLLOUT_DEFAULTS, type RolloutConfig } from "./rollout/settings";
import { RolloutTrainer } from "./rollout/rolloutTrainer";

/**
 * What is taken off an answer's reward: nothing; a moving average of the rewards of earlier batches; the mean of the other
 * answers to its prompt; the score of the likeliest answer to its prompt (Rennie et al. 2017, self-critical training).
 */
export const REINFORCE_BASELINES = ["none", "moving_average", "leave_one_out", "greedy"] as const;
export type ReinforceBaseline = (typeof REINFORCE_BASELINES)[number];

export interface ReinforceConfig extends RolloutConfig {
  /** Answers to each prompt; the baseline `leave_one_out` needs at least 2. */
  numGenerations: number;
  /** Most tokens of an answer. */
  maxCompletionLength: number;
  baseline: ReinforceBaseline;
  /** Of `moving_average`: the weight of what was, b ← α·b + (1 − α)·r̄ after each batch. */
  baselineAlpha: number;
  /** Of `moving_average`: b before the first batch; null takes the first batch's mean. */
  baselineStart: number | null;
  /** β of the KL to the reference; 0 for none. `klEstimator` says how it is estimated. */
  beta: number;
  /** Whether the KL is taken off the reward, or added to the loss, where the gradient goes through it. */
  klPlacement: "reward" | "loss";
  /**
   * What −log π of an answer adds to its reward, which is how the gradient of the entropy is estimated: above 0 it keeps the
   * policy from settling early.
   */
  entropyCoef: number;
  /** Whether advantages are brought to mean 0 and variance 1 over the batch. */
  whitenAdvantages: boolean;
}

export const REINFORCE_DEFAULTS: ReinforceConfig = {
  ...ROLLOUT_DEFAULTS, numGenerations: 1, maxCompletionLength: 256, baseline: "moving_average", baselineAlpha: 0.9, baselineStart: 0,
  beta: 0, klPlacement: "reward", entropyCoef: 0, whitenAdvantages: false,
};

export type ReinforceTrainerOptions = RolloutTrainerOptions<ReinforceConfig>;

/** The baseline of each answer, and what the next iteration begins with. */
function baselines(rewards: readonly number[], { groupSize, greedy, rollouts }: MeasuredRollouts, args: ReinforceConfig, control: Control): { values: number[]; control: Control } {
  if (args.baseline === "none") return { values: rewards.map(() => 0), control };
  if (args.baseline === "leave_one_out") {
    const own = leaveOneOut(rewards, groupSize);
    return { values: rewards.map((reward, i) => reward - own[i]!), control };
  }
  if (args.baseline === "greedy") {
    const scores = finalScores(greedy!.scores, greedy!.ended, args);
    return { values: rollouts.map((_, i) => scores[Math.floor(i / groupSize)]!), control };
  }
  const mean = meanOf(rewards);
  const known = Number.isNaN(control.baseline!) ? null : control.baseline!;
  // A batch's own mean would make the gradient biased; only the first one has no other.
  const used = known ?? mean;
  return { values: rewards.map(() => used), control: { baseline: new MovingBaseline(args.baselineAlpha, known).update(mean) } };
}

/** @param hasReference whether the KL to a reference is measured */
export function reinforceObjective(args: ReinforceConfig, hasReference: boolean): Objective {
  const { baseline, baselineStart, beta, klPlacement, klEstimator, entropyCoef, whitenAdvantages } = args;
  const inLoss = hasReference && klPlacement === "loss";
  return {
    scoreName: "reward",
    statisticNames: ["reward", "reward_std", "baseline", "advantages/variance", ...(hasReference ? ["kl"] : [])],
    metricNames: ["entropy"],
    columnNames: ["advantages", ...(inLoss ? ["refLogps"] : [])],
    control: baseline === "moving_average" ? { baseline: baselineStart ?? NaN } : {},
    targets(measured, control) {
      const { rollouts, logps, refLogps } = measured;
      const { scores, rewards: penalised, kl } = answerRewards(measured, args, klPlacement === "reward" ? beta : 0);
      const rewards = penalised.map((reward, i) => reward - entropyCoef * sumOf(logps[i]!));
      const { values, control: next } = baselines(rewards, measured, args, control);
      const own = rewards.map((reward, i) => reward - values[i]!);
      const [advantages] = whitenAdvantages ? whiten([own]) : [own];
      return {
        advantages, control: next, columns: { advantages: perToken(advantages, rollouts), ...(inLoss ? { refLogps: refLogps! } : {}) },
        counts: rollouts.map(() => true),
        statistics: { reward: meanOf(scores), reward_std: Math.sqrt(moments(scores).variance), baseline: meanOf(values), "advantages/variance": moments(own).variance, ...(kl ? { kl: meanOf(kl) } : {}) },
      };
    },
    loss({ logps, entropies, mask, columns: { advantages, refLogps } }) {
      const answers = logps.shape[0];
      // All tokens of an answer have its advantage.
      const policy = reinforceLoss(tf.sum(logps, 1) as Tensor1D, tf.reshape(tf.slice(advantages!, [0, 0], [-1, 1]), [-1]) as Tensor1D);
      const kl = refLogps && tf.div(tf.sum(tf.mul(klTerms(logps, refLogps, klEstimator), mask)), answers);
      return { loss: (kl ? tf.add(policy, tf.mul(kl, beta)) : policy) as Scalar, metrics: [maskedMean(entropies, mask)] };
    },
  };
}

function checkSettings(args: ReinforceConfig): void {
  const { numGenerations, maxCompletionLength, baseline, baselineAlpha, baselineStart, beta, klPlacement, entropyCoef, whitenAdvantages } = args;
  checkCounts({ numGenerations, maxCompletionLength });
  checkOneOf("baseline", baseline, REINFORCE_BASELINES);
  if (baseline === "leave_one_out" && numGenerations < 2) refuseArgument("numGenerations", numGenerations, 'at least 2 for the baseline "leave_one_out"');
  if (!(baselineAlpha >= 0 && baselineAlpha < 1)) refuseArgument("baselineAlpha", baselineAlpha, "a number from 0 to below 1");
  if (baselineStart !== null && !Number.isFinite(baselineStart)) refuseArgument("baselineStart", baselineStart, "a number, or null for the first batch's mean,");
  checkNotNegative({ beta, entropyCoef });
  checkOneOf("klPlacement", klPlacement, ["reward", "loss"]);
  checkSwitches({ whitenAdvantages });
}

/**
 * REINFORCE (Williams 1992): one step on each batch of answers, along their advantages times the gradient of their
 * log-probabilities, with a choice of baselines.
 */
export class ReinforceTrainer extends RolloutTrainer<ReinforceConfig> {
  /** @throws with the row's number for a prompt that cannot be answered, with the argument's name for a bad setting */
  constructor(options: ReinforceTrainerOptions) {
    const args = trainingArguments(options.args ?? {}, REINFORCE_DEFAULTS);
    checkSettings(args);
    const { numGenerations, maxCompletionLength, beta, baseline } = args;
    super(options, args, {
      trainer: "ReinforceTrainer", objective: (hasReference) => reinforceObjective(args, hasReference), numGenerations, longest: { name: "maxCompletionLength", value: maxCompletionLength },
      epochs: 1, miniBatches: 1, needsReference: beta > 0, measuresReference: false, greedy: baseline === "greedy", value: null,
    });
  }
}
