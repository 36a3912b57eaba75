import type { Tensor, Variable } from "@tensorflow/tfjs";
import type { MemoryNeeds } from "./memoryAdvice";
import type { ParameterGroup } from "./optimizer";
import type { RunSubject } from "./run/subject";
import type { LossFunction } from "./trainStep";

/** What a training method adds to the shared loop: its data and its loss. */
export interface TrainingMethod {
  parameters: ReadonlyMap<string, Variable>;
  /** Default: norms and biases do not decay, all else does. */
  parameterGroups?: readonly ParameterGroup[] | undefined;
  /** Tokens of each training row, as the batches are grouped by. */
  lengths: readonly number[];
  /**
   * Steps in a row that each batch is prepared and trained on, as rollouts are: together they are an iteration. Checkpoints
   * lie between iterations. Default 1.
   */
  repeats?: number;
  /**
   * Builds the device tensors of a batch. The loop disposes them.
   * @param step rows of all batches that are accumulated with this one, itself among them
   * @param batch its number in the run, from 0: what random numbers may depend on, so that a resumed run draws the same
   * @returns no tensors where Stop kept the batch from being made; the run ends there
   */
  prepare(rows: readonly number[], step: readonly (readonly number[])[], batch: number): Promise<{ tensors: Tensor[]; tokens: number }>;
  loss: LossFunction;
  /** Names of the loss function's metrics, in their order. */
  metricNames: readonly string[];
  /** Whether the log says how many tokens the run has trained on so far, as `num_tokens`. */
  countsTokens?: boolean;
  /** What its memory is predicted from; without it the run is not checked. */
  memory?: MemoryNeeds;
  /** Measures the held-out rows; names without the prefix `eval_`. */
  evaluate?(signal: AbortSignal): Promise<Record<string, number> | null>;
  /** Called once before the first step, while the weights are still those of the run's beginning. */
  begin?(): void | Promise<void>;
  /** What the run's folder and checkpoints hold. Without it nothing is written. */
  subject?: RunSubject;
}
