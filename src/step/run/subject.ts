import type { Variable } from "@tensorflow/tfjs";
import type { Safetensors } from "../../hub/safetensors";
import type { TensorToWrite } from "../../hub/writeSafetensors";
import type { ModelParts } from "../../model/load";

/** What a method knows beside weights and optimiser and cannot find out again once the weights have changed. */
export interface MethodState {
  tensors(): TensorToWrite[];
  /** @param file holds what `tensors` gave */
  restore(file: Safetensors): void;
}

/** What is trained on what: what a run's folder keeps, and what must be the same for the run to be continued. */
export interface RunSubject {
  /** The trainer's name. */
  trainer: string;
  /** The model that is trained, or whose adapter is. */
  parts: ModelParts;
  /** The rows as they are trained and measured on. */
  datasets: { trainDataset: readonly object[]; evalDataset: readonly object[] };
  /** Weights as they are before the first step that decide the run's numbers though no checkpoint holds them. */
  origin: ReadonlyMap<string, Variable>;
  state?: MethodState;
}
