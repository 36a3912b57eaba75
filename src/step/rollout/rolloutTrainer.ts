import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../engine/backend";
import { BUCKETED, ROUNDINGS } from "../../engine/buckets";
import { jit, type JitFunction } from "../../engine/jit";
import { disposeGeneration } from "../../generate/session";
import { answerScores, answerTable, ROLLOUT_TENSORS, rolloutTensorList, rolloutTensorsFrom, toRolloutTensors } from "../../loss/rollouts";
import { addLora, Lora } from "../../model/lora";
import { byAnswer, packRollouts } from "../../tokens/packRollouts";
import type { PackingOptions } from "../../tokens/packing";
import { saidBy, tokenizePrompts, type PromptRow, type TokenizedPrompt } from "../../tokens/prompts";
import { chunks } from "../batches";
import { MethodTrainer } from "../methodTrainer";
import { callbacksWithSamples } from "../run/samples";
import { TrainingLoop } from "../trainer";
import type { LossAndMetrics } from "../trainStep";
import { checkMiniBatches, miniBatches } from "./miniBatches";
import { meanOf, type MeasuredRollouts, type Objective, type Targets } from "./objective";
import type { RolloutPlan, RolloutSample, RolloutTrainerOptions } from "./options";
import { RolloutReference } from "./reference";
import { rewardScorer, type RewardScorer } from "./rewards";
import { EVALUATION_STREAM, sampleRollouts, streamSeed, type Rollout, type SamplingSettings } from "./sample";
import { checkCounts, checkRolloutSettings, checkRoom, type RolloutConfig } from "./settings";
import { RolloutState } from "./state";
import { ROLLOUT_STATISTICS, rolloutStatistics } from "./statistics";
import type { ValueFunction } from "./valueFunction";

/** An iteration's rollouts, which several steps train on. All of it is on the host. */
interface Iteration {
  rollouts: readonly Rollout[];
  scores: readonly number[];
  targets: Targets;
  statistics: number[];
  /** The prompts of each step's minibatch, by their places in the iteration. */
  parts: number[][];
}

/**
 * The engine that REINFORCE, RLOO, GRPO and PPO share. Each iteration draws answers to a batch of prompts with the weights
 * as they are, scores them, recomputes their log-probabilities in one pass, and trains on them for
 * epochs × minibatches optimiser steps, which is what `maxSteps` counts. A prompt that several answers share is computed once.
 */
export abstract class RolloutTrainer<Config extends RolloutConfig> extends MethodTrainer {
  readonly trainRows: readonly TokenizedPrompt[];
  readonly evalRows: readonly TokenizedPrompt[];
  /** The model's adapter, which alone is trained of it; null where it has none. */
  readonly lora: Lora | null;
  protected readonly loop: TrainingLoop;
  /** Log-probabilities, entropies and, where there are any, values of packed answers, [2 or 3, predictions]. */
  protected readonly evaluation: JitFunction<Tensor[], Tensor>;
  private readonly scorer: RewardScorer;
  private readonly reference: RolloutReference | null;
  private readonly carried: RolloutState;
  private readonly value: ValueFunction | null;
  private readonly objective: Objective;
  private readonly packing: PackingOptions;
  private current: Iteration | null = null;

  /** @throws with the row's number for a prompt that cannot be answered, with the argument's name for a bad setting */
  protected constructor(protected readonly options: RolloutTrainerOptions<Config>, readonly args: Config, private readonly plan: RolloutPlan) {
    super();
    const { model, tokenizer, refModel } = options;
    this.checkSettings();
    this.trainRows = this.tokenize(options.trainDataset, "trainDataset");
    this.evalRows = this.tokenize(options.evalDataset ?? [], "evalDataset");
    checkMiniBatches(this.trainRows.length, args.perDeviceTrainBatchSize, plan.miniBatches);
    this.scorer = rewardScorer(options.reward, { precision: args.precision, batchSize: Math.max(args.perDeviceEvalBatchSize, args.perDeviceTrainBatchSize) });
    this.packing = { padTokenId: tokenizer.padTokenId ?? 0, ...this.rounding() };
    this.lora = options.peftConfig ? addLora(model, options.peftConfig, args.seed) : model.adapter instanceof Lora ? model.adapter : null;
    model.gradientCheckpointing = args.gradientCheckpointing;
    const isMeasured = refModel !== null && (plan.needsReference || plan.measuresReference || refModel !== undefined);
    this.reference = isMeasured ? new RolloutReference(model, refModel ?? undefined, args.temperature, args.precision) : null;
    this.objective = plan.objective(this.reference !== null);
    this.value = plan.value?.() ?? null;
    this.carried = new RolloutState(this.objective.control, this.value, () => Math.floor(this.loop.state.step / this.stepsPerIteration));
    this.evaluation = jit((...tensors: Tensor[]) => {
      const batch = rolloutTensorsFrom(tensors);
      const { states, logps, entropies } = answerScores(model, batch, args.temperature);
      return tf.stack([logps, entropies, ...(this.value ? [this.value.values(states, batch)] : [])]);
    }, { precision: args.precision, name: "rollout_logps", expectedTraces: BUCKETED });
    try {
      this.loop = this.makeLoop();
    } catch (error) {
      if (options.peftConfig) this.lora?.unload();
      this.value?.dispose();
      throw error;
    }
  }

  private get stepsPerIteration(): number {
    return this.plan.epochs * this.plan.miniBatches;
  }

  private makeLoop(): TrainingLoop {
    const { options, args, value, objective, plan: { trainer } } = this;
    const { model, parameterGroups } = options;
    const prefixed = [...this.scorer.parameters].map(([name, variable]) => [`reward_model.${name}`, variable] as const);
    return new TrainingLoop({
      parameters: new Map([...model.trainableParameters, ...(value?.parameters ?? [])]),
      parameterGroups,
      lengths: this.trainRows.map(({ prompt_input_ids }) => prompt_input_ids.length),
      repeats: this.stepsPerIteration,
      prepare: (rows, _step, batch) => this.prepare(rows, batch),
      loss: (tensors) => this.loss(tensors),
      metricNames: [...objective.metricNames, ...objective.statisticNames, ...ROLLOUT_STATISTICS],
      countsTokens: true,
      ...(this.evalRows.length > 0 ? { evaluate: () => this.measureHeldOut() } : {}),
      begin: () => this.begin(),
      subject: {
        trainer, parts: options, datasets: { trainDataset: this.trainRows, evalDataset: this.evalRows },
        // Under an adapter the model's own weights are in no checkpoint, nor are those of reference and reward model ever.
        origin: new Map([...(this.reference?.origin ?? (this.lora ? model.parameters : [])), ...prefixed]), state: this.carried,
      },
    }, args, callbacksWithSamples(options, args));
  }

  private checkSettings(): void {
    const { args, options: { model, tokenizer, refModel }, plan } = this;
    checkRolloutSettings(args);
    checkCounts({ numGenerations: plan.numGenerations, [plan.longest.name]: plan.longest.value });
    if (refModel === null && plan.needsReference) throw new RangeError(`refModel is null, but ${plan.trainer}'s settings ask for a KL to a reference: set its coefficient to 0, or leave refModel out.`);
    if (refModel && refModel.config.vocabSize !== model.config.vocabSize) throw new RangeError(`refModel has ${refModel.config.vocabSize} tokens and the policy ${model.config.vocabSize}; the two must have the same.`);
    if (tokenizer.eosTokenId === null) throw new RangeError("The tokenizer names no end token (eos_token in its tokenizer_config.json), so no answer would ever end.");
  }

  private tokenize(rows: readonly PromptRow[], set: string): TokenizedPrompt[] {
    const prompts = tokenizePrompts(rows, this.options.tokenizer, this.args.maxPromptLength);
    checkRoom(this.options.model, prompts, set, this.plan.longest);
    return prompts;
  }

  /**
   * As finely as leaves few shapes: answers differ in length from iteration to iteration, and each new shape is compiled. Of
   * their many sequences few numbers of rows are tried.
   */
  private rounding(): (typeof ROUNDINGS)[number] {
    const { plan: { numGenerations, longest, miniBatches }, args: { perDeviceTrainBatchSize } } = this;
    const prompt = meanOf(this.trainRows.map(({ prompt_input_ids }) => prompt_input_ids.length));
    const tokens = (perDeviceTrainBatchSize / miniBatches) * (prompt + numGenerations * longest.value);
    return ROUNDINGS.slice(1).filter(({ lengthMultiple }) => 4 * lengthMultiple <= tokens).at(-1) ?? ROUNDINGS[1]!;
  }

  private async begin(): Promise<void> {
    await this.reference?.freeze();
    this.value?.begin();
    // From the first step on the weights are no longer the ones that the fingerprint names.
    this.options.model.fingerprint = null;
  }

  private get sampling(): SamplingSettings {
    const { args: { temperature, topK, topP, decodeWeights }, plan: { numGenerations, longest } } = this;
    return { numGenerations, maxNewTokens: longest.value, temperature, topK, topP, decodeWeights };
  }

  /** The tensors of a step: at an iteration's first one answers are drawn. Nothing where Stop ended that. */
  private async prepare(rows: readonly number[], step: number): Promise<{ tensors: Tensor[]; tokens: number }> {
    const part = step % this.stepsPerIteration;
    if (part === 0) this.current = await this.rollOut(rows.map((row) => this.trainRows[row]!), Math.floor(step / this.stepsPerIteration));
    return this.current ? this.miniBatch(this.current, this.current.parts[part]!) : { tensors: [], tokens: 0 };
  }

  private async rollOut(prompts: readonly TokenizedPrompt[], iteration: number): Promise<Iteration | null> {
    const { objective, plan: { greedy }, args: { seed }, options: { model, tokenizer } } = this;
    const rollouts = await sampleRollouts(model, tokenizer, prompts, this.sampling, streamSeed(seed, iteration));
    const likeliest = rollouts && greedy ? await sampleRollouts(model, tokenizer, prompts, this.sampling, null) : null;
    if (!rollouts || (greedy && !likeliest)) return null;
    const { numGenerations: groupSize } = this.plan;
    const scores = await this.scorer.score(rollouts, groupSize);
    const measured: MeasuredRollouts = {
      rollouts, groupSize, scores, ...(await this.tokenFacts(rollouts)),
      greedy: likeliest && { scores: await this.scorer.score(likeliest, 1), ended: likeliest.map(({ ended }) => ended) },
    };
    const targets = objective.targets(measured, this.carried.before(iteration));
    this.carried.after(iteration, targets.control);
    const statistics = { ...targets.statistics, ...rolloutStatistics(measured) } as Record<string, number>;
    return { rollouts, scores, targets, statistics: [...objective.statisticNames, ...ROLLOUT_STATISTICS].map((name) => statistics[name]!), parts: miniBatches(prompts.length, iteration, this.plan, seed) };
  }

  /** What policy, reference and value function say of each token. */
  private async tokenFacts(rollouts: readonly Rollout[]): Promise<Pick<MeasuredRollouts, "logps" | "entropies" | "refLogps" | "values">> {
    const { reference, value, plan: { numGenerations, miniBatches } } = this;
    const [logps, entropies, values, refLogps] = [0, 1, 2, 3].map((): number[][] => []) as [number[][], number[][], number[][], number[][]];
    const prompts = rollouts.length / numGenerations;
    for (const batch of chunks(rollouts, (prompts / miniBatches) * numGenerations)) {
      const tensors = this.packed(batch);
      const results = [this.evaluation(...tensors), ...(reference ? [reference.logps(...tensors)] : [])];
      try {
        const [own, ref] = await Promise.all(results.map((result) => result.data()));
        const predictions = results[0]!.shape[1]!;
        const lists = [logps, entropies, values].slice(0, value ? 3 : 2);
        lists.forEach((list, i) => list.push(...byAnswer((own as Float32Array).subarray(i * predictions), batch)));
        if (ref) refLogps.push(...byAnswer(ref, batch));
      } finally {
        tf.dispose([...results, ...tensors]);
      }
    }
    return { logps, entropies, refLogps: reference && refLogps, values: value && values };
  }

  private packed(rollouts: readonly Rollout[]): Tensor[] {
    return rolloutTensorList(toRolloutTensors(packRollouts(rollouts, this.plan.longest.value, this.plan.numGenerations, this.packing)));
  }

  /** A step's tensors: the iteration's statistics, the packed answers, the mask and the method's columns. */
  private miniBatch({ rollouts, targets, statistics }: Iteration, prompts: readonly number[]): { tensors: Tensor[]; tokens: number } {
    const { objective, plan: { numGenerations, longest: { value: width } } } = this;
    const chosen = prompts.flatMap((prompt) => Array.from({ length: numGenerations }, (_, i) => prompt * numGenerations + i));
    const own = chosen.map((answer) => rollouts[answer]!);
    const table = (valueOf: (answer: number, t: number) => number): Tensor2D => {
      const values = new Float32Array(chosen.length * width);
      chosen.forEach((answer, row) => {
        if (targets.counts[answer]) rollouts[answer]!.ids.forEach((_, t) => (values[row * width + t] = valueOf(answer, t)));
      });
      return tf.tensor2d(values, [chosen.length, width]);
    };
    return {
      tokens: own.reduce((sum, { promptIds, ids }) => sum + promptIds.length + ids.length, 0),
      tensors: [tf.tensor1d(statistics), ...this.packed(own), table(() => 1), ...objective.columnNames.map((name) => table((answer, t) => targets.columns[name]![answer]![t]!))],
    };
  }

  /** Loss and metrics of one minibatch inside a trace. The tensors are those of `miniBatch`. */
  private loss([statistics, ...tensors]: Tensor[]): LossAndMetrics {
    const { value, objective, options: { model }, args } = this;
    const batch = rolloutTensorsFrom(tensors);
    const [mask, ...columns] = tensors.slice(ROLLOUT_TENSORS) as Tensor2D[];
    const { states, logps, entropies } = answerScores(model, batch, args.temperature);
    const { loss, metrics } = objective.loss({
      logps: answerTable(logps, batch, mask!), entropies: answerTable(entropies, batch, mask!),
      values: value && answerTable(value.values(states, batch), batch, mask!),
      mask: mask!, columns: Object.fromEntries(objective.columnNames.map((name, i) => [name, columns[i]!])),
    });
    return { loss, metrics: [...metrics, ...tf.unstack(statistics as Tensor1D)] as LossAndMetrics["metrics"] };
  }

  /** The answers of the last iteration, in the order in which they were drawn, for tables. */
  get samples(): RolloutSample[] {
    if (!this.current) return [];
    const { rollouts, scores, targets } = this.current;
    return rollouts.map(({ prompt, text, ids, ended }, i) => ({ prompt: saidBy(prompt), completion: text, reward: scores[i]!, advantage: targets.advantages[i]!, length: ids.length, ended }));
  }

  /** One answer to each held-out prompt, drawn from the same seed each time; null when stopped before the end. */
  private async measureHeldOut(): Promise<Record<string, number> | null> {
    const { args: { seed, perDeviceEvalBatchSize }, options: { model, tokenizer } } = this;
    const [scores, rollouts]: [number[], Rollout[]] = [[], []];
    for (const [i, prompts] of chunks(this.evalRows, perDeviceEvalBatchSize).entries()) {
      const drawn = await sampleRollouts(model, tokenizer, prompts, { ...this.sampling, numGenerations: 1 }, streamSeed(seed + i, EVALUATION_STREAM));
      if (!drawn) return null;
      rollouts.push(...drawn);
      scores.push(...(await this.scorer.score(drawn, 1)));
    }
    return {
      [this.objective.scoreName]: meanOf(scores),
      "completions/mean_length": meanOf(rollouts.map(({ ids }) => ids.length)), "completions/clipped_ratio": meanOf(rollouts.map(({ ended }) => Number(!ended))),
    };
  }

  /** Frees the optimiser's state, the compiled functions, those of generation too, the reference copy and a value head. Models that were given stay, with their adapters. */
  override dispose(): void {
    super.dispose();
    this.scorer.dispose();
    this.reference?.dispose();
    this.value?.dispose();
    void disposeGeneration(this.options.model);
  }
}
