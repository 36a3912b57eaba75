import type { Scalar } from "@tensorflow/tfjs";
import { groupAdvantages, moments, type RewardScale } from "../loss/advantages";
import { GRPO_LOSS_TYPES, grpoLoss, maskedMean, type GrpoLossType } from "../loss/policyGradient";
import { finalScores } from "../loss/tokenRewards";
import { trainingArguments } from "./arguments";
import { checkGroupSettings, GROUP_DEFAULTS, groupPlan, type GroupConfig } from "./rollout/groups";
import { meanOf, perToken, type Objective } from "./rollout/objective";
import type { RolloutTrainerOptions } from "./rollout/options";
import { checkOneOf } from "./rollout/settings";
import { RolloutTrainer } from "./rollout/rolloutTrainer";

/** TRL's GRPOConfig in camelCase. */
export interface GRPOConfig extends GroupConfig {
  lossType: GrpoLossType;
  /** What a group's advantages are divided by. */
  scaleRewards: RewardScale;
}

/** The KL is in the loss. */
export const GRPO_DEFAULTS: GRPOConfig = { ...GROUP_DEFAULTS, klEstimator: "k3", numGenerations: 8, beta: 0, lossType: "dapo", scaleRewards: "group" };

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
  checkGroupSettings(args);
  checkOneOf("lossType", args.lossType, GRPO_LOSS_TYPES);
  checkOneOf("scaleRewards", args.scaleRewards, ["group", "batch", "none"]);
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
    super(options, args, groupPlan("GRPOTrainer", (hasReference) => grpoObjective(args, hasReference), args));
  }
}
