import type { Scalar, Variable } from "@tensorflow/tfjs";
import { tf } from "../../engine/backend";

/** Settings for some of the parameters: PyTorch's `param_groups`. */
export interface ParameterGroup {
  /** Their names, or a rule for a name. */
  parameters: readonly string[] | ((name: string) => boolean);
  /** λ. Default: the optimiser's. */
  weightDecay?: number;
  /** Factor on the step's learning rate. Default 1. */
  learningRateScale?: number;
  /** 32 keeps float32 moments in an 8-bit optimiser, as bitsandbytes advises for embeddings. Default 8; others ignore it. */
  optimBits?: 8 | 32;
}

/** A group with its parameters found. */
export interface ResolvedGroup {
  names: readonly string[];
  weightDecay: number;
  learningRateScale: number;
  optimBits: 8 | 32;
}

/** Whether transformers' trainer lets a parameter decay: all do but norms and biases. */
export function decaysByDefault(name: string): boolean {
  return !/(norm|bias)/i.test(name);
}

/**
 * The groups of an optimiser; without any given, all parameters with `weightDecay` but norms and biases without.
 * @throws RangeError for a parameter in no group or in two, a name that no parameter has, a number out of range
 */
export function resolveGroups(parameters: ReadonlyMap<string, Variable>, weightDecay: number, groups?: readonly ParameterGroup[]): ResolvedGroup[] {
  const given = groups ?? [{ parameters: decaysByDefault }, { parameters: (name: string) => !decaysByDefault(name), weightDecay: 0 }];
  const owner = new Map<string, number>();
  const resolved = given.map((group, i): ResolvedGroup => {
    const names = namesOf(group, i, parameters);
    for (const name of names) {
      if (owner.has(name)) throw new RangeError(`Parameter groups ${owner.get(name)} and ${i} both hold ${name}; a parameter belongs to one group.`);
      owner.set(name, i);
    }
    const { learningRateScale = 1, optimBits = 8 } = group;
    if (![8, 32].includes(optimBits)) throw new RangeError(`Parameter group ${i}: optimBits is ${optimBits}; it must be 8 or 32.`);
    const decay = group.weightDecay ?? weightDecay;
    for (const [what, value] of Object.entries({ weightDecay: decay, learningRateScale })) {
      if (!(Number.isFinite(value) && value >= 0)) throw new RangeError(`Parameter group ${i}: ${what} is ${value}; it must be a number, 0 or above.`);
    }
    return { names, weightDecay: decay, learningRateScale, optimBits };
  });
  const left = [...parameters.keys()].filter((name) => !owner.has(name));
  if (left.length > 0) throw new RangeError(`No parameter group holds ${left[0]}${left.length > 1 ? ` (and ${left.length - 1} more)` : ""}. Add a group for the rest; learningRateScale 0 leaves a parameter as it is.`);
  return resolved;
}

function namesOf({ parameters: rule }: ParameterGroup, i: number, parameters: ReadonlyMap<string, Variable>): readonly string[] {
  if (typeof rule === "function") return [...parameters.keys()].filter(rule);
  const unknown = rule.find((name) => !parameters.has(name));
  if (unknown !== undefined) throw new RangeError(`Parameter group ${i} names ${unknown}, which is no parameter of the model.`);
  return rule;
}

/** What an update needs of its group. */
export interface GroupRates {
  /** η · scale */
  rate: Scalar;
  weightDecay: number;
}

/** The rates of every parameter's group. @param learningRate η of the step, 0 where the step does not count */
export function groupRates(groups: readonly ResolvedGroup[], learningRate: Scalar): Map<string, GroupRates> {
  const rates = new Map<string, GroupRates>();
  for (const { names, weightDecay, learningRateScale } of groups) {
    const rate = learningRateScale === 1 ? learningRate : (tf.mul(learningRate, learningRateScale) as Scalar);
    for (const name of names) rates.set(name, { rate, weightDecay });
  }
  return rates;
}
