import type { Tensor, Variable } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { stopSignal } from "../engine/host";
import { LeakSentinel } from "../engine/sentinel";
import type { TrainingArguments } from "./arguments";
import { epochBatches } from "./batches";
import type { LogRow, TrainerCallback, TrainerState } from "./callbacks";
import { SMALLEST_SCALE } from "./lossScaler";
import type { ParameterGroup } from "./optimizer";
import { requireMemory, planRun, type MemoryNeeds, type PlannedRun } from "./memoryAdvice";
import { variableBytes, type MemoryPlan } from "./memoryPlan";
import { scheduleFactor } from "./schedule";
import { TrainStep, type LossFunction } from "./trainStep";

/** What a training method adds to the shared loop: its data and its loss. */
export interface TrainingMethod {
  parameters: ReadonlyMap<string, Variable>;
  /** Default: norms and biases do not decay, all else does. */
  parameterGroups?: readonly ParameterGroup[] | undefined;
  /** Tokens of each training row, as the batches are grouped by. */
  lengths: readonly number[];
  /**
   * Builds the device tensors of a batch. The loop disposes them.
   * @param step rows of all batches that are accumulated with this one, itself among them
   */
  prepare(rows: readonly number[], step: readonly (readonly number[])[]): Promise<{ tensors: Tensor[]; tokens: number }>;
  loss: LossFunction;
  /** Names of the loss function's metrics, in their order. */
  metricNames: readonly string[];
  /** Whether the log says how many tokens the run has trained on so far, as `num_tokens`. */
  countsTokens?: boolean;
  /** What its memory is predicted from; without it the run is not checked. */
  memory?: MemoryNeeds;
  /** Measures the held-out rows; names without the prefix `eval_`. */
  evaluate?(signal: AbortSignal): Promise<Record<string, number> | null>;
  /** Writes a checkpoint. */
  save?(path: string, state: TrainerState): Promise<void>;
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

/** Thrown when the loss or the gradient is no finite number. */
export class TrainingDivergedError extends Error {
  override name = "TrainingDivergedError";

  /** @param step the step that was being computed, counted from 1 @param rows the numbers of its training rows */
  constructor(message: string, readonly step: number, readonly rows: readonly number[]) {
    super(message);
  }
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
  private readonly optimizerBytes: number;
  private checkedPlan: MemoryPlan | null = null;
  private stopRequested = false;
  /** Steps left out because a gradient overflowed: the schedule does not count them, as in transformers. */
  private skipped = 0;
  private tokens = 0;

  constructor(
    private readonly method: TrainingMethod,
    private readonly args: TrainingArguments,
    private readonly callbacks: readonly TrainerCallback[],
  ) {
    if (method.lengths.length === 0) throw new RangeError("The training set is empty.");
    const batchesPerEpoch = Math.ceil(method.lengths.length / args.perDeviceTrainBatchSize);
    this.stepsPerEpoch = Math.ceil(batchesPerEpoch / args.gradientAccumulationSteps);
    const maxSteps = args.maxSteps > 0 ? args.maxSteps : Math.ceil(this.stepsPerEpoch * args.numTrainEpochs);
    this.plan = this.planSteps(maxSteps);
    this.state = { step: 0, maxSteps, epoch: 0, numTrainEpochs: maxSteps / this.stepsPerEpoch, logHistory: [], startedAt: 0, stopped: false };
    const before = variableBytes();
    this.step = new TrainStep(method.parameters, method.loss, args, method.parameterGroups);
    this.optimizerBytes = variableBytes() - before;
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

  /** The row numbers of every step's batches. */
  private planSteps(maxSteps: number): number[][][] {
    const plan: number[][][] = [];
    for (let epoch = 0; plan.length < maxSteps; epoch++) {
      const batches = epochBatches(this.method.lengths, epoch, this.args);
      for (let i = 0; i < batches.length; i += this.args.gradientAccumulationSteps) plan.push(batches.slice(i, i + this.args.gradientAccumulationSteps));
    }
    return plan.slice(0, maxSteps);
  }

  /** The batches, as row numbers, in which the run meets each row that it needs for the first time. */
  firstBatches(): number[][] {
    const met = new Set<number>();
    const first: number[][] = [];
    for (const step of this.plan) {
      if (met.size === this.method.lengths.length) break;
      first.push(...step.filter((rows) => rows.some((row) => !met.has(row))));
      step.flat().forEach((row) => met.add(row));
    }
    return first;
  }

  /** Ends the run after the step that is being computed. */
  stop(): void {
    this.stopRequested = true;
  }

  /**
   * Runs to the last step, or until `stop()` or the notebook's Stop, keeping what was reached.
   * @throws TrainingDivergedError naming step and rows when a number is no longer finite, MemoryError before the first step
   */
  async run(): Promise<TrainOutput> {
    this.checkMemory();
    const { state, plan } = this;
    const signal = stopSignal();
    const stopping = (): boolean => this.stopRequested || signal.aborted;
    state.startedAt = Date.now();
    await this.tell((callback) => callback.onTrainBegin?.(state));
    const window = new LogWindow(this.method.metricNames);
    let lossSum = 0;
    let samples = 0;
    let prepared = this.prepareStep(0);
    const sentinel = LeakSentinel.begin("Training", await settled(prepared));
    try {
      while (state.step < state.maxSteps && !stopping()) {
        await this.tell((callback) => callback.onStepBegin?.(state));
        const batches = await prepared;
        const tracesBefore = this.step.traceCount;
        const rate = this.args.learningRate * scheduleFactor(this.args.lrSchedulerType, state.step - this.skipped, state.maxSteps, this.args.warmupSteps);
        const read = this.step.run(batches.map((batch) => batch.tensors), rate);
        const rows = plan[state.step]!.flat();
        const isLast = state.step + 1 === state.maxSteps;
        // Queued behind the step itself: whatever preparing needs of the device is computed in order.
        prepared = isLast ? Promise.resolve([]) : this.prepareStep(state.step + 1);
        prepared.catch(() => undefined);
        const values = await read();
        this.checkFinite(values, rows);
        if (!Number.isFinite(values[0]!)) this.skipped++;
        state.step++;
        state.epoch = state.step / this.stepsPerEpoch;
        lossSum += values[1]!;
        this.tokens += batches.reduce((sum, batch) => sum + batch.tokens, 0);
        samples += rows.length;
        window.add(values, rate);
        sentinel?.check(`step ${state.step}`, { held: await settled(prepared), newVariables: this.step.traceCount > tracesBefore });
        await this.afterStep(window, stopping, signal);
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
    }
    // Asked to stop after the row of its last step was due: what the steps since then measured is kept too.
    if (!window.isEmpty) await this.log(window.row(state));
    state.stopped = state.step < state.maxSteps;
    const seconds = (Date.now() - state.startedAt) / 1000;
    await this.tell((callback) => callback.onTrainEnd?.(state));
    return {
      globalStep: state.step, trainingLoss: state.step > 0 ? lossSum / state.step : NaN, stopped: state.stopped,
      metrics: {
        train_runtime: seconds, train_samples_per_second: samples / seconds,
        train_steps_per_second: state.step / seconds, train_tokens_per_second: this.tokens / seconds,
      },
    };
  }

  private async afterStep(window: LogWindow, stopping: () => boolean, signal: AbortSignal): Promise<void> {
    const { state, args } = this;
    const isLast = state.step === state.maxSteps;
    if (state.step % args.loggingSteps === 0 || isLast || stopping() || state.step === 1) await this.log(window.row(state));
    await this.tell((callback) => callback.onStepEnd?.(state));
    if (args.evalSteps > 0 && this.method.evaluate && (state.step % args.evalSteps === 0 || isLast)) await this.evaluate(signal);
    if (args.saveSteps > 0 && this.method.save && (state.step % args.saveSteps === 0 || isLast)) await this.save();
  }

  private tokenCount(): Record<string, number> {
    return this.method.countsTokens ? { num_tokens: this.tokens } : {};
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

  private async save(): Promise<void> {
    const path = `${this.args.outputDir}/checkpoint-${this.state.step}`;
    await this.method.save!(path, this.state);
    await this.tell((callback) => callback.onSave?.(this.state, path));
  }

  private async prepareStep(index: number): Promise<{ tensors: Tensor[]; tokens: number }[]> {
    const batches = [];
    for (const rows of this.plan[index]!) batches.push(await this.method.prepare(rows, this.plan[index]!));
    return batches;
  }

  private checkFinite(values: Float32Array, rows: number[]): void {
    const [norm, loss] = values as unknown as [number, number];
    const overflowed = this.step.scaler !== null && !Number.isFinite(norm);
    if (Number.isFinite(loss) && (Number.isFinite(norm) || (overflowed && values.at(-1)! >= SMALLEST_SCALE))) return;
    if (overflowed && Number.isFinite(loss)) {
      throw new TrainingDivergedError(`Step ${this.state.step + 1}: gradients overflow float16 even where nothing is scaled up, on the rows ${rows.join(", ")}. Lower learningRate, or train with precision bfloat16 or float32.`, this.state.step + 1, rows);
    }
    throw new TrainingDivergedError(
      `Step ${this.state.step + 1}: the loss is ${loss} and the gradient's norm ${norm}, on the rows ${rows.join(", ")}. ` +
        "Look at these rows; then lower learningRate, or train with precision float32.",
      this.state.step + 1, rows,
    );
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

/** Means of what the steps since the last row measured. */
class LogWindow {
  private steps: Float32Array[] = [];
  private rate = 0;

  constructor(private readonly metricNames: readonly string[]) {}

  add(values: Float32Array, rate: number): void {
    this.steps.push(values);
    this.rate = rate;
  }

  get isEmpty(): boolean {
    return this.steps.length === 0;
  }

  row({ step, epoch }: TrainerState): LogRow {
    const mean = (at: number, steps: readonly Float32Array[]): number => steps.reduce((sum, values) => sum + values[at]!, 0) / steps.length;
    const counted = this.steps.filter(([norm]) => Number.isFinite(norm));
    const row: LogRow = { step, epoch, loss: mean(1, this.steps), ...(counted.length > 0 ? { grad_norm: mean(0, counted) } : {}), learning_rate: this.rate };
    this.metricNames.forEach((name, i) => (row[name] = mean(2 + i, this.steps)));
    const lossScale = this.steps.at(-1)![2 + this.metricNames.length];
    if (lossScale !== undefined) row.loss_scale = lossScale;
    this.steps = [];
    return row;
  }
}
