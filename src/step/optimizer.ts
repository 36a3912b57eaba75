import type { Variable } from "@tensorflow/tfjs";
import type { TrainingArguments } from "./arguments";
import { AdamW } from "./optimizers/adamw";
import { AdamW8bit } from "./optimizers/adamw8bit";
import type { ParameterGroup } from "./optimizers/groups";
import type { Optimizer } from "./optimizers/optimizer";
import { SGD } from "./optimizers/sgd";

export { AdamW, type AdamWOptions } from "./optimizers/adamw";
export { AdamW8bit, type AdamW8bitOptions } from "./optimizers/adamw8bit";
export { clipFactor, globalNorm } from "./optimizers/clipping";
export type { ParameterGroup } from "./optimizers/groups";
export type { Optimizer } from "./optimizers/optimizer";
export { SGD, type SGDOptions } from "./optimizers/sgd";

type Make = (parameters: ReadonlyMap<string, Variable>, args: TrainingArguments, groups: readonly ParameterGroup[] | undefined) => Optimizer;

const adam = ({ adamBeta1, adamBeta2, adamEpsilon, weightDecay }: TrainingArguments) => ({ beta1: adamBeta1, beta2: adamBeta2, epsilon: adamEpsilon, weightDecay });

const OPTIMIZERS = {
  adamw_torch: (parameters, args, groups) => new AdamW(parameters, { ...adam(args), groups }),
  adamw_8bit: (parameters, args, groups) => new AdamW8bit(parameters, { ...adam(args), groups }),
  sgd: (parameters, { sgdMomentum, sgdNesterov, weightDecay }, groups) => new SGD(parameters, { momentum: sgdMomentum, nesterov: sgdNesterov, weightDecay, groups }),
} satisfies Record<string, Make>;

/** transformers' names of the optimisers. */
export type OptimizerName = keyof typeof OPTIMIZERS;

export const supportedOptimizers = Object.keys(OPTIMIZERS) as OptimizerName[];

/** The optimiser that a run's arguments name. */
export function makeOptimizer(parameters: ReadonlyMap<string, Variable>, args: TrainingArguments, groups?: readonly ParameterGroup[]): Optimizer {
  const make: Make = OPTIMIZERS[args.optim];
  return make(parameters, args, groups);
}
