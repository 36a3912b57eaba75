import type { Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { probabilisticRewardLoss, pWinLogOdds, pWin, ratingMetrics, type RatingMetrics } from "../loss/ratings";
import { isSame, withFirstTokens, type RewardRow, type ScoredRow } from "../tokens/rewardRows";
import { TRAINING_DEFAULTS } from "./arguments";
import { PairTrainer, type PairConfig, type PairMethod, type PairTrainerOptions } from "./pairTrainer";

/** Settings of a RatingTrainer. A text keeps its first `maxLength` tokens. */
export type RatingConfig = PairConfig;

export const RATING_DEFAULTS: RatingConfig = { ...TRAINING_DEFAULTS, learningRate: 5e-5, maxLength: 1024, headOnly: false };

export interface RatingTrainerOptions extends PairTrainerOptions<RatingConfig> {
  /** Pairs of texts, chats or token ids, without margins. */
  trainDataset: readonly RewardRow[];
}

/** What the model says of the held-out pairs, in their order. */
export interface HeldOutRatings {
  /** Of each chosen text the probabilities of the ratings 1 to K. */
  chosen: number[][];
  rejected: number[][];
  /** P(chosen is rated above rejected) of each pair. */
  pWin: number[];
  /** log of P(chosen above rejected) / P(rejected above chosen) of each pair: what `reliability` takes, draws set aside. */
  margins: number[];
}

const METRICS = ["accuracy", "win_probability", "ratings/chosen", "ratings/rejected", "ratings/margin", "entropy"] as const satisfies readonly (keyof RatingMetrics)[];

const RATING: PairMethod<RatingConfig> = {
  trainer: "RatingTrainer",
  defaults: RATING_DEFAULTS,
  metricNames: METRICS,
  check(_args, numLabels) {
    if (numLabels < 2) throw new RangeError("The model gives each text one score; a model of ratings gives one for each rating. Load it with numLabels: 10.");
  },
  fit: cutTexts,
  loss({ chosen, rejected }) {
    const measured = ratingMetrics(chosen, rejected);
    return { loss: probabilisticRewardLoss(chosen, rejected), metrics: METRICS.map((name) => measured[name]) };
  },
};

/**
 * Trains a model of ratings on preference pairs: its scores are the logits of a distribution over the ratings 1 to K, and
 * the loss is −log P(chosen is rated above rejected), see `pWin`. What the ratings are worth is learnt from the pairs alone.
 */
export class RatingTrainer extends PairTrainer<RatingConfig> {
  /** @throws with the row's number for a row that cannot be trained on, with the argument's name for a bad setting */
  constructor(options: RatingTrainerOptions) {
    super(options, RATING);
  }

  /** Rating distributions of the evaluation rows as the model stands now. @throws when the trainer has no evalDataset */
  async predict(): Promise<HeldOutRatings> {
    this.requireEvalRows("predict");
    const held = (await this.heldOutScores())!;
    return tf.tidy(() => {
      const [chosen, rejected] = [held.chosen, held.rejected].map((scores) => tf.tensor2d(scores, [this.evalRows.length, this.options.model.numLabels])) as [Tensor2D, Tensor2D];
      const rows = (logits: Tensor2D): number[][] => tf.softmax(logits).arraySync() as number[][];
      return { chosen: rows(chosen), rejected: rows(rejected), pWin: pWin(chosen, rejected).arraySync(), margins: pWinLogOdds(chosen, rejected).arraySync() };
    });
  }
}

/** What makes a text better may lie behind the cut: then both texts are the same, and the pair says nothing. */
function cutTexts(rows: readonly ScoredRow[], maxLength: number | null, set: string): ScoredRow[] {
  const withMargin = rows.findIndex(({ margin }) => margin !== null);
  if (withMargin >= 0) throw new RangeError(`Row ${withMargin} of ${set} has a margin, which the loss of ratings does not have. Leave the column out.`);
  const kept = withFirstTokens(rows, maxLength).filter(({ chosen_ids, rejected_ids }) => !isSame(chosen_ids, rejected_ids));
  const leftOut = rows.length - kept.length;
  if (leftOut > 0 && kept.length === 0) throw new RangeError(`In every row of ${set} both texts begin with the same maxLength ${maxLength} tokens, prompt included. Raise maxLength.`);
  if (leftOut > 0) console.warn(`${leftOut} of ${rows.length} rows of ${set} are left out: both texts begin with the same maxLength ${maxLength} tokens.`);
  return kept;
}
