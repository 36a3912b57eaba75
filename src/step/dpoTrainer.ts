import type { Scalar, Tensor, Tensor1D } from "@tensorflow/tfjs";
import type { PreferenceRow } from "../data/preference";
import { tf } from "../engine/backend";
import { BUCKETED } from "../engine/buckets";
import { jit, type JitFunction } from "../engine/jit";
import { lossNeedsLengths, preferenceLoss, type PreferenceLossOptions } from "../loss/preference";
import { pairLogps, pairTensorList, pairTensorsFrom, toPairTensors } from "../loss/pairs";
import { rewardMetrics, type RewardMetrics } from "../loss/rewards";
import type { LlamaForCausalLM } from "../model/llama";
import { addLora, Lora, type LoraConfig } from "../model/lora";
import { packedLength, packPairs, type PackingOptions } from "../tokens/packing";
import { tokenizeRows, type TokenizedRow } from "../tokens/preference";
import { trainingArguments, TRAINING_DEFAULTS, type TrainingArguments } from "./arguments";
import { chunks } from "./batches";
import type { MemoryNeeds } from "./memoryAdvice";
import type { MemoryPlan } from "./memoryPlan";
import { MethodTrainer, type MethodTrainerOptions } from "./methodTrainer";
import { Reference, referenceState } from "./reference";
import { callbacksWithSamples, type SampleOptions } from "./run/samples";
import type { RunSubject } from "./run/subject";
import { roundingOfRun } from "./shapeCount";
import { TrainingLoop } from "./trainer";
import type { TrainingMethod } from "./trainingMethod";
import type { LossFunction } from "./trainStep";

/** TRL's DPOConfig in camelCase. */
export interface DPOConfig extends TrainingArguments, Required<Pick<PreferenceLossOptions, "lossType" | "beta" | "labelSmoothing" | "fDivergenceType">> {
  /** A prompt keeps its last so many tokens; null keeps all. */
  maxPromptLength: number | null;
  /** An answer keeps its first so many tokens; null keeps all. */
  maxCompletionLength: number | null;
}

export const DPO_DEFAULTS: DPOConfig = {
  ...TRAINING_DEFAULTS, lossType: "sigmoid", beta: 0.1, labelSmoothing: 0, fDivergenceType: "reverse_kl",
  maxPromptLength: 512, maxCompletionLength: null,
};

export interface DPOTrainerOptions extends MethodTrainerOptions<PreferenceRow, DPOConfig> {
  /** Prompts that the model answers at some steps, kept in `samples.jsonl` of `args.outputDir`. */
  samples?: SampleOptions;
  /** The policy. Its weights, or those of its adapter where it has one, are trained in place. */
  model: LlamaForCausalLM;
  /**
   * π_ref. Default: the policy as it is now, an adapter included, as in TRL: under a new adapter that is the model without
   * it. Until every reference log-probability is known, a copy is kept of what training moves.
   */
  refModel?: LlamaForCausalLM;
  /** Adds a LoRA adapter to the model, with values drawn from `args.seed`. */
  peftConfig?: Partial<LoraConfig>;
}

const METRICS = ["rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected"] as const satisfies readonly (keyof RewardMetrics)[];

/**
 * Direct Preference Optimisation (Rafailov et al. 2023) with the surface of TRL's DPOTrainer.
 *
 * Whatever beginning the answers of a batch share, a pair's prompt first of all, is computed once, the head runs over
 * answer tokens only, and reference log-probabilities are computed batch by batch on first use and kept on disk (not those
 * of a model with an adapter). Under an adapter no gradient of the model's own weights is computed.
 */
export class DPOTrainer extends MethodTrainer {
  readonly args: DPOConfig;
  readonly trainRows: readonly TokenizedRow[];
  readonly evalRows: readonly TokenizedRow[];
  /** The model's adapter, which alone is trained; null where it has none. */
  readonly lora: Lora | null;
  protected readonly loop: TrainingLoop;
  private readonly packing: Required<PackingOptions>;
  private readonly reference: Reference;
  protected readonly evaluation: JitFunction<Tensor[], Tensor>;

  /** @throws with the row's number for a row that cannot be trained on, with the argument's name for a bad setting */
  constructor(private readonly options: DPOTrainerOptions) {
    super();
    this.args = trainingArguments(options.args ?? {}, DPO_DEFAULTS);
    const { maxPromptLength, maxCompletionLength } = this.args;
    const tokenize = (rows: readonly PreferenceRow[]): TokenizedRow[] => tokenizeRows(rows, options.tokenizer, { maxPromptLength, maxCompletionLength });
    this.trainRows = tokenize(options.trainDataset);
    this.evalRows = tokenize(options.evalDataset ?? []);
    this.checkLengths();
    const { model } = options;
    this.lora = options.peftConfig ? addLora(model, options.peftConfig, this.args.seed) : model.adapter instanceof Lora ? model.adapter : null;
    model.gradientCheckpointing = this.args.gradientCheckpointing;
    const metricsOf = this.lossFunction();
    this.evaluation = jit((...tensors: Tensor[]) => {
      const { loss, metrics } = metricsOf(tensors, false);
      return tf.stack([loss, ...metrics]);
    }, { precision: this.args.precision, name: "dpo_evaluate", expectedTraces: BUCKETED });
    try {
      this.loop = new TrainingLoop(this.method(metricsOf), this.args, callbacksWithSamples(options, this.args));
    } catch (error) {
      if (options.peftConfig) this.lora?.unload();
      throw error;
    }
    const padTokenId = options.tokenizer.padTokenId ?? 0;
    this.packing = { padTokenId, ...roundingOfRun(this.loop, options.model, this.args.optim, (rows, rounding) => packPairs(rows.map((row) => this.trainRows[row]!), { padTokenId, ...rounding })) };
    this.reference = new Reference(options.model, options.refModel, () => this.firstBatches(), this.args.precision, this.packing);
  }

  private method(loss: LossFunction): TrainingMethod {
    const { model, parameterGroups } = this.options;
    return {
      parameters: model.trainableParameters,
      parameterGroups,
      lengths: this.trainRows.map(packedLength),
      prepare: (rows, _step, batch) => this.prepare(rows.map((row) => this.trainRows[row]!), batch),
      loss,
      metricNames: METRICS,
      memory: this.memoryNeeds(),
      ...(this.evalRows.length > 0 ? { evaluate: (signal: AbortSignal) => this.measure(signal) } : {}),
      begin: () => this.begin(),
      subject: this.subject(),
    };
  }

  private async begin(): Promise<void> {
    await this.reference.freeze();
    // From the first step on the weights are no longer the ones that the fingerprint names.
    this.options.model.fingerprint = null;
  }

  private checkLengths(): void {
    const { maxPositionEmbeddings } = this.options.model.config;
    const check = (rows: readonly TokenizedRow[], set: string): void => rows.forEach((row, i) => {
      const longest = row.prompt_input_ids.length + Math.max(row.chosen_input_ids.length, row.rejected_input_ids.length);
      if (longest > maxPositionEmbeddings) throw new RangeError(`Row ${i} of ${set}: prompt and answer take ${longest} tokens, the model has ${maxPositionEmbeddings} positions. Lower maxPromptLength or maxCompletionLength.`);
    });
    check(this.trainRows, "trainDataset");
    check(this.evalRows, "evalDataset");
  }

  /** Loss and metrics of one packed batch inside a trace, with an adapter's dropout or without it. The tensors are those of `prepare`. */
  private lossFunction(): (tensors: Tensor[], drops?: boolean) => { loss: Scalar; metrics: Scalar[] } {
    const { lossType, beta, labelSmoothing, fDivergenceType } = this.args;
    const losses = preferenceLoss({ lossType, beta, labelSmoothing, fDivergenceType });
    const needsLengths = lossNeedsLengths(lossType);
    return ([seed, refChosenLogps, refRejectedLogps, chosenLengths, rejectedLengths, ...batch], drops = true) => {
      const { chosen, rejected } = pairLogps(this.options.model, pairTensorsFrom(batch), refChosenLogps!.size, drops ? (seed as Tensor1D) : undefined);
      const logps = {
        chosenLogps: chosen, rejectedLogps: rejected, refChosenLogps: refChosenLogps as Tensor1D, refRejectedLogps: refRejectedLogps as Tensor1D,
        ...(needsLengths ? { chosenLengths: chosenLengths as Tensor1D, rejectedLengths: rejectedLengths as Tensor1D } : {}),
      };
      const measured = rewardMetrics(logps, beta);
      return { loss: tf.mean(losses(logps)), metrics: METRICS.map((name) => measured[name]) };
    };
  }

  /** The reference is what the run begins with: no checkpoint holds it. */
  private subject(): RunSubject {
    const { model, refModel } = this.options;
    const { trainRows, evalRows } = this;
    const origin = new Map([...(refModel ?? model).parameters, ...((refModel ?? model).adapter?.parameters ?? [])]);
    return { trainer: "DPOTrainer", parts: this.options, datasets: { trainDataset: trainRows, evalDataset: evalRows }, origin, state: referenceState(() => this.reference, { train: trainRows, eval: evalRows }) };
  }

  /** What the largest step of the run is predicted to take, and what there is; a table of it: `memoryTable(trainer.memoryPlan)`. */
  get memoryPlan(): MemoryPlan {
    return this.loop.memoryPlan!;
  }

  private memoryNeeds(): MemoryNeeds {
    return {
      model: this.options.model,
      shapes: (rows, most) => packPairs(rows.map((row) => withAnswers(this.trainRows[row]!, most)), this.packing),
      longestCompletion: (rows) => Math.max(...rows.flatMap((row) => [this.trainRows[row]!.chosen_input_ids.length, this.trainRows[row]!.rejected_input_ids.length])),
      copiesReference: () => this.reference.needsCopy(),
    };
  }

  /** A batch's tensors, by its number in the run: the seed of its dropout, reference log-probabilities and lengths of both answers, and those of the packed pairs. */
  private async prepare(rows: readonly TokenizedRow[], batch: number): Promise<{ tensors: Tensor[]; tokens: number }> {
    const reference = await this.reference.logps(rows);
    const packed = packPairs(rows, this.packing);
    const vector = (of: (i: number) => number): Tensor1D => tf.tensor1d(Float32Array.from(rows, (_, i) => of(i)));
    return {
      tokens: packed.tokens,
      tensors: [
        tf.tensor1d([batch, this.args.seed | 0], "int32"),
        vector((i) => reference[i]!.chosen), vector((i) => reference[i]!.rejected),
        vector((i) => rows[i]!.chosen_input_ids.length), vector((i) => rows[i]!.rejected_input_ids.length),
        ...pairTensorList(toPairTensors(packed)),
      ],
    };
  }

  /** Where each row's reference log-probabilities are computed. */
  private firstBatches(): TokenizedRow[][] {
    return [...this.loop.firstBatches().map((rows) => rows.map((row) => this.trainRows[row]!)), ...this.evalBatches()];
  }

  /** The evaluation rows in batches of like length. */
  private evalBatches(): TokenizedRow[][] {
    return chunks([...this.evalRows].sort((a, b) => packedLength(a) - packedLength(b)), this.args.perDeviceEvalBatchSize);
  }

  /** Computes and keeps the reference log-probabilities of all rows that the run will meet now, rather than batch by batch while training. */
  async precomputeReference(onProgress?: (done: number, total: number) => void): Promise<void> {
    await this.reference.precompute(onProgress);
  }

  /** Means over the evaluation rows. */
  private async measure(signal: AbortSignal): Promise<Record<string, number> | null> {
    const sums = new Float64Array(METRICS.length + 1);
    const isWhole = await this.evaluateBatches(this.evalBatches(), async (batch) => (await this.prepare(batch, 0)).tensors, (values, batch) => values.forEach((value, i) => (sums[i]! += value * batch.length)), signal);
    if (!isWhole) return null;
    return Object.fromEntries(["loss", ...METRICS].map((name, i) => [name, sums[i]! / this.evalRows.length]));
  }

  /** Frees the optimiser's state, the compiled functions and the reference copy. The model stays, with its adapter. */
  override dispose(): void {
    super.dispose();
    this.reference.dispose();
  }
}

/** A row whose answers keep so many tokens at most. */
function withAnswers(row: TokenizedRow, most: number | null): TokenizedRow {
  return most === null ? row : { ...row, chosen_input_ids: row.chosen_input_ids.slice(0, most), rejected_input_ids: row.rejected_input_ids.slice(0, most) };
}
