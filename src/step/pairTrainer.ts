import type { Scalar, Tensor, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { BUCKETED } from "../engine/buckets";
import { jit, type JitFunction } from "../engine/jit";
import type { PairScores } from "../loss/scores";
import type { LlamaForSequenceClassification } from "../model/classification";
import { isEncoder, type SequenceClassifier } from "../model/loadClassifier";
import type { PackingOptions } from "../tokens/packing";
import { longestText, tokenizeRewardRows, type RewardRow, type ScoredRow } from "../tokens/rewardRows";
import { packScores } from "../tokens/scoredPairs";
import { trainingArguments, type TrainingArguments } from "./arguments";
import { chunks } from "./batches";
import type { MemoryNeeds } from "./memoryAdvice";
import type { StepShapes } from "./memoryCounts";
import type { MemoryPlan } from "./memoryPlan";
import { MethodTrainer, type MethodTrainerOptions } from "./methodTrainer";
import { packedScoring, paddedScoring, type PairScoring } from "./pairScoring";
import { roundingOfRun } from "./shapeCount";
import { TrainingLoop } from "./trainer";
import type { LossFunction } from "./trainStep";

/** Settings of the trainers that score both texts of a pair. */
export interface PairConfig extends TrainingArguments {
  /** The most tokens of a text, prompt included; null for no bound. */
  maxLength: number | null;
  /** Trains the score head alone and leaves the body as it is. */
  headOnly: boolean;
}

export interface PairTrainerOptions<Config extends PairConfig> extends MethodTrainerOptions<RewardRow, Config> {
  /** The classifier. Its weights are trained in place. */
  model: SequenceClassifier;
}

/** What a method makes of pairs and their scores. */
export interface PairMethod<Config extends PairConfig> {
  /** The trainer's name. */
  trainer: string;
  defaults: Config;
  metricNames: readonly string[];
  /** @throws RangeError for settings or a number of labels that the method does not have */
  check(args: Config, numLabels: number): void;
  /** Brings the rows of a set within `maxLength`. @throws RangeError where none is left */
  fit(rows: readonly ScoredRow[], maxLength: number | null, set: string): ScoredRow[];
  /** Loss and metrics of some pairs: those of a batch inside a trace, or all held-out ones. */
  loss(scores: PairScores, args: Config): { loss: Scalar; metrics: Scalar[] };
}

/** Scores of the held-out pairs in their order, [pairs · labels]. */
export interface HeldOutScores {
  chosen: Float32Array;
  rejected: Float32Array;
}

/**
 * What the trainers of classifiers on preference pairs have in common: rows, packing, evaluation.
 *
 * Of a causal model, whatever beginning the texts of a batch share, a pair's prompt first of all, is computed once; an encoder's
 * texts are padded. Scores are float32 in every precision.
 */
export abstract class PairTrainer<Config extends PairConfig> extends MethodTrainer {
  readonly args: Config;
  /** The rows as they are trained on. */
  readonly trainRows: readonly ScoredRow[];
  readonly evalRows: readonly ScoredRow[];
  protected readonly loop: TrainingLoop;
  private readonly scoring: PairScoring;
  /** How a causal model's batches are packed. */
  private packing: PackingOptions;
  protected readonly evaluation: JitFunction<Tensor[], Tensor>;

  /** @throws with the row's number for a row that cannot be trained on, with the argument's name for a bad setting */
  protected constructor(protected readonly options: PairTrainerOptions<Config>, private readonly method: PairMethod<Config>) {
    super();
    const { model, tokenizer } = options;
    this.args = trainingArguments(options.args ?? {}, method.defaults);
    checkSettings(this.args);
    method.check(this.args, model.numLabels);
    if (tokenizer.padTokenId === null) throw new RangeError("The tokenizer names neither a padding token nor an end token, so the saved model could not tell where a text ends. Set pad_token in its tokenizer_config.json.");
    this.trainRows = this.tokenize(options.trainDataset, "trainDataset");
    this.evalRows = this.tokenize(options.evalDataset ?? [], "evalDataset");
    this.packing = { padTokenId: tokenizer.padTokenId };
    this.scoring = isEncoder(model) ? paddedScoring(model) : packedScoring(model, () => this.packing);
    // An encoder's belongs to its embedding and stays.
    if (!isEncoder(model)) model.padTokenId = tokenizer.padTokenId;
    model.gradientCheckpointing = this.args.gradientCheckpointing;
    this.evaluation = jit((...tensors: Tensor[]) => {
      const { chosen, rejected } = this.scoring.scores(tensors);
      return tf.concat([chosen, rejected]);
    }, { precision: this.args.precision, name: `${method.trainer}_evaluate`, expectedTraces: BUCKETED });
    this.loop = new TrainingLoop({
      parameters: this.args.headOnly ? new Map(model.headParameters.map((name) => [name, model.parameters.get(name)!])) : model.parameters,
      parameterGroups: options.parameterGroups,
      lengths: this.trainRows.map(this.scoring.length),
      prepare: async (rows) => this.prepare(rows.map((row) => this.trainRows[row]!)),
      loss: this.lossFunction(),
      metricNames: method.metricNames,
      countsTokens: true,
      // The planner counts whole causal models: of a run without a backward pass it would ask far too much, and of an encoder it knows nothing.
      ...(this.args.headOnly || isEncoder(model) ? {} : { memory: this.memoryNeeds(model) }),
      ...(this.evalRows.length > 0 ? { evaluate: (signal: AbortSignal) => this.measure(signal) } : {}),
      // From the first step on the weights are no longer the ones that the fingerprint names.
      begin: () => void (model.fingerprint = null),
      // A checkpoint holds the whole model, what is not trained of it too.
      subject: { trainer: method.trainer, parts: options, datasets: { trainDataset: this.trainRows, evalDataset: this.evalRows }, origin: new Map() },
    }, this.args, options.callbacks ?? []);
    if (isEncoder(model)) return;
    const { padTokenId } = tokenizer;
    this.packing = { padTokenId, ...roundingOfRun(this.loop, model, this.args.optim, (rows, rounding) => this.shapes(rows, { padTokenId, ...rounding })) };
  }

  private tokenize(rows: readonly RewardRow[], set: string): ScoredRow[] {
    const { maxTokens } = this.options.model;
    const fitting = this.method.fit(tokenizeRewardRows(rows, this.options.tokenizer), this.args.maxLength, set);
    const longest = fitting.reduce((most, row) => Math.max(most, longestText(row)), 0);
    if (longest > maxTokens) throw new RangeError(`${set} has a text of ${longest} tokens, the model has ${maxTokens} positions. Lower maxLength.`);
    return fitting;
  }

  /** The tensors are the margins, where there are any, then the batch's. */
  private lossFunction(): LossFunction {
    const withMargin = hasMargins(this.trainRows);
    return (tensors) => {
      const scores = this.scoring.scores(tensors.slice(withMargin ? 1 : 0));
      if (withMargin) scores.margin = tensors[0] as Tensor1D;
      return this.method.loss(scores, this.args);
    };
  }

  /** What the largest step of the run is predicted to take, and what there is; null where the head alone is trained, or an encoder. */
  get memoryPlan(): MemoryPlan | null {
    return this.loop.memoryPlan;
  }

  /** How large a causal model's batch is, packed. */
  private shapes(rows: readonly number[], packing: PackingOptions): StepShapes {
    return { ...packScores(rows.map((row) => this.trainRows[row]!), packing), predictions: 0 };
  }

  private memoryNeeds(model: LlamaForSequenceClassification): MemoryNeeds {
    return {
      model,
      shapes: (rows) => this.shapes(rows, this.packing),
      longestCompletion: () => 0,
      copiesReference: () => false,
    };
  }

  private prepare(rows: readonly ScoredRow[]): { tensors: Tensor[]; tokens: number } {
    const margins = hasMargins(rows) ? [marginTensor(rows)] : [];
    return {
      // As TRL counts them: those of both texts of a pair, whatever they share.
      tokens: rows.reduce((sum, { chosen_ids, rejected_ids }) => sum + chosen_ids.length + rejected_ids.length, 0),
      tensors: [...margins, ...this.scoring.tensors(rows)],
    };
  }

  /** Scores of the evaluation rows as the model stands now: batches of like length, one after the other; null when stopped before the end. */
  protected async heldOutScores(signal?: AbortSignal): Promise<HeldOutScores | null> {
    const { numLabels } = this.options.model;
    const scores = { chosen: new Float32Array(this.evalRows.length * numLabels), rejected: new Float32Array(this.evalRows.length * numLabels) };
    const order = this.evalRows.map((_, i) => i).sort((a, b) => this.scoring.length(this.evalRows[a]!) - this.scoring.length(this.evalRows[b]!) || a - b);
    const tensorsOf = (batch: number[]): Tensor[] => this.scoring.tensors(batch.map((row) => this.evalRows[row]!));
    const isWhole = await this.evaluateBatches(chunks(order, this.args.perDeviceEvalBatchSize), tensorsOf, (values, batch) => batch.forEach((row, i) => {
      const of = (text: number): Float32Array => values.subarray(text * numLabels, (text + 1) * numLabels);
      scores.chosen.set(of(i), row * numLabels);
      scores.rejected.set(of(batch.length + i), row * numLabels);
    }), signal);
    return isWhole ? scores : null;
  }

  /** Over all evaluation rows at once, where TRL averages what it measured of batches. */
  private async measure(signal: AbortSignal): Promise<Record<string, number> | null> {
    const held = await this.heldOutScores(signal);
    if (!held) return null;
    const shape: [number, number] = [this.evalRows.length, this.options.model.numLabels];
    const values = tf.tidy(() => {
      const scores: PairScores = { chosen: tf.tensor2d(held.chosen, shape), rejected: tf.tensor2d(held.rejected, shape) };
      if (hasMargins(this.evalRows)) scores.margin = marginTensor(this.evalRows);
      const { loss, metrics } = this.method.loss(scores, this.args);
      return tf.stack([loss, ...metrics]).dataSync();
    });
    return Object.fromEntries(["loss", ...this.method.metricNames].map((name, i) => [name, values[i]!]));
  }
}

const hasMargins = (rows: readonly ScoredRow[]): boolean => rows.length > 0 && rows[0]!.margin !== null;

const marginTensor = (rows: readonly ScoredRow[]): Tensor1D => tf.tensor1d(rows.map(({ margin }) => margin!));

function checkSettings({ maxLength, headOnly }: PairConfig): void {
  if (maxLength !== null && !(Number.isInteger(maxLength) && maxLength > 0)) throw new RangeError(`args.maxLength is ${maxLength}; a whole number above 0, or null for no bound, is needed.`);
  if (typeof headOnly !== "boolean") throw new RangeError(`args.headOnly is ${String(headOnly)}; true or false is needed.`);
}
