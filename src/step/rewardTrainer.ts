import type { Scalar, Tensor, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { BUCKETED } from "../engine/buckets";
import { jit, type JitFunction } from "../engine/jit";
import { checkCoefficient, rewardLoss, rewardModelMetrics, type PairRewards, type RewardModelMetrics } from "../loss/reward";
import { isEncoder, type SequenceClassifier } from "../model/loadClassifier";
import type { LlamaForSequenceClassification } from "../model/classification";
import type { PackingOptions } from "../tokens/packing";
import { longestText, tokenizeRewardRows, withinLength, type RewardRow, type ScoredRow } from "../tokens/rewardRows";
import { packScores } from "../tokens/scoredPairs";
import { trainingArguments, TRAINING_DEFAULTS, type TrainingArguments } from "./arguments";
import { chunks } from "./batches";
import type { MemoryNeeds } from "./memoryAdvice";
import type { MemoryPlan } from "./memoryPlan";
import { MethodTrainer, type MethodTrainerOptions } from "./methodTrainer";
import { packedScoring, paddedScoring, type PairScoring } from "./pairScoring";
import { roundingOfRun } from "./shapeCount";
import { TrainingLoop } from "./trainer";

/** TRL's RewardConfig in camelCase. */
export interface RewardConfig extends TrainingArguments {
  /** Rows with a text of more tokens, prompt included, are left out; null keeps all. */
  maxLength: number | null;
  /** λ of the penalty λ·(r_chosen + r_rejected)², which keeps rewards centred on 0; null for none. 0.01 is usual. */
  centerRewardsCoefficient: number | null;
  /** Trains the score head alone and leaves the body as it is. */
  headOnly: boolean;
}

export const REWARD_DEFAULTS: RewardConfig = { ...TRAINING_DEFAULTS, learningRate: 1e-4, maxLength: 1024, centerRewardsCoefficient: null, headOnly: false };

export interface RewardTrainerOptions extends MethodTrainerOptions<RewardRow, RewardConfig> {
  /** A classifier of one label. Its weights are trained in place. */
  model: SequenceClassifier;
  /** Pairs of texts, chats or token ids, each with a margin or all without. */
  trainDataset: readonly RewardRow[];
}

/** Rewards of the held-out pairs, in their order. */
export interface HeldOutRewards {
  chosen: Float32Array;
  rejected: Float32Array;
}

const METRICS = ["accuracy", "margin", "mean_reward", "min_reward", "max_reward"] as const satisfies readonly (keyof RewardModelMetrics)[];

/**
 * Trains a reward model on preference pairs (Ouyang et al. 2022, section 3.5) with the surface of TRL's RewardTrainer.
 *
 * Of a causal model, whatever beginning the texts of a batch share, a pair's prompt first of all, is computed once; an encoder's
 * texts are padded. Rewards are float32 in every precision.
 */
export class RewardTrainer extends MethodTrainer {
  readonly args: RewardConfig;
  /** The rows that are trained on: those within `maxLength`. */
  readonly trainRows: readonly ScoredRow[];
  readonly evalRows: readonly ScoredRow[];
  protected readonly loop: TrainingLoop;
  private readonly scoring: PairScoring;
  /** How a causal model's batches are packed. */
  private packing: PackingOptions;
  protected readonly evaluation: JitFunction<Tensor[], Tensor>;

  /** @throws with the row's number for a row that cannot be trained on, with the argument's name for a bad setting */
  constructor(private readonly options: RewardTrainerOptions) {
    super();
    const { model, tokenizer } = options;
    this.args = trainingArguments(options.args ?? {}, REWARD_DEFAULTS);
    checkSettings(this.args);
    if (model.numLabels !== 1) throw new RangeError(`The model gives each text ${model.numLabels} scores; a reward model gives one. Load it with numLabels: 1.`);
    if (tokenizer.padTokenId === null) throw new RangeError("The tokenizer names neither a padding token nor an end token, so the saved model could not tell where a text ends. Set pad_token in its tokenizer_config.json.");
    this.trainRows = this.tokenize(options.trainDataset, "trainDataset");
    this.evalRows = this.tokenize(options.evalDataset ?? [], "evalDataset");
    this.packing = { padTokenId: tokenizer.padTokenId };
    this.scoring = isEncoder(model) ? paddedScoring(model) : packedScoring(model, () => this.packing);
    // An encoder's belongs to its embedding and stays.
    if (!isEncoder(model)) model.padTokenId = tokenizer.padTokenId;
    model.gradientCheckpointing = this.args.gradientCheckpointing;
    this.evaluation = jit((...tensors: Tensor[]) => {
      const { chosen, rejected } = this.scoring.rewards(tensors);
      return tf.concat([chosen, rejected]);
    }, { precision: this.args.precision, name: "reward_evaluate", expectedTraces: BUCKETED });
    this.loop = new TrainingLoop({
      parameters: this.args.headOnly ? new Map(model.headParameters.map((name) => [name, model.parameters.get(name)!])) : model.parameters,
      parameterGroups: options.parameterGroups,
      lengths: this.trainRows.map(this.scoring.length),
      prepare: async (rows) => this.prepare(rows.map((row) => this.trainRows[row]!)),
      loss: this.lossFunction(),
      metricNames: METRICS,
      countsTokens: true,
      // The planner counts whole causal models: of a run without a backward pass it would ask far too much, and of an encoder it knows nothing.
      ...(this.args.headOnly || isEncoder(model) ? {} : { memory: this.memoryNeeds(model) }),
      ...(this.evalRows.length > 0 ? { evaluate: (signal: AbortSignal) => this.measure(signal) } : {}),
      // From the first step on the weights are no longer the ones that the fingerprint names.
      begin: () => void (model.fingerprint = null),
      // A checkpoint holds the whole model, what is not trained of it too.
      subject: { trainer: "RewardTrainer", parts: options, datasets: { trainDataset: this.trainRows, evalDataset: this.evalRows }, origin: new Map() },
    }, this.args, options.callbacks ?? []);
    if (isEncoder(model)) return;
    const { padTokenId } = tokenizer;
    this.packing = { padTokenId, ...roundingOfRun(this.loop, model, this.args.optim, (rows, rounding) => ({ ...packScores(rows.map((row) => this.trainRows[row]!), { padTokenId, ...rounding }), predictions: 0 })) };
  }

  private tokenize(rows: readonly RewardRow[], set: string): ScoredRow[] {
    const { maxLength } = this.args;
    const { maxTokens } = this.options.model;
    const tokenized = tokenizeRewardRows(rows, this.options.tokenizer);
    const kept = withinLength(tokenized, maxLength);
    const leftOut = tokenized.length - kept.length;
    if (leftOut > 0 && kept.length === 0) {
      const shortest = tokenized.reduce((least, row) => Math.min(least, longestText(row)), Infinity);
      throw new RangeError(`Every row of ${set} has a text of more than maxLength ${maxLength} tokens, prompt included; the shortest needs ${shortest}. Raise maxLength.`);
    }
    if (leftOut > 0) console.warn(`${leftOut} of ${tokenized.length} rows of ${set} are left out: they have a text of more than maxLength ${maxLength} tokens.`);
    const longest = kept.reduce((most, row) => Math.max(most, longestText(row)), 0);
    if (longest > maxTokens) throw new RangeError(`${set} has a text of ${longest} tokens, the model has ${maxTokens} positions. Lower maxLength.`);
    return kept;
  }

  /** Loss and metrics of one packed batch inside a trace. The tensors are the margins, where there are any, then the batch's. */
  private lossFunction(): (tensors: Tensor[]) => { loss: Scalar; metrics: Scalar[] } {
    const { centerRewardsCoefficient } = this.args;
    const withMargin = hasMargins(this.trainRows);
    return (tensors) => {
      const rewards: PairRewards = this.scoring.rewards(tensors.slice(withMargin ? 1 : 0));
      if (withMargin) rewards.margin = tensors[0] as Tensor1D;
      const measured = rewardModelMetrics(rewards);
      return { loss: rewardLoss(rewards, { centerRewardsCoefficient }), metrics: METRICS.map((name) => measured[name]) };
    };
  }

  /** What the largest step of the run is predicted to take, and what there is; null where the head alone is trained, or an encoder. */
  get memoryPlan(): MemoryPlan | null {
    return this.loop.memoryPlan;
  }

  private memoryNeeds(model: LlamaForSequenceClassification): MemoryNeeds {
    return {
      model,
      shapes: (rows) => ({ ...packScores(rows.map((row) => this.trainRows[row]!), this.packing), predictions: 0 }),
      longestCompletion: () => 0,
      copiesReference: () => false,
    };
  }

  private prepare(rows: readonly ScoredRow[]): { tensors: Tensor[]; tokens: number } {
    const margins = hasMargins(rows) ? [tf.tensor1d(rows.map(({ margin }) => margin!))] : [];
    return {
      // As TRL counts them: those of both texts of a pair, whatever they share.
      tokens: rows.reduce((sum, { chosen_ids, rejected_ids }) => sum + chosen_ids.length + rejected_ids.length, 0),
      tensors: [...margins, ...this.scoring.tensors(rows)],
    };
  }

  /** Rewards of the evaluation rows as the model stands now; `reliability` tells from their differences how well it is calibrated. @throws when the trainer has no evalDataset */
  async predict(): Promise<HeldOutRewards> {
    this.requireEvalRows("predict");
    return (await this.heldOutRewards())!;
  }

  /** Batches of like length, one after the other; null when stopped before the end. */
  private async heldOutRewards(signal?: AbortSignal): Promise<HeldOutRewards | null> {
    const rewards = { chosen: new Float32Array(this.evalRows.length), rejected: new Float32Array(this.evalRows.length) };
    const order = this.evalRows.map((_, i) => i).sort((a, b) => this.scoring.length(this.evalRows[a]!) - this.scoring.length(this.evalRows[b]!) || a - b);
    const tensorsOf = (batch: number[]): Tensor[] => this.scoring.tensors(batch.map((row) => this.evalRows[row]!));
    const isWhole = await this.evaluateBatches(chunks(order, this.args.perDeviceEvalBatchSize), tensorsOf, (values, batch) => batch.forEach((row, i) => {
      rewards.chosen[row] = values[i]!;
      rewards.rejected[row] = values[batch.length + i]!;
    }), signal);
    return isWhole ? rewards : null;
  }

  /** Over all evaluation rows: least and greatest reward too, where TRL averages those of its batches. */
  private async measure(signal: AbortSignal): Promise<Record<string, number> | null> {
    const held = await this.heldOutRewards(signal);
    if (!held) return null;
    const { centerRewardsCoefficient } = this.args;
    const values = tf.tidy(() => {
      const rewards: PairRewards = { chosen: tf.tensor1d(held.chosen), rejected: tf.tensor1d(held.rejected) };
      if (hasMargins(this.evalRows)) rewards.margin = tf.tensor1d(this.evalRows.map(({ margin }) => margin!));
      const measured = rewardModelMetrics(rewards);
      return tf.stack([rewardLoss(rewards, { centerRewardsCoefficient }), ...METRICS.map((name) => measured[name])]).dataSync();
    });
    return Object.fromEntries(["loss", ...METRICS].map((name, i) => [name, values[i]!]));
  }
}

const hasMargins = (rows: readonly ScoredRow[]): boolean => rows.length > 0 && rows[0]!.margin !== null;

function checkSettings({ maxLength, centerRewardsCoefficient, headOnly }: RewardConfig): void {
  if (maxLength !== null && !(Number.isInteger(maxLength) && maxLength > 0)) throw new RangeError(`args.maxLength is ${maxLength}; a whole number above 0, or null to keep all rows, is needed.`);
  if (typeof headOnly !== "boolean") throw new RangeError(`args.headOnly is ${String(headOnly)}; true or false is needed.`);
  checkCoefficient(centerRewardsCoefficient);
}
