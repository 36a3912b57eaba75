import type { TrainingArguments } from "./arguments";
import { epochBatches } from "./batches";

/** The row numbers of every step's batches. @param lengths tokens of each row @param repeats steps in a row that each batch is trained on */
export function planSteps(lengths: readonly number[], maxSteps: number, args: TrainingArguments, repeats = 1): number[][][] {
  const { gradientAccumulationSteps } = args;
  const plan: number[][][] = [];
  for (let epoch = 0; plan.length < maxSteps; epoch++) {
    const batches = epochBatches(lengths, epoch, args);
    for (let i = 0; i < batches.length; i += gradientAccumulationSteps) {
      for (let repeat = 0; repeat < repeats; repeat++) plan.push(batches.slice(i, i + gradientAccumulationSteps));
    }
  }
  return plan.slice(0, maxSteps);
}

/** The batches of a plan in which a row comes up for the first time, in their order. */
export function firstMeetings(plan: readonly (readonly number[][])[]): number[][] {
  const met = new Set<number>();
  return plan.flat().filter((rows) => {
    const isFirst = rows.some((row) => !met.has(row));
    rows.forEach((row) => met.add(row));
    return isFirst;
  });
}
