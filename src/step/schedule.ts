/** The factor between 0 and 1 once the warm-up is over. @param progress share of the steps after it that are done, 0 to 1 */
const AFTER_WARM_UP = {
  linear: (progress: number) => 1 - progress,
  cosine: (progress: number) => 0.5 * (1 + Math.cos(Math.PI * progress)),
  constant: () => 1,
  constant_with_warmup: () => 1,
};

/** transformers' names. */
export type SchedulerType = keyof typeof AFTER_WARM_UP;

export const supportedSchedules = Object.keys(AFTER_WARM_UP) as SchedulerType[];

/**
 * The learning rate's factor at an optimiser step, as transformers' `get_scheduler` gives it: a linear rise over
 * `warmupSteps`, then a linear fall to 0 at `maxSteps` (`linear`), half a cosine to 0 (`cosine`) or 1
 * (`constant_with_warmup`). `constant` is 1 from the first step on.
 * @param step steps done before this one, from 0
 */
export function scheduleFactor(kind: SchedulerType, step: number, maxSteps: number, warmupSteps: number): number {
  if (kind !== "constant" && step < warmupSteps) return step / Math.max(1, warmupSteps);
  const progress = (step - warmupSteps) / Math.max(1, maxSteps - warmupSteps);
  return AFTER_WARM_UP[kind](Math.min(1, progress));
}
