import type { Scalar, Tensor, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { BUCKETED } from "../engine/buckets";
import { jit, type JitFunction } from "../engine/jit";
import { sequenceTensorList, sequenceTensorsFrom, sftSums, toSequenceTensors } from "../loss/sft";
import type { LlamaForCausalLM } from "../model/llama";
import { addLora, Lora, type LoraConfig } from "../model/lora";
import { bestFitDecreasing } from "../tokens/bins";
import type { PackingOptions } from "../tokens/packing";
import { learntLabels, packSequences } from "../tokens/packSequences";
import { learnsAnything, tokenizeSFTRows, type LabelledRow, type SFTRow, type SFTTokenizeOptions } from "../tokens/sft";
import { trainingArguments, TRAINING_DEFAULTS, type TrainingArguments } from "./arguments";
import { chunks } from "./batches";
import type { MemoryPlan } from "./memoryPlan";
import { MethodTrainer, type MethodTrainerOptions } from "./methodTrainer";
import { callbacksWithSamples, type SampleOptions } from "./run/samples";
import { roundingOfRun } from "./shapeCount";
import { TrainingLoop } from "./trainer";
import type { TrainingMethod } from "./trainingMethod";

/** TRL's SFTConfig in camelCase. */
export interface SFTConfig extends TrainingArguments, Required<SFTTokenizeOptions> {
  /** Puts several rows of at most `maxLength` tokens together into one, by best-fit decreasing; a batch is so many of those. Rows do not see each other. */
  packing: boolean;
}

export const SFT_DEFAULTS: SFTConfig = { ...TRAINING_DEFAULTS, learningRate: 2e-5, completionOnlyLoss: null, assistantOnlyLoss: false, maxLength: 1024, packing: false };

export interface SFTTrainerOptions extends MethodTrainerOptions<SFTRow, SFTConfig> {
  /** Prompts that the model answers at some steps, kept in `samples.jsonl` of `args.outputDir`. */
  samples?: SampleOptions;
  /** Its weights, or those of its adapter where it has one, are trained in place. */
  model: LlamaForCausalLM;
  /** Adds a LoRA adapter to the model, with values drawn from `args.seed`. */
  peftConfig?: Partial<LoraConfig>;
}

const METRICS = ["entropy", "mean_token_accuracy"] as const;

/**
 * Supervised fine-tuning with the surface of TRL's SFTTrainer: the mean of −log p over the tokens that are learnt of all
 * batches of a step together, so that accumulation changes nothing.
 *
 * Whatever beginning the rows of a batch share, the system message of a chat for one, is computed once, and the head runs
 * over predicting positions only. Under an adapter no gradient of the model's own weights is computed.
 */
export class SFTTrainer extends MethodTrainer {
  readonly args: SFTConfig;
  readonly trainRows: readonly LabelledRow[];
  readonly evalRows: readonly LabelledRow[];
  /** Rows of trainDataset, by number, that are left out since `maxLength` leaves nothing of them to be learnt. */
  readonly droppedRows: readonly number[];
  /** The model's adapter, which alone is trained; null where it has none. */
  readonly lora: Lora | null;
  protected readonly loop: TrainingLoop;
  private readonly packing: Required<PackingOptions>;
  protected readonly evaluation: JitFunction<Tensor[], Tensor>;
  /** Rows that stand together: one each, or with `packing` as many as fit. */
  private readonly bins: readonly (readonly number[])[];

  /** @throws with the row's number for a row that cannot be trained on, with the argument's name for a bad setting */
  constructor(private readonly options: SFTTrainerOptions) {
    super();
    this.args = trainingArguments(options.args ?? {}, SFT_DEFAULTS);
    const { model, tokenizer } = options;
    this.checkSettings();
    const all = tokenizeSFTRows(options.trainDataset, tokenizer, this.tokenizeOptions);
    this.droppedRows = all.flatMap((row, i) => (learnsAnything(row) ? [] : [i]));
    this.trainRows = all.filter(learnsAnything);
    if (this.trainRows.length === 0) throw new RangeError(all.length === 0 ? "The training set is empty." : `None of the ${all.length} rows of trainDataset has anything to learn within maxLength ${this.args.maxLength}.`);
    this.evalRows = tokenizeSFTRows(options.evalDataset ?? [], tokenizer, this.tokenizeOptions).filter(learnsAnything);
    this.checkLengths();
    this.bins = this.binsOf(this.trainRows);
    this.lora = options.peftConfig ? addLora(model, options.peftConfig, this.args.seed) : model.adapter instanceof Lora ? model.adapter : null;
    model.gradientCheckpointing = this.args.gradientCheckpointing;
    this.evaluation = jit((...tensors: Tensor[]) => {
      const { loss, entropy, correct, tokens } = sftSums(model, sequenceTensorsFrom(tensors));
      return tf.stack([loss, entropy, correct, tokens]);
    }, { precision: this.args.precision, name: "sft_evaluate", expectedTraces: BUCKETED });
    try {
      this.loop = new TrainingLoop(this.method(), this.args, callbacksWithSamples(options, this.args));
    } catch (error) {
      if (options.peftConfig) this.lora?.unload();
      throw error;
    }
    const padTokenId = tokenizer.padTokenId ?? 0;
    this.packing = { padTokenId, ...roundingOfRun(this.loop, model, this.args.optim, (bins, rounding) => packSequences(this.inBins(bins), { padTokenId, ...rounding })) };
  }

  private method(): TrainingMethod {
    const { model, parameterGroups } = this.options;
    return {
      parameters: model.trainableParameters,
      parameterGroups,
      lengths: this.bins.map((rows) => tokensOf(this.rowsOf(rows))),
      prepare: async (bins, step, batch) => this.prepare(bins, step, batch),
      loss: (tensors) => this.loss(tensors),
      metricNames: METRICS,
      countsTokens: true,
      memory: {
        model,
        shapes: (bins) => packSequences(this.inBins(bins), this.packing),
        longestCompletion: () => 0,
        copiesReference: () => false,
      },
      ...(this.evalRows.length > 0 ? { evaluate: (signal: AbortSignal) => this.measure(signal) } : {}),
      begin: () => void (model.fingerprint = null),
      // Under an adapter the model's own weights are in no checkpoint.
      subject: { trainer: "SFTTrainer", parts: this.options, datasets: { trainDataset: this.trainRows, evalDataset: this.evalRows }, origin: this.lora ? model.parameters : new Map() },
    };
  }

  private get tokenizeOptions(): Required<SFTTokenizeOptions> {
    const { completionOnlyLoss, assistantOnlyLoss, maxLength } = this.args;
    return { completionOnlyLoss, assistantOnlyLoss, maxLength };
  }

  private checkSettings(): void {
    const { completionOnlyLoss, assistantOnlyLoss, packing, maxLength } = this.args;
    const refuse = (name: keyof SFTConfig, needed: string): never => {
      throw new RangeError(`args.${name} is ${String(this.args[name])}; ${needed} is needed.`);
    };
    if (completionOnlyLoss !== null && typeof completionOnlyLoss !== "boolean") refuse("completionOnlyLoss", "true, false or null");
    if (typeof assistantOnlyLoss !== "boolean") refuse("assistantOnlyLoss", "true or false");
    if (typeof packing !== "boolean") refuse("packing", "true or false");
    if (packing && maxLength === null) refuse("maxLength", "a number of tokens to fill, with packing,");
  }

  private checkLengths(): void {
    const { maxPositionEmbeddings } = this.options.model.config;
    for (const [set, rows] of [["trainDataset", this.trainRows], ["evalDataset", this.evalRows]] as const) {
      const longest = rows.reduce((most, { input_ids }) => Math.max(most, input_ids.length), 0);
      if (longest > maxPositionEmbeddings) throw new RangeError(`The longest row of ${set} takes ${longest} tokens, the model has ${maxPositionEmbeddings} positions. Lower maxLength.`);
    }
  }

  private binsOf(rows: readonly LabelledRow[]): number[][] {
    return this.args.packing ? bestFitDecreasing(rows.map(({ input_ids }) => input_ids.length), this.args.maxLength!) : rows.map((_, row) => [row]);
  }

  private rowsOf(numbers: readonly number[]): LabelledRow[] {
    return numbers.map((row) => this.trainRows[row]!);
  }

  private inBins(bins: readonly number[]): LabelledRow[] {
    return this.rowsOf(bins.flatMap((bin) => this.bins[bin]!));
  }

  /** What the largest step of the run is predicted to take, and what there is; a table of it: `memoryTable(trainer.memoryPlan)`. */
  get memoryPlan(): MemoryPlan {
    return this.loop.memoryPlan!;
  }

  /** Loss and metrics of one packed batch inside a trace. The tensors are those of `prepare`. */
  private loss([factor, seed, ...batch]: Tensor[]): { loss: Scalar; metrics: Scalar[] } {
    const sums = sftSums(this.options.model, sequenceTensorsFrom(batch), seed as Tensor1D);
    return { loss: tf.mul(sums.loss, factor!) as Scalar, metrics: [sums.entropy, sums.correct].map((sum) => tf.div(sum, sums.tokens) as Scalar) };
  }

  /** A batch's tensors: what each token's loss counts, the seed of its dropout, and those of the packed rows. */
  private prepare(bins: readonly number[], step: readonly (readonly number[])[], batch: number): { tensors: Tensor[]; tokens: number } {
    const rows = this.inBins(bins);
    const learnt = this.inBins(step.flat()).reduce((sum, row) => sum + learntLabels(row), 0);
    return {
      tokens: tokensOf(rows),
      // The loop takes the mean over the step's batches.
      tensors: [tf.scalar(step.length / learnt), tf.tensor1d([batch, this.args.seed | 0], "int32"), ...this.packed(rows)],
    };
  }

  private packed(rows: readonly LabelledRow[]): Tensor[] {
    return sequenceTensorList(toSequenceTensors(packSequences(rows, this.packing)));
  }

  /** Means over the tokens that are learnt of the evaluation rows. */
  private async measure(signal: AbortSignal): Promise<Record<string, number> | null> {
    const sums = [0, 0, 0, 0];
    const ordered = [...this.evalRows].sort((a, b) => a.input_ids.length - b.input_ids.length);
    const isWhole = await this.evaluateBatches(chunks(ordered, this.args.perDeviceEvalBatchSize), (rows) => this.packed(rows), (values) => values.forEach((value, i) => (sums[i]! += value)), signal);
    if (!isWhole) return null;
    const tokens = sums.pop()!;
    return Object.fromEntries(["loss", ...METRICS].map((name, i) => [name, sums[i]! / tokens]));
  }
}

const tokensOf = (rows: readonly LabelledRow[]): number => rows.reduce((sum, { input_ids }) => sum + input_ids.length, 0);
