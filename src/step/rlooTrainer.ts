import { groupAdvantages, leaveOneOut, moments } from "../loss/advantages";
import { maskedMean, ppoPolicyLoss } from "../loss/policyGradient";
import { trainingArguments } from "./arguments";
import { wholeAnswers } from "./rollout/answers";
import { checkGroupSettings, GROUP_DEFAULTS, groupPlan, type GroupConfig } from "./rollout/groups";
import { meanOf, perToken, type Objective } from "./rollout/objective";
import type { RolloutTrainerOptions } from "./rollout/options";
import { answerRewards } from "./rollout/scores";
import { checkSwitches } from "./rollout/settings";
import { RolloutTrainer } from "./rollout/rolloutTrainer";

/** TRL's RLOOConfig in camelCase. */
export interface RLOOConfig extends GroupConfig {
  /** Whether advantages are brought to mean 0 and deviation 1 over the batch. */
  normalizeAdvantages: boolean;
}

/** The KL is taken off each answer's reward, and the ratio is that of whole answers. */
export const RLOO_DEFAULTS: RLOOConfig = { ...GROUP_DEFAULTS, numGenerations: 2, beta: 0.05, normalizeAdvantages: false };

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
      const advantages = normalizeAdvantages ? groupAdvantages(own, own.length) : own;
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
  checkGroupSettings(args);
  checkSwitches({ normalizeAdvantages: args.normalizeAdvantages });
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
    super(options, args, groupPlan("RLOOTrainer", (hasReference) => rlooObjective(args, hasReference), args));
  }
}
