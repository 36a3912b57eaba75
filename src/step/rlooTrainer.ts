import { leaveOneOut, moments } from "../loss/advantages";
import { maskedMean, ppoPolicyLoss } from "../loss/policyGradient";
import { trainingArguments } from "./arguments";
import { wholeAnswers } from "./rollout/answers";
import { meanOf, perToken, type Objective } from "./rollout/objective";
import type { RolloutTrainerOptions } from "./rollout/options";
import { answerRewards } from "./rollout/scores";
import { checkCounts, checkNotNegative, checkSwitches, refuseArgument, ROLLOUT_DEFAULTS, type RolloutConfig } from "./rollout/settings";
import { RolloutTrainer } from "./rollout/rolloutTrainer";

/** TRL's RLOOConfig in camelCase. */
export interface RLOOConfig extends RolloutConfig {
  /** Answers to each prompt, at least 2. */
  numGenerations: number;
  /** Most tokens of an answer. */
  maxCompletionLength: number;
  /** β of the KL to the reference, which is taken off each answer's reward; 0 for none. `klEstimator` says how it is estimated. */
  beta: number;
  /** The ratio π_θ/π_old of whole answers may go down to 1 − epsilon, and up to 1 + epsilonHigh; null for the same. */
  epsilon: number;
  epsilonHigh: number | null;
  /** Whether advantages are brought to mean 0 and deviation 1 over the batch. */
  normalizeAdvantages: boolean;
  /** How often each batch of answers is trained on. */
  numIterations: number;
  /** Parts that a batch of prompts is trained on in, one optimiser step each. */
  stepsPerGeneration: number;
  /** Leaves answers that were cut off out of the loss. */
  maskTruncatedCompletions: boolean;
}

export const RLOO_DEFAULTS: RLOOConfig = {
  ...ROLLOUT_DEFAULTS, numGenerations: 2, maxCompletionLength: 256, beta: 0.05, epsilon: 0.2, epsilonHigh: null, normalizeAdvantages: false,
  numIterations: 1, stepsPerGeneration: 1, maskTruncatedCompletions: false,
};

export type RLOOTrainerOptions = RolloutTrainerOptions<RLOOConfig>;

/** @param hasReference whether the KL to a reference is measured */
export function rlooObjective(args: RLOOConfig, hasReference: boolean): Objective {
  const { beta, epsilon, epsilonHigh, normalizeAdvantages, maskTruncatedCompletions } = args;
  return {
    scoreName: "reward",
    statisticNames: ["reward", "reward_std", ...(hasReference ? ["kl"] : [])],
    metricNames: ["entropy", "clip_ratio/region_mean"],
    columnNames: ["advantages", "oldLogps"],
    control: {},
    targets(measured) {
      const { rollouts, groupSize, logps } = measured;
      const { scores, rewards, kl } = answerRewards(measured, args, beta);
      const own = leaveOneOut(rewards, groupSize);
      const { mean, variance } = moments(own);
      const advantages = normalizeAdvantages ? own.map((advantage) => (advantage - mean) / (Math.sqrt(variance) + 1e-4)) : own;
      return {
        advantages, control: {}, columns: { advantages: perToken(advantages, rollouts), oldLogps: logps },
        counts: rollouts.map(({ ended }) => ended || !maskTruncatedCompletions),
        statistics: { reward: meanOf(scores), reward_std: Math.sqrt(moments(scores).variance), ...(kl ? { kl: meanOf(kl) } : {}) },
      };
    },
    loss({ logps, entropies, mask, columns: { advantages, oldLogps } }) {
      const { loss, clipFraction } = ppoPolicyLoss(wholeAnswers({ logps, oldLogps: oldLogps!, advantages: advantages!, mask }), { low: epsilon, high: epsilonHigh ?? epsilon });
      return { loss, metrics: [maskedMean(entropies, mask), clipFraction] };
    },
  };
}

function checkSettings(args: RLOOConfig): void {
  const { numGenerations, maxCompletionLength, beta, epsilon, epsilonHigh, normalizeAdvantages, numIterations, stepsPerGeneration, maskTruncatedCompletions } = args;
  checkCounts({ numGenerations }, 2);
  checkCounts({ maxCompletionLength, numIterations, stepsPerGeneration });
  checkNotNegative({ beta });
  for (const [name, value] of Object.entries({ epsilon, epsilonHigh })) if (value !== null && !(value > 0)) refuseArgument(name, value, "a number above 0");
  checkSwitches({ normalizeAdvantages, maskTruncatedCompletions });
}

/**
 * REINFORCE leave-one-out (Kool et al. 2019; Ahmadian et al. 2024, "Back to Basics") with the surface of TRL's RLOOTrainer:
 * whole answers are the actions, the other answers to a prompt are an answer's baseline, and the KL is in the reward.
 */
export class RLOOTrainer extends RolloutTrainer<RLOOConfig> {
  /** @throws with the row's number for a prompt that cannot be answered, with the argument's name for a bad setting */
  constructor(options: RLOOTrainerOptions) {
    const args = trainingArguments(options.args ?? {}, RLOO_DEFAULTS);
    checkSettings(args);
    const { numGenerations, maxCompletionLength, numIterations, stepsPerGeneration, beta } = args;
    super(options, args, {
      trainer: "RLOOTrainer", objective: (hasReference) => rlooObjective(args, hasReference), numGenerations, longest: { name: "maxCompletionLength", value: maxCompletionLength },
      epochs: numIterations, miniBatches: stepsPerGeneration, needsReference: beta > 0, measuresReference: false, greedy: false, value: null,
    });
  }
}
