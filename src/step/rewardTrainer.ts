import { checkCoefficient, rewardLoss, rewardModelMetrics, type RewardModelMetrics } from "../loss/reward";
import { asRewards } from "../loss/scores";
import { longestText, withinLength, type RewardRow, type ScoredRow } from "../tokens/rewardRows";
import { TRAINING_DEFAULTS } from "./arguments";
import { PairTrainer, type HeldOutScores, type PairConfig, type PairMethod, type PairTrainerOptions } from "./pairTrainer";

/** TRL's RewardConfig in camelCase. Rows with a text of more than `maxLength` tokens are left out. */
export interface RewardConfig extends PairConfig {
  /** λ of the penalty λ·(r_chosen + r_rejected)², which keeps rewards centred on 0; null for none. 0.01 is usual. */
  centerRewardsCoefficient: number | null;
}

export const REWARD_DEFAULTS: RewardConfig = { ...TRAINING_DEFAULTS, learningRate: 1e-4, maxLength: 1024, centerRewardsCoefficient: null, headOnly: false };

export interface RewardTrainerOptions extends PairTrainerOptions<RewardConfig> {
  /** Pairs of texts, chats or token ids, each with a margin or all without. */
  trainDataset: readonly RewardRow[];
}

/** Rewards of the held-out pairs, in their order. */
export type HeldOutRewards = HeldOutScores;

const METRICS = ["accuracy", "margin", "mean_reward", "min_reward", "max_reward"] as const satisfies readonly (keyof RewardModelMetrics)[];

const REWARD: PairMethod<RewardConfig> = {
  trainer: "RewardTrainer",
  defaults: REWARD_DEFAULTS,
  metricNames: METRICS,
  check({ centerRewardsCoefficient }, numLabels) {
    checkCoefficient(centerRewardsCoefficient);
    if (numLabels !== 1) throw new RangeError(`The model gives each text ${numLabels} scores; a reward model gives one. Load it with numLabels: 1.`);
  },
  fit: withoutLongTexts,
  loss(scores, { centerRewardsCoefficient }) {
    const rewards = asRewards(scores);
    const measured = rewardModelMetrics(rewards);
    return { loss: rewardLoss(rewards, { centerRewardsCoefficient }), metrics: METRICS.map((name) => measured[name]) };
  },
};

/** Trains a reward model on preference pairs (Ouyang et al. 2022, section 3.5) with the surface of TRL's RewardTrainer. */
export class RewardTrainer extends PairTrainer<RewardConfig> {
  /** @throws with the row's number for a row that cannot be trained on, with the argument's name for a bad setting */
  constructor(options: RewardTrainerOptions) {
    super(options, REWARD);
  }

  /** Rewards of the evaluation rows as the model stands now; `reliability` tells from their differences how well it is calibrated. @throws when the trainer has no evalDataset */
  async predict(): Promise<HeldOutRewards> {
    this.requireEvalRows("predict");
    return (await this.heldOutScores())!;
  }
}

function withoutLongTexts(rows: readonly ScoredRow[], maxLength: number | null, set: string): ScoredRow[] {
  const kept = withinLength(rows, maxLength);
  const leftOut = rows.length - kept.length;
  if (leftOut > 0 && kept.length === 0) {
    const shortest = rows.reduce((least, row) => Math.min(least, longestText(row)), Infinity);
    throw new RangeError(`Every row of ${set} has a text of more than maxLength ${maxLength} tokens, prompt included; the shortest needs ${shortest}. Raise maxLength.`);
  }
  if (leftOut > 0) console.warn(`${leftOut} of ${rows.length} rows of ${set} are left out: they have a text of more than maxLength ${maxLength} tokens.`);
  return kept;
}
