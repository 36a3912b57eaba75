import assert from "node:assert/strict";
import { engineMemory } from "../../src/engine/info";
import type { TrainerState } from "../../src/step/callbacks";

interface Disposable {
  dispose(): void;
}

/**
 * Works with a trainer and its model, then disposes both: tensors and handles must be as many as before they were made.
 * @param between what else has to go, before the model does
 */
export async function withDisposed<Trainer extends Disposable, Model extends Disposable, T>(
  make: () => Promise<{ trainer: Trainer; model: Model }>,
  work: (trainer: Trainer, model: Model) => Promise<T>,
  between: (trainer: Trainer) => void = () => undefined,
): Promise<T> {
  const start = engineMemory();
  const { trainer, model } = await make();
  try {
    return await work(trainer, model);
  } finally {
    trainer.dispose();
    between(trainer);
    model.dispose();
    assert.deepEqual(engineMemory(), start, "tensors and handles");
  }
}

/** One number of each training row of a trainer's log. */
export const column = ({ state }: { state: TrainerState }, name: string): number[] => state.logHistory.filter((row) => "loss" in row).map((row) => row[name]!);
