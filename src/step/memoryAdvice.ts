import { isOnGpu } from "../engine/backend";
import type { LlamaModel } from "../model/llama";
import { TRAINING_DEFAULTS, type TrainingArguments } from "./arguments";
import { chunks } from "./batches";
import type { StepShapes } from "./memoryCounts";
import { estimateShapes } from "./shapeCount";
import { planMemory, type MemoryArguments, type MemoryPlan } from "./memoryPlan";

/** What the planner asks of a training method. */
export interface MemoryNeeds {
  model: LlamaModel;
  /**
   * Sizes on the device of a batch of training rows.
   * @param maxCompletionLength tokens that an answer keeps, where fewer than the run keeps are asked for
   */
  shapes(rows: readonly number[], maxCompletionLength: number | null): StepShapes;
  /** Tokens of the longest answer among the rows; 0 where the method cannot cut answers. */
  longestCompletion(rows: readonly number[]): number;
  /** Whether training would need a copy of the policy as it is now. */
  copiesReference(): boolean;
}

/** A run as the planner sees it. */
export interface PlannedRun {
  needs: MemoryNeeds;
  args: TrainingArguments;
  /** Tokens of each training row, and the batches that the run will meet, as row numbers. */
  lengths: readonly number[];
  batches: readonly (readonly number[])[];
  /** Bytes of the optimiser's state that are alive already. */
  optimizerAlive: number;
}

/** A change of settings that makes a run fit. */
export interface MemoryAdvice {
  change: string;
  /** The peak with it. */
  bytes: number;
}

/** Thrown before the first step of a run that would not fit into memory. */
export class MemoryError extends Error {
  override name = "MemoryError";

  constructor(readonly plan: MemoryPlan, readonly advice: readonly MemoryAdvice[]) {
    super(messageOf(plan, advice));
  }
}

/** What may be changed, in the order of harm. */
interface Settings {
  copiesReference: boolean;
  perDeviceTrainBatchSize: number;
  gradientAccumulationSteps: number;
  gradientCheckpointing: boolean;
  precision: TrainingArguments["precision"];
  optim: string;
  maxCompletionLength: number | null;
}

/** Batches that are packed to find the largest: those with the most tokens and those with the longest rows. */
const CANDIDATES = 3;

/** Whether a training argument exists in this version. */
const knows = (name: string): boolean => name in TRAINING_DEFAULTS;

function settingsOf({ needs, args }: PlannedRun): Settings {
  const { perDeviceTrainBatchSize, gradientAccumulationSteps, precision } = args;
  const { gradientCheckpointing = false, optim = "adamw" } = args as MemoryArguments;
  return { copiesReference: needs.copiesReference(), perDeviceTrainBatchSize, gradientAccumulationSteps, gradientCheckpointing, precision, optim, maxCompletionLength: null };
}

/** The plan of the run's largest batch. */
export function planRun(run: PlannedRun): MemoryPlan {
  return planWith(run, largestBatches(run), settingsOf(run), shapeCount(run));
}

function largestBatches({ lengths, batches }: PlannedRun): readonly (readonly number[])[] {
  const tokens = (rows: readonly number[]): number => rows.reduce((sum, row) => sum + lengths[row]!, 0);
  const longest = (rows: readonly number[]): number => rows.length * Math.max(...rows.map((row) => lengths[row]!)) ** 2;
  const most = (measure: (rows: readonly number[]) => number): (readonly number[])[] => [...batches].sort((a, b) => measure(b) - measure(a)).slice(0, CANDIDATES);
  return [...new Set([...most(tokens), ...most(longest)])];
}

function shapeCount({ needs, batches }: PlannedRun): number {
  return estimateShapes(batches, (rows) => needs.shapes(rows, null));
}

function planWith({ needs, optimizerAlive }: PlannedRun, batches: readonly (readonly number[])[], settings: Settings, compiledShapes: number): MemoryPlan {
  const { copiesReference, perDeviceTrainBatchSize, maxCompletionLength, ...args } = settings;
  const available = isOnGpu() ? null : undefined;
  const parts = batches.flatMap((rows) => chunks(rows, perDeviceTrainBatchSize));
  const plans = parts.map((rows) => planMemory({ model: needs.model, args, shapes: needs.shapes(rows, maxCompletionLength), copiesReference, optimizerAlive, compiledShapes, available }));
  return plans.reduce((one, other) => (other.bytes > one.bytes ? other : one));
}

/** Goes on to the next of a ladder of changes, or returns null where there is none. */
type Change = (settings: Settings) => { settings: Settings; text: string } | null;

/** The changes in the order of harm: nothing is lost, time is lost, digits are lost, text is lost. */
function changesFor(longest: number): Change[] {
  return [
    (settings) => (settings.copiesReference ? { settings: { ...settings, copiesReference: false }, text: "await trainer.precomputeReference() before train()" } : null),
    (settings) => {
      if (settings.perDeviceTrainBatchSize === 1) return null;
      const perDeviceTrainBatchSize = Math.ceil(settings.perDeviceTrainBatchSize / 2);
      const gradientAccumulationSteps = settings.gradientAccumulationSteps * Math.ceil(settings.perDeviceTrainBatchSize / perDeviceTrainBatchSize);
      return { settings: { ...settings, perDeviceTrainBatchSize, gradientAccumulationSteps }, text: `perDeviceTrainBatchSize: ${perDeviceTrainBatchSize}, gradientAccumulationSteps: ${gradientAccumulationSteps}` };
    },
    (settings) => (knows("gradientCheckpointing") && !settings.gradientCheckpointing ? { settings: { ...settings, gradientCheckpointing: true }, text: "gradientCheckpointing: true" } : null),
    (settings) => (settings.precision === "float32" ? { settings: { ...settings, precision: "bfloat16" }, text: 'precision: "bfloat16"' } : null),
    (settings) => (knows("optim") && !settings.optim.includes("8bit") ? { settings: { ...settings, optim: "adamw_8bit" }, text: 'optim: "adamw_8bit"' } : null),
    (settings) => {
      const maxCompletionLength = 2 ** Math.ceil(Math.log2(settings.maxCompletionLength ?? longest) - 1);
      return maxCompletionLength < SHORTEST_COMPLETION ? null : { settings: { ...settings, maxCompletionLength }, text: `maxCompletionLength: ${maxCompletionLength}` };
    },
  ];
}

/** Answers are not advised to be cut to fewer tokens. */
const SHORTEST_COMPLETION = 32;

/**
 * Changes that make the run fit, each by itself, the least harmful first; where none does, all of them together as far
 * as needed; empty where that is not enough.
 */
export function adviceFor(run: PlannedRun): MemoryAdvice[] {
  const batches = largestBatches(run);
  const shapes = shapeCount(run);
  const start = settingsOf(run);
  const changes = changesFor(run.needs.longestCompletion(batches.flat()));
  const fits = (plan: MemoryPlan): boolean => plan.available === null || plan.bytes <= plan.available;
  /** Follows one ladder until the run fits; with its last state where it never does. */
  const follow = (from: Settings, change: Change): { settings: Settings; text: string; plan: MemoryPlan } | null => {
    let best: { settings: Settings; text: string; plan: MemoryPlan } | null = null;
    for (let next = change(from); next; next = change(next.settings)) {
      best = { ...next, plan: planWith(run, batches, next.settings, shapes) };
      if (fits(best.plan)) break;
    }
    return best;
  };
  const single = changes.flatMap((change) => follow(start, change) ?? []).filter(({ plan }) => fits(plan));
  if (single.length > 0) return single.map(({ text, plan }) => ({ change: text, bytes: plan.bytes }));
  let settings = start;
  const texts: string[] = [];
  let bytes = planWith(run, batches, start, shapes).bytes;
  for (const change of changes) {
    const reached = follow(settings, change);
    // Small batches are no gain where the accumulated gradients weigh more than what they save.
    if (!reached || reached.plan.bytes >= bytes) continue;
    settings = reached.settings;
    bytes = reached.plan.bytes;
    texts.push(reached.text);
    if (fits(reached.plan)) return [{ change: texts.join(", "), bytes }];
  }
  return [];
}

/**
 * Refuses a run that would not fit.
 * @returns the plan of one that does @throws MemoryError with the settings that would fit
 */
export function requireMemory(run: PlannedRun): MemoryPlan {
  const plan = planRun(run);
  if (plan.available !== null && plan.bytes > plan.available) throw new MemoryError(plan, adviceFor(run));
  return plan;
}

const gigabytes = (bytes: number): string => `${(bytes / 1e9).toPrecision(3)} GB`;

function messageOf(plan: MemoryPlan, advice: readonly MemoryAdvice[]): string {
  const needed = `Training would take ${gigabytes(plan.bytes)} of memory at its peak; ${gigabytes(plan.available!)} can be had.`;
  if (advice.length === 0) return `${needed} No setting makes it fit: the model needs a machine with more memory, or a smaller model is needed.`;
  return [`${needed} Change one of these settings, the least harmful first:`, ...advice.map(({ change, bytes }) => `  ${change} (${gigabytes(bytes)})`)].join("\n");
}
