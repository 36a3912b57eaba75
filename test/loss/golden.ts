import { readFileSync } from "node:fs";
import path from "node:path";
import { tf } from "../../src/engine/backend";
import type { PairLogps } from "../../src/loss/pair";

interface Sides<T> {
  chosen: T;
  rejected: T;
}

/** The parts of the golden figures (PyTorch's and TRL's, see `made_with` in the file) that the losses need. */
export interface GoldenFigures {
  ref_f64: { logps: Sides<number[]> };
  policy_f64: { logps: Sides<number[]> };
  completion_lengths: Sides<number[]>;
  trl_losses_from_f64_logps_of_all_8_pairs: {
    loss_type: string;
    beta: number;
    label_smoothing: number;
    f_divergence: string;
    alpha: number;
    loss: number;
    metrics: Record<string, number>;
  }[];
  closed_form_from_f64_logps: { name: string; beta: number; per_pair: number[] }[];
}

export const golden = JSON.parse(readFileSync(path.join(__dirname, "../fixtures/dpo.json"), "utf8")) as GoldenFigures;

export function goldenLogps(): Required<PairLogps> {
  const { ref_f64, policy_f64, completion_lengths } = golden;
  return {
    chosenLogps: tf.tensor1d(policy_f64.logps.chosen),
    rejectedLogps: tf.tensor1d(policy_f64.logps.rejected),
    refChosenLogps: tf.tensor1d(ref_f64.logps.chosen),
    refRejectedLogps: tf.tensor1d(ref_f64.logps.rejected),
    chosenLengths: tf.tensor1d(completion_lengths.chosen, "int32"),
    rejectedLengths: tf.tensor1d(completion_lengths.rejected, "int32"),
  };
}

/** Fails with both numbers where they differ by more than `relative` of the expected one or `absolute`, the greater. */
export function close(actual: number, expected: number, relative: number, absolute = 0, what = ""): void {
  const allowed = Math.max(absolute, relative * Math.abs(expected));
  if (!(Math.abs(actual - expected) <= allowed)) throw new Error(`${what} is ${actual}, expected ${expected} ± ${allowed}`);
}
