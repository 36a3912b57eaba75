export type SchedulerType = "linear" | "constant";

/**
 * The learning rate's factor at an optimiser step, as transformers' `get_scheduler` gives it: a linear rise over
 * `warmupSteps`, then a linear fall to 0 at `maxSteps` (`linear`) or 1 (`constant`).
 * @param step steps done before this one, from 0
 */
export function scheduleFactor(kind: SchedulerType, step: number, maxSteps: number, warmupSteps: number): number {
  if (step < warmupSteps) return step / Math.max(1, warmupSteps);
  if (kind === "constant") return 1;
  return Math.max(0, (maxSteps - step) / Math.max(1, maxSteps - warmupSteps));
}
