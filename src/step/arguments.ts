import { resolvePrecision } from "../engine/precision";
import type { Precision } from "../engine/recorder";
import { supportedOptimizers, type OptimizerName } from "./optimizer";
import { supportedSchedules, type SchedulerType } from "./schedule";

/** Settings of a training run: transformers' TrainingArguments in camelCase, with the defaults of TRL. */
export interface TrainingArguments {
  /** The run's folder: settings, versions, log, checkpoints. Without it nothing is written. */
  outputDir?: string;
  /** Lets a new run take the place of one that `outputDir` holds. */
  overwriteOutputDir: boolean;
  /** η. Default 1e-6, TRL's for DPO. */
  learningRate: number;
  numTrainEpochs: number;
  /** Optimiser steps in all; above 0 it overrules `numTrainEpochs`. Default -1. */
  maxSteps: number;
  perDeviceTrainBatchSize: number;
  perDeviceEvalBatchSize: number;
  /** Batches whose gradients are averaged before one optimiser step. */
  gradientAccumulationSteps: number;
  /** How the learning rate goes on after the warm-up. `constant` knows none. */
  lrSchedulerType: SchedulerType;
  /** Steps over which the learning rate rises from 0. */
  warmupSteps: number;
  /** Gradients are scaled down to this global norm; 0 leaves them. */
  maxGradNorm: number;
  /** `adamw_8bit` holds its moments in a quarter of the memory. */
  optim: OptimizerName;
  /** λ, of all parameters but norms and biases: decoupled in AdamW, added to the gradient in SGD. */
  weightDecay: number;
  /** Of `sgd` only, as is Nesterov's form of it. */
  sgdMomentum: number;
  sgdNesterov: boolean;
  adamBeta1: number;
  adamBeta2: number;
  adamEpsilon: number;
  /** Optimiser steps between two rows of the log. */
  loggingSteps: number;
  /** Steps between two evaluations; 0: none but those asked for. */
  evalSteps: number;
  /** Steps between two checkpoints; 0: none. */
  saveSteps: number;
  /** The newest checkpoints that are kept; null keeps all. */
  saveTotalLimit: number | null;
  seed: number;
  /** Takes the rows in a new order each epoch, drawn from `seed`. */
  shuffle: boolean;
  /** Puts rows of like length into one batch: less padding and fewer shapes to compile. */
  groupByLength: boolean;
  /**
   * The backward pass computes each layer anew from its input: a layer's values are in memory only while it is computed,
   * for about a third more time. Nothing is saved where ALIGNLAB_XLA has XLA compile for a CPU: it joins the second
   * computation with the first.
   */
  gradientCheckpointing: boolean;
  /**
   * Of matrix products: `bfloat16`, or `float16` with a dynamic loss scale for devices without bfloat16, or `float32`
   * throughout. A CPU without bfloat16 instructions computes in float32 and says so.
   */
  precision: Precision;
}

export const TRAINING_DEFAULTS: TrainingArguments = {
  learningRate: 1e-6, numTrainEpochs: 3, maxSteps: -1, perDeviceTrainBatchSize: 8, perDeviceEvalBatchSize: 8,
  gradientAccumulationSteps: 1, lrSchedulerType: "linear", warmupSteps: 0, maxGradNorm: 1,
  optim: "adamw_torch", weightDecay: 0, sgdMomentum: 0, sgdNesterov: false, adamBeta1: 0.9, adamBeta2: 0.999, adamEpsilon: 1e-8, loggingSteps: 10, evalSteps: 0, saveSteps: 0, saveTotalLimit: null, overwriteOutputDir: false,
  seed: 42, shuffle: true, groupByLength: true, gradientCheckpointing: false, precision: "float32",
};

const POSITIVE_INTEGERS = ["perDeviceTrainBatchSize", "perDeviceEvalBatchSize", "gradientAccumulationSteps", "loggingSteps"] as const;
const COUNTS = ["warmupSteps", "evalSteps", "saveSteps", "seed"] as const;
const NOT_NEGATIVE = ["learningRate", "maxGradNorm", "weightDecay", "sgdMomentum", "adamEpsilon"] as const;

const CHOICES = [["lrSchedulerType", supportedSchedules], ["optim", supportedOptimizers], ["precision", ["float32", "bfloat16", "float16"]]] as const;
const SWITCHES = ["overwriteOutputDir", "shuffle", "groupByLength", "sgdNesterov", "gradientCheckpointing"] as const;

/** "a", "b" or "c" */
function oneOf(names: readonly string[]): string {
  const quoted = names.map((name) => JSON.stringify(name));
  return `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
}

/**
 * Fills in defaults and refuses what cannot be run.
 * @throws RangeError with the argument's name, its value and what it may be
 */
export function trainingArguments<T extends TrainingArguments>(given: Partial<T>, defaults: T): T {
  for (const name of Object.keys(given)) {
    if (!(name in defaults) && name !== "outputDir") throw new RangeError(`args.${name} is not a training argument. Known are: ${["outputDir", ...Object.keys(defaults)].join(", ")}.`);
  }
  const given_ = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as Partial<T>;
  const args = { ...defaults, ...given_ };
  const refuse = (name: keyof TrainingArguments, needed: string): never => {
    throw new RangeError(`args.${name} is ${String(args[name])}; ${needed} is needed.`);
  };
  for (const name of POSITIVE_INTEGERS) if (!(Number.isInteger(args[name]) && args[name] > 0)) refuse(name, "a whole number above 0");
  for (const name of COUNTS) if (!(Number.isInteger(args[name]) && args[name] >= 0)) refuse(name, "a whole number, 0 or above,");
  for (const name of NOT_NEGATIVE) if (!(Number.isFinite(args[name]) && args[name] >= 0)) refuse(name, "a number, 0 or above,");
  for (const name of ["adamBeta1", "adamBeta2"] as const) if (!(args[name] >= 0 && args[name] < 1)) refuse(name, "a number from 0 to below 1");
  if (!(args.numTrainEpochs > 0 && Number.isFinite(args.numTrainEpochs))) refuse("numTrainEpochs", "a number above 0");
  if (!Number.isInteger(args.maxSteps) || args.maxSteps === 0 || args.maxSteps < -1) refuse("maxSteps", "a whole number above 0, or -1 for none,");
  for (const [name, known] of CHOICES) if (!(known as readonly unknown[]).includes(args[name])) refuse(name, oneOf(known));
  for (const name of SWITCHES) if (typeof args[name] !== "boolean") refuse(name, "true or false");
  if (args.lrSchedulerType === "constant" && args.warmupSteps > 0) refuse("warmupSteps", '0, or lrSchedulerType "constant_with_warmup",');
  if (args.optim !== "sgd" && (args.sgdMomentum > 0 || args.sgdNesterov)) refuse("optim", '"sgd", the only one with sgdMomentum and sgdNesterov,');
  if (args.sgdNesterov && args.sgdMomentum === 0) refuse("sgdMomentum", "a number above 0 for sgdNesterov");
  const { saveTotalLimit } = args;
  if (saveTotalLimit !== null && !(Number.isInteger(saveTotalLimit) && saveTotalLimit > 0)) refuse("saveTotalLimit", "a whole number above 0, or null to keep all,");
  if (args.saveSteps > 0 && !args.outputDir) refuse("outputDir", "a folder for the checkpoints that saveSteps asks for");
  return { ...args, precision: resolvePrecision(args.precision) };
}
