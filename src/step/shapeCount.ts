import { roundingFor, type PackingMultiples } from "../engine/buckets";
import { TRACE_BOUND } from "../engine/traceCache";
import type { LlamaModel } from "../model/llama";
import { stepFunctionBytes, type StepShapes } from "./memoryCounts";
import type { TrainingLoop } from "./trainer";

/** Batches of a run that are packed to count its shapes, spread over all of it. */
const SHAPE_SAMPLE = 64;

const GOLDEN_RATIO = 0.618;

/**
 * Number of different shapes among a run's batches: counted in a short run, else estimated from a sample by how many
 * shapes were met once and twice (Chao 1984, eq. 5).
 * @param batches as row numbers @param shapesOf sizes of a batch on the device
 */
export function estimateShapes(batches: readonly (readonly number[])[], shapesOf: (rows: readonly number[]) => StepShapes): number {
  const every = Math.max(1, batches.length / SHAPE_SAMPLE);
  // At uneven distances: at even ones a run in a fixed order might show the same batch of every epoch.
  const sample = Array.from({ length: Math.min(batches.length, SHAPE_SAMPLE) }, (_, i) => batches[Math.floor((i + (every > 1 ? (i * GOLDEN_RATIO) % 1 : 0)) * every)]!);
  const met = new Map<string, number>();
  for (const rows of sample) {
    const { length, rows: attentionRows, queryWidth, keyWidth, predictions } = shapesOf(rows);
    const shape = `${[rows.length, length, attentionRows, queryWidth, keyWidth, predictions]}`;
    met.set(shape, (met.get(shape) ?? 0) + 1);
  }
  if (sample.length === batches.length) return met.size;
  const [once, twice] = [1, 2].map((times) => [...met.values()].filter((count) => count === times).length) as [number, number];
  return Math.min(batches.length, Math.round(met.size + once ** 2 / (2 * Math.max(1, twice))));
}

/**
 * How the batches of a run are rounded: as finely as its number of steps pays for and its compiled steps have room.
 * @param shapesOf sizes of a batch on the device, rounded so
 */
export function roundingOfRun(loop: TrainingLoop, model: LlamaModel, optim: string, shapesOf: (rows: readonly number[], rounding: PackingMultiples) => StepShapes): Required<PackingMultiples> {
  const { numHiddenLayers, hiddenSize } = model.config;
  const { length } = shapesOf(loop.batches[0]!, {});
  const room = Math.floor(TRACE_BOUND.maxBytes / stepFunctionBytes(numHiddenLayers, optim, length * hiddenSize));
  return roundingFor(loop.state.maxSteps, (rounding) => estimateShapes(loop.batches, (rows) => shapesOf(rows, rounding)), room);
}
