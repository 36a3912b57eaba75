import type { Objective } from "./objective";
import type { RolloutPlan } from "./options";
import { checkCounts, checkNotNegative, checkSwitches, refuseArgument, ROLLOUT_DEFAULTS, type RolloutConfig } from "./settings";

/** What methods have in common that hold the answers to one prompt against each other, under TRL's names. */
export interface GroupConfig extends RolloutConfig {
  /** Answers to each prompt, at least 2. */
  numGenerations: number;
  /** Most tokens of an answer. */
  maxCompletionLength: number;
  /** β of the KL to the reference; 0 for none. `klEstimator` says how it is estimated. */
  beta: number;
  /** The ratio π_θ/π_old may go down to 1 − epsilon, and up to 1 + epsilonHigh; null for the same. */
  epsilon: number;
  epsilonHigh: number | null;
  /** How often each batch of answers is trained on. */
  numIterations: number;
  /** Parts that a batch of prompts is trained on in, one optimiser step each. */
  stepsPerGeneration: number;
  /** Leaves answers that were cut off out of the loss (Yu et al. 2025, DAPO). */
  maskTruncatedCompletions: boolean;
}

export const GROUP_DEFAULTS = {
  ...ROLLOUT_DEFAULTS, maxCompletionLength: 256, epsilon: 0.2, epsilonHigh: null, numIterations: 1, stepsPerGeneration: 1, maskTruncatedCompletions: false,
};

/** @throws RangeError that names the argument */
export function checkGroupSettings(args: GroupConfig): void {
  const { numGenerations, maxCompletionLength, beta, epsilon, epsilonHigh, numIterations, stepsPerGeneration, maskTruncatedCompletions } = args;
  checkCounts({ numGenerations }, 2);
  checkCounts({ maxCompletionLength, numIterations, stepsPerGeneration });
  checkNotNegative({ beta });
  for (const [name, value] of Object.entries({ epsilon, epsilonHigh })) if (value !== null && !(value > 0)) refuseArgument(name, value, "a number above 0");
  checkSwitches({ maskTruncatedCompletions });
}

/** How such a method uses rollouts. */
export function groupPlan(trainer: string, objective: (hasReference: boolean) => Objective, args: GroupConfig): RolloutPlan {
  const { numGenerations, maxCompletionLength, numIterations, stepsPerGeneration, beta } = args;
  return {
    trainer, objective, numGenerations, longest: { name: "maxCompletionLength", value: maxCompletionLength },
    epochs: numIterations, miniBatches: stepsPerGeneration, needsReference: beta > 0, measuresReference: false, greedy: false, value: null,
  };
}
