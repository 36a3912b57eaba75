import type { Scalar } from "@tensorflow/tfjs";
import { groupAdvantages, moments, type RewardScale } from "../loss/advantages";
import { GRPO_LOSS_TYPES, grpoLoss, maskedMean, type GrpoLossType } from "../loss/policyGradient";
import { finalScores } from "../loss/tokenRewards";
import { trainingArguments } from "./arguments";
import { meanOf, perToken, type Objective } from "./rollout/objective";
import type { RolloutTrainerOptions } from "./rollout/options";
import { checkCounts, checkNotNegative, checkOneOf, checkSwitches, refuseArgument, ROLLOUT_DEFAULTS, type RolloutConfig } from "./rollout/settings";
import { RolloutTrainer } from "./rollout/rolloutTrainer";

/** TRL's GRPOConfig in camelCase. */
export interface GRPOConfig extends RolloutConfig {
  /** Answers to each prompt, at least 2. */
  numGenerations: number;
  /** Most tokens of an answer. */
  maxCompletionLength: number;
  /** β of the KL to the reference in the loss; 0 for none. `klEstimator` says how it is estimated. */
  beta: number;
  /** The ratio π_θ/π_old may go down to 1 − epsilon, and up to 1 + epsilonHigh; null for the same. */
  epsilon: number;
  epsilonHigh: number | null;
  lossType: GrpoLossType;
  /** What a group's advantages are divided by. */
  scaleRewards: RewardScale;
  /** μ: how often each batch of answers is trained on. */
  numIterations: number;
  /** Parts that a batch of prompts is trained on in, one optimiser step each. */
  stepsPerGeneration: number;
  /** Leaves answers that were cut off out of the loss (Yu et al. 2025, DAPO). */
  maskTruncatedCompletions: boolean;
}

export const GRPO_DEFAULTS: GRPOConfig = {
  ...ROLLOUT_DEFAULTS, klEstimator: "k3", numGenerations: 8, maxCompletionLength: 256, beta: 0, epsilon: 0.2, epsilonHigh: null, lossType: "dapo",
  scaleRewards: "group", numIterations: 1, stepsPerGeneration: 1, maskTruncatedCompletions: false,
};

export type GRPOTrainerOptions = RolloutTrainerOptions<GRPOConfig>;

/** Below this a group's rewards count as all the same. */
const NO_SPREAD = 1e-8;

/** @param hasReference whether the KL to a reference is measured */
export function grpoObjective(args: GRPOConfig, hasReference: boolean): Objective {
  const { beta, klEstimator, epsilon, epsilonHigh, lossType, maxCompletionLength, scaleRewards, maskTruncatedCompletions } = args;
  return {
    scoreName: "reward",
    statisticNames: ["reward", "reward_std", "frac_reward_zero_std"],
    metricNames: ["entropy", "clip_ratio/region_mean", ...(hasReference ? ["kl"] : [])],
    columnNames: ["advantages", "oldLogps", ...(hasReference ? ["refLogps"] : [])],
    control: {},
    targets({ rollouts, scores, groupSize, logps, refLogps }) {
      const rewards = finalScores(scores, rollouts.map(({ ended }) => ended), args);
      const advantages = groupAdvantages(rewards, groupSize, scaleRewards);
      const spreads = Array.from({ length: rewards.length / groupSize }, (_, group) => Math.sqrt(moments(rewards.slice(group * groupSize, (group + 1) * groupSize)).variance));
      return {
        advantages, control: {},
        columns: { advantages: perToken(advantages, rollouts), oldLogps: logps, ...(refLogps ? { refLogps } : {}) },
        counts: rollouts.map(({ ended }) => ended || !maskTruncatedCompletions),
        statistics: {
          reward: meanOf(rewards), reward_std: scaleRewards === "batch" ? Math.sqrt(moments(rewards).variance) : meanOf(spreads),
          frac_reward_zero_std: meanOf(spreads.map((spread) => Number(spread < NO_SPREAD))),
        },
      };
    },
    loss({ logps, entropies, mask, columns: { advantages, oldLogps, refLogps } }) {
      const terms = { logps, oldLogps: oldLogps!, advantages: advantages!, mask };
      const { loss, clipFraction, kl } = grpoLoss(terms, refLogps ?? null, { lossType, range: { low: epsilon, high: epsilonHigh ?? epsilon }, beta, klEstimator, maxLength: maxCompletionLength });
      return { loss, metrics: [maskedMean(entropies, mask), clipFraction, ...(kl ? [kl as Scalar] : [])] };
    },
  };
}

function checkSettings(args: GRPOConfig): void {
  const { numGenerations, maxCompletionLength, beta, epsilon, epsilonHigh, lossType, scaleRewards, numIterations, stepsPerGeneration, maskTruncatedCompletions } = args;
  checkCounts({ numGenerations }, 2);
  checkCounts({ maxCompletionLength, numIterations, stepsPerGeneration });
  checkNotNegative({ beta });
  for (const [name, value] of Object.entries({ epsilon, epsilonHigh })) if (value !== null && !(value > 0)) refuseArgument(name, value, "a number above 0");
  checkOneOf("lossType", lossType, GRPO_LOSS_TYPES);
  checkOneOf("scaleRewards", scaleRewards, ["group", "batch", "none"]);
  checkSwitches({ maskTruncatedCompletions });
}

/**
 * Group-relative policy optimisation (Shao et al. 2024, DeepSeekMath) with the surface of TRL's GRPOTrainer: an answer's
 * advantage is its reward against those of the other answers to the same prompt.
 */
export class GRPOTrainer extends RolloutTrainer<GRPOConfig> {
  /** @throws with the row's number for a prompt that cannot be answered, with the argument's name for a bad setting */
  constructor(options: GRPOTrainerOptions) {
    const args = trainingArguments(options.args ?? {}, GRPO_DEFAULTS);
    checkSettings(args);
    const { numGenerations, maxCompletionLength, numIterations, stepsPerGeneration, beta } = args;
    super(options, args, {
      trainer: "GRPOTrainer", objective: (hasReference) => grpoObjective(args, hasReference), numGenerations, longest: { name: "maxCompletionLength", value: maxCompletionLength },
      epochs: numIterations, miniBatches: stepsPerGeneration, needsReference: beta > 0, measuresReference: false, greedy: false, value: null,
    });
  }
}
