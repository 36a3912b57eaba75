import { cpus, totalmem } from "node:os";
import { display, displayMethod } from "../engine/host";
import { table } from "../log/table";
import type { TrainerCallback } from "../step/callbacks";
import { showEditionNews } from "./work/news";

/** What a notebook runs on and with; every notebook says it in its first output. */
export interface RunDescription {
  /** For example "tensorflow (cpu)". */
  backend: string;
  precision: string;
  model: string;
  data: string;
  seed: number;
}

/** Type of the output in which the run is described for programs. */
export const runMimeType = "application/vnd.alignlab.run+json";

/** Shows what this run uses, and first whether the course has a newer edition of the notebook. */
export function announceRun(run: RunDescription): void {
  showEditionNews();
  const machine = `${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB of memory`;
  const rows = Object.entries({ ...run, seed: String(run.seed), machine }).map(([what, value]) => ({ what, "this run": value }));
  display({ ...table(rows, { caption: "This run" })[displayMethod](), [runMimeType]: run });
}

/**
 * Says how long work will take, from a part of it that was timed.
 * @param what a noun, for example "training"
 * @param measured `done` units took `seconds`; `total` are to be done
 * @returns the minutes expected for all of it
 */
export function expectedTime(what: string, measured: { seconds: number; done: number; total: number; unit: string }): number {
  const { seconds, done, total, unit } = measured;
  if (!(seconds > 0) || !(done > 0)) throw new RangeError(`expectedTime: ${done} ${unit} in ${seconds} s tell nothing; both must be above 0.`);
  const each = seconds / done;
  const text = `Expected time for ${what}: ${inTime(each * total)} (${total.toLocaleString("en-US")} ${unit} at ${each < 0.1 ? `${(each * 1000).toFixed(0)} ms` : `${each.toFixed(2)} s`} each, measured).`;
  display({ "text/plain": text });
  return (each * total) / 60;
}

/** Says after a run's second step how long the rest will take; the first step also compiles and tells nothing. */
export function expectedTimeCallback(what: string): TrainerCallback {
  let since = 0;
  return {
    onStepEnd({ step, maxSteps }) {
      if (step === 2 && maxSteps > 2) expectedTime(what, { seconds: (performance.now() - since) / 1000, done: 1, total: maxSteps - 2, unit: "steps" });
      since = performance.now();
    },
  };
}

/** Seconds as a reader says them. */
export function inTime(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  const minutes = seconds / 60;
  if (minutes < 90) return `${minutes < 10 ? minutes.toFixed(1) : Math.round(minutes)} minutes`;
  return `${(minutes / 60).toFixed(1)} hours`;
}
