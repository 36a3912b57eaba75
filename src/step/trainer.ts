import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { stopSignal } from "../engine/host";
import { LeakSentinel } from "../engine/sentinel";
import { Lora } from "../model/lora";
import type { TrainingArguments } from "./arguments";
import type { LogRow, TrainerCallback, TrainerState } from "./callbacks";
import { requireFinite } from "./finite";
import { LogWindow } from "./logWindow";
import { requireMemory, planRun, type PlannedRun } from "./memoryAdvice";
import { variableBytes, type MemoryPlan } from "./memoryPlan";
import { RunKeeper } from "./runKeeper";
import { scheduleFactor } from "./schedule";
import { firstMeetings, planSteps } from "./stepPlan";
import type { TrainingMethod } from "./trainingMethod";
import { TrainStep } from "./trainStep";

export { TrainingDivergedError } from "./finite";

export interface TrainOptions {
  /**
   * Goes on from a checkpoint as if the run had not been interrupted: from this folder, or with true from the newest one
   * in `args.outputDir`. The trainer is made as it was for the run's beginning, with the model as it was then.
   */
  resumeFromCheckpoint?: boolean | string | undefined;
}

export interface TrainOutput {
  globalStep: number;
  /** Mean loss over the steps done. */
  trainingLoss: number;
  /** Under transformers' names: train_runtime (seconds), train_samples_per_second, train_steps_per_second, train_tokens_per_second. */
  metrics: Record<string, number>;
  /** True when the run ended before its last step because Stop was pressed. */
  stopped: boolean;
}

/**
 * The loop that every method shares: batches, accumulation, clipping, schedule, log, evaluation, checkpoints, stop.
 * While TensorFlow computes a step the event loop is free, and the next batch is prepared.
 */
export class TrainingLoop {
  readonly state: TrainerState;
  readonly step: TrainStep;
  private readonly plan: number[][][];
  private readonly stepsPerEpoch: number;
  private readonly repeats: number;
  private readonly optimizerBytes: number;
  private checkedPlan: MemoryPlan | null = null;
  private stopRequested = false;
  private hasBegun = false;
  /** Number of each step's first batch in the run, from 0. */
  private readonly firstBatchOf: readonly number[];
  private readonly keeper: RunKeeper | null;
  private readonly callbacks: readonly TrainerCallback[];
  private readonly window: LogWindow;
  /** The schedule does not count skipped steps, as in transformers. */
  private readonly counts = { skippedSteps: 0, numTokens: 0, lossSum: 0 };

  constructor(
    private readonly method: TrainingMethod,
    private readonly args: TrainingArguments,
    callbacks: readonly TrainerCallback[],
  ) {
    if (method.lengths.length === 0) throw new RangeError("The training set is empty.");
    const batchesPerEpoch = Math.ceil(method.lengths.length / args.perDeviceTrainBatchSize);
    this.repeats = method.repeats ?? 1;
    if (args.saveSteps % this.repeats !== 0) throw new RangeError(`args.saveSteps is ${args.saveSteps}; each batch of prompts is trained on for ${this.repeats} steps, and a run can be continued only between two of them: a multiple of ${this.repeats} is needed.`);
    this.stepsPerEpoch = Math.ceil(batchesPerEpoch / args.gradientAccumulationSteps) * this.repeats;
    const maxSteps = args.maxSteps > 0 ? args.maxSteps : Math.ceil(this.stepsPerEpoch * args.numTrainEpochs);
    this.plan = planSteps(method.lengths, maxSteps, args, this.repeats);
    this.state = { step: 0, maxSteps, epoch: 0, numTrainEpochs: maxSteps / this.stepsPerEpoch, logHistory: [], startedAt: 0, stopped: false };
    const before = variableBytes();
    this.step = new TrainStep(method.parameters, method.loss, args, method.parameterGroups);
    this.optimizerBytes = variableBytes() - before;
    let batches = 0;
    this.firstBatchOf = this.plan.map((step) => (batches += step.length) - step.length);
    this.window = new LogWindow(method.metricNames);
    this.keeper = method.subject ? new RunKeeper(method.subject, args, this.step) : null;
    this.callbacks = [...(this.keeper?.callbacks ?? []), ...callbacks];
  }

  /** The memory that the run's largest step is predicted to take; null for a method that does not say what it needs. */
  get memoryPlan(): MemoryPlan | null {
    return this.checkedPlan ?? (this.plannedRun ? planRun(this.plannedRun) : null);
  }

  private get plannedRun(): PlannedRun | null {
    const { memory, lengths } = this.method;
    return memory ? { needs: memory, args: this.args, lengths, batches: this.batches, optimizerAlive: this.optimizerBytes } : null;
  }

  /** Every batch of the run in order, as row numbers. */
  get batches(): readonly (readonly number[])[] {
    return this.plan.flat();
  }

  /** Makes sure that the run fits into memory; it does nothing the second time. @throws MemoryError with the settings that would fit */
  checkMemory(): void {
    const run = this.plannedRun;
    if (run) this.checkedPlan ??= requireMemory(run);
  }

  /** The batches, as row numbers, in which the run meets each row that it needs for the first time. */
  firstBatches(): number[][] {
    return firstMeetings(this.plan);
  }

  /** Ends the run after the step that is being computed. */
  stop(): void {
    this.stopRequested = true;
  }

  private checkAdapter(): void {
    const adapter = this.method.subject?.parts.model.adapter;
    if (adapter instanceof Lora && adapter.isMerged) throw new Error("train: the adapter is merged into the model, where it has no effect. Call its unmerge() first.");
  }

  /** Makes ready for the first step: of a new run, or after a checkpoint. A run that was stopped goes on as it stands. */
  private async begin(resumeFrom: boolean | string): Promise<void> {
    const { keeper, method, state } = this;
    if (!resumeFrom && this.hasBegun) return;
    if (resumeFrom && !keeper) throw new Error("resumeFromCheckpoint: this method keeps no checkpoints.");
    const checkpoint = resumeFrom ? await keeper!.open(resumeFrom, state) : await keeper?.begin();
    checkpoint?.restoreMethod();
    await method.begin?.();
    this.hasBegun = true;
    if (!checkpoint) return;
    checkpoint.restoreWeights();
    const { window, ...counts } = checkpoint.progress;
    Object.assign(this.counts, counts);
    this.window.restore(window);
    state.step = checkpoint.globalStep;
    state.epoch = state.step / this.stepsPerEpoch;
    state.logHistory = checkpoint.logHistory;
  }

  /**
   * Runs to the last step, or until `stop()` or the notebook's Stop, keeping what was reached. Called again, it goes on.
   * @throws TrainingDivergedError naming step and rows when a number is no longer finite; before the first step MemoryError,
   * CheckpointError for a checkpoint that is torn or of another run, Error for an `outputDir` that holds another run
   */
  async run({ resumeFromCheckpoint = false }: TrainOptions = {}): Promise<TrainOutput> {
    this.checkAdapter();
    this.checkMemory();
    await this.begin(resumeFromCheckpoint);
    const { state, plan, counts, window } = this;
    const [stepsBefore, tokensBefore] = [state.step, counts.numTokens];
    const signal = stopSignal();
    const stopping = (): boolean => this.stopRequested || signal.aborted;
    state.startedAt = Date.now();
    await this.tell((callback) => callback.onTrainBegin?.(state));
    let samples = 0;
    let prepared = this.prepareStep(state.step);
    const sentinel = LeakSentinel.begin("Training", await settled(prepared));
    try {
      while (state.step < state.maxSteps && !stopping()) {
        await this.tell((callback) => callback.onStepBegin?.(state));
        const batches = await prepared;
        if (batches.some(({ tensors }) => tensors.length === 0)) break;
        const tracesBefore = this.step.traceCount;
        const rate = this.args.learningRate * scheduleFactor(this.args.lrSchedulerType, state.step - counts.skippedSteps, state.maxSteps, this.args.warmupSteps);
        const read = this.step.run(batches.map((batch) => batch.tensors), rate);
        const rows = plan[state.step]!.flat();
        // Queued behind the step itself: whatever preparing needs of the device is computed in order.
        prepared = this.prepareStep(state.step + 1);
        prepared.catch(() => undefined);
        const values = await read();
        requireFinite(values, { step: state.step + 1, rows, isScaled: this.step.scaler !== null });
        if (!Number.isFinite(values[0]!)) counts.skippedSteps++;
        state.step++;
        state.epoch = state.step / this.stepsPerEpoch;
        counts.lossSum += values[1]!;
        counts.numTokens += batches.reduce((sum, batch) => sum + batch.tokens, 0);
        samples += rows.length;
        window.add(values, rate);
        sentinel?.check(`step ${state.step}`, { held: await settled(prepared), newVariables: this.step.traceCount > tracesBefore });
        await this.afterStep(stopping, signal);
        sentinel?.check(`callbacks, evaluation and checkpoint after step ${state.step}`, { held: await settled(prepared), newVariables: true });
      }
    } catch (error) {
      await this.tell((callback) => callback.onTrainError?.(state, error));
      // Charts and progress bars must not be left as if the run still went on.
      await this.tell((callback) => callback.onTrainEnd?.(state));
      throw error;
    } finally {
      sentinel?.end();
      tf.dispose(await settled(prepared));
      this.stopRequested = false;
    }
    // Asked to stop after the row of its last step was due: what the steps since then measured is kept too.
    if (!window.isEmpty) await this.log(window.row(state));
    state.stopped = state.step < state.maxSteps;
    const isBetween = state.step % this.repeats === 0;
    if (state.stopped && isBetween && this.args.saveSteps > 0 && this.keeper && this.keeper.savedStep < state.step) await this.save(this.keeper);
    const seconds = (Date.now() - state.startedAt) / 1000;
    await this.tell((callback) => callback.onTrainEnd?.(state));
    return {
      globalStep: state.step, trainingLoss: state.step > 0 ? counts.lossSum / state.step : NaN, stopped: state.stopped,
      metrics: {
        train_runtime: seconds, train_samples_per_second: samples / seconds,
        train_steps_per_second: (state.step - stepsBefore) / seconds, train_tokens_per_second: (counts.numTokens - tokensBefore) / seconds,
      },
    };
  }

  private async afterStep(stopping: () => boolean, signal: AbortSignal): Promise<void> {
    const { state, args, keeper, window } = this;
    const isLast = state.step === state.maxSteps;
    if (state.step % args.loggingSteps === 0 || isLast || stopping() || state.step === 1) await this.log(window.row(state));
    await this.tell((callback) => callback.onStepEnd?.(state));
    if (args.evalSteps > 0 && this.method.evaluate && (state.step % args.evalSteps === 0 || isLast)) await this.evaluate(signal);
    if (args.saveSteps > 0 && keeper && (state.step % args.saveSteps === 0 || isLast)) await this.save(keeper);
  }

  private tokenCount(): Record<string, number> {
    return this.method.countsTokens ? { num_tokens: this.counts.numTokens } : {};
  }

  /** Measures the held-out rows now and logs the result under `eval_…`; null when stopped before its end. */
  async evaluate(signal: AbortSignal = stopSignal()): Promise<LogRow | null> {
    const measured = await this.method.evaluate?.(signal);
    if (!measured) return null;
    const { step, epoch } = this.state;
    const row: LogRow = { step, epoch, ...Object.fromEntries(Object.entries({ ...measured, ...this.tokenCount() }).map(([name, value]) => [`eval_${name}`, value])) };
    this.state.logHistory.push(row);
    await this.tell((callback) => callback.onEvaluate?.(this.state, row));
    return row;
  }

  private async save(keeper: RunKeeper): Promise<void> {
    const path = await keeper.save(this.state, { ...this.counts, window: this.window.state });
    await this.tell((callback) => callback.onSave?.(this.state, path));
  }

  private async prepareStep(index: number): Promise<{ tensors: Tensor[]; tokens: number }[]> {
    const batches = [];
    // After the last step there is nothing to prepare.
    const step = this.plan[index] ?? [];
    for (const [i, rows] of step.entries()) batches.push(await this.method.prepare(rows, step, this.firstBatchOf[index]! + i));
    return batches;
  }

  private async log(measured: LogRow): Promise<void> {
    const row = { ...measured, ...this.tokenCount() };
    this.state.logHistory.push(row);
    await this.tell((callback) => callback.onLog?.(this.state, row));
  }

  private async tell(call: (callback: TrainerCallback) => void | Promise<void> | undefined): Promise<void> {
    for (const callback of this.callbacks) await call(callback);
  }

  dispose(): void {
    this.step.dispose();
  }
}

/** The tensors of batches that are being prepared, none if that failed. */
const settled = (prepared: Promise<{ tensors: Tensor[] }[]>): Promise<Tensor[]> => prepared.then((batches) => batches.flatMap(({ tensors }) => tensors), () => []);
