import type { Tensor } from "@tensorflow/tfjs";
import { binding, tf } from "../engine/backend";
import { hasTensorflow } from "../engine/capi";
import { withGradients } from "../engine/manyGradients";

/**
 * A batch in parts that are computed side by side. Where each op runs in one thread, several threads have work only as far
 * as ops do not wait for one another: those of two parts never do.
 */

/** Below so many values ops are too short for a second thread to be worth the ops that part them. */
const FEWEST_VALUES = 1 << 17;

/**
 * The parts that a batch is computed in by compiled functions: as many as ops run at a time, where an op has no threads of
 * its own.
 * @param values of the hidden states of the whole batch, or of whatever is computed in parts
 */
export function compiledStreams(values: number): number {
  if (!hasTensorflow || binding.context.gpu || values < FEWEST_VALUES) return 1;
  const { intraOp, interOp } = binding.context.threads;
  return intraOp === 1 ? interOp : 1;
}

/** `compiledStreams` here and now: ops that run one by one, or that XLA makes one of, have nobody beside them. */
export const streamCount = (values: number): number => (binding.recorder?.fusesParts ? compiledStreams(values) : 1);

/** Sizes of `count` parts of like size, larger ones first. */
export function partSizes(size: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor((size + count - 1 - i) / count));
}

/** Consecutive rows of `x` as tensors of their own, which the tape does not know for one op. @param sizes of the first axis, which add up to its size */
export function rowsOf<T extends Tensor>(x: T, sizes: readonly number[]): T[] {
  const rest = x.shape.slice(1);
  let from = 0;
  return sizes.map((size) => tf.slice(x, [(from += size) - size, ...rest.map(() => 0)], [size, ...rest]));
}

// tf.split and tf.concat would widen what they move, and the gradients of single slices would be sums of padded ones.

/** `rowsOf` with its gradient. */
export function split<T extends Tensor>(x: T, sizes: readonly number[]): T[] {
  if (sizes.length === 1) return [x];
  return withGradients([x], () => rowsOf(x, sizes), (dys) => [tf.concat(dys, 0)]) as T[];
}

/** The way back from `split`. */
export function join<T extends Tensor>(parts: readonly T[]): T {
  if (parts.length === 1) return parts[0]!;
  return withGradients(parts, () => [tf.concat([...parts], 0)], ([dy]) => rowsOf(dy!, parts.map(({ shape }) => shape[0]!)))[0] as T;
}
