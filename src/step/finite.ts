import { SMALLEST_SCALE } from "./lossScaler";

/** Thrown when the loss or the gradient is no finite number. */
export class TrainingDivergedError extends Error {
  override name = "TrainingDivergedError";

  /** @param step the step that was being computed, counted from 1 @param rows the numbers of its training rows */
  constructor(message: string, readonly step: number, readonly rows: readonly number[]) {
    super(message);
  }
}

/**
 * Ends a run whose numbers are lost. In float16 a gradient may overflow as long as its scale can still be lowered.
 * @param values the gradient's norm, the loss, …, in float16 the loss scale last
 * @param rows those of the step's batches
 * @throws TrainingDivergedError naming step and rows
 */
export function requireFinite(values: Float32Array, { step, rows, isScaled }: { step: number; rows: readonly number[]; isScaled: boolean }): void {
  const [norm, loss] = values as unknown as [number, number];
  const overflowed = isScaled && !Number.isFinite(norm);
  if (Number.isFinite(loss) && (Number.isFinite(norm) || (overflowed && values.at(-1)! >= SMALLEST_SCALE))) return;
  if (overflowed && Number.isFinite(loss)) {
    throw new TrainingDivergedError(`Step ${step}: gradients overflow float16 even where nothing is scaled up, on the rows ${rows.join(", ")}. Lower learningRate, or train with precision bfloat16 or float32.`, step, rows);
  }
  throw new TrainingDivergedError(
    `Step ${step}: the loss is ${loss} and the gradient's norm ${norm}, on the rows ${rows.join(", ")}. ` +
      "Look at these rows; then lower learningRate, or train with precision float32.",
    step, rows,
  );
}
