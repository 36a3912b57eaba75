import type { Tensor } from "@tensorflow/tfjs";
import { binding, tf } from "../engine/backend";
import { engineInfo } from "../engine/info";

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
  const { device, threads: { intraOp, interOp } } = engineInfo();
  return device === "CPU" && intraOp === 1 && values >= FEWEST_VALUES ? interOp : 1;
}

/** `compiledStreams` here and now: ops that run one by one, or that XLA makes one of, have nobody beside them. */
export const streamCount = (values: number): number => (binding.recorder?.fusesParts ? compiledStreams(values) : 1);

type KernelFunction = (call: {
  inputs: Record<string, Tensor>;
  forwardFunc: () => Tensor[];
  backwardsFunc: (dys: Tensor | Tensor[]) => Record<string, () => Tensor>;
}) => Tensor[];

const slices = (x: Tensor, sizes: readonly number[]): Tensor[] => {
  let from = 0;
  return sizes.map((size) => {
    const part = tf.slice(x, [from, ...x.shape.slice(1).map(() => 0)], [size, ...x.shape.slice(1)]);
    from += size;
    return part;
  });
};

// tf.customGrad knows one result and so no parts; tf.split and tf.concat would widen what they move.
const withGradients = (inputs: readonly Tensor[], forward: () => Tensor[], gradients: (dys: Tensor[]) => Tensor[]): Tensor[] => {
  const engine = tf.engine() as unknown as { runKernelFunc: KernelFunction };
  return engine.runKernelFunc({
    inputs: Object.fromEntries(inputs.map((input, i) => [`x${i}`, input])),
    forwardFunc: forward,
    backwardsFunc: (dys) => {
      const all = gradients([dys].flat());
      return Object.fromEntries(all.map((gradient, i) => [`x${i}`, () => gradient]));
    },
  });
};

/** Sizes of `count` parts of like size, larger ones first. */
export function partSizes(size: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.floor((size + count - 1 - i) / count));
}

/** Consecutive rows of `x` as tensors of their own. @param sizes of the first axis, which add up to its size */
export function split<T extends Tensor>(x: T, sizes: readonly number[]): T[] {
  if (sizes.length === 1) return [x];
  return withGradients([x], () => slices(x, sizes), (dys) => [tf.concat(dys, 0)]) as T[];
}

/** The way back from `split`. */
export function join<T extends Tensor>(parts: readonly T[]): T {
  if (parts.length === 1) return parts[0]!;
  return withGradients(parts, () => [tf.concat([...parts], 0)], ([dy]) => slices(dy!, parts.map(({ shape }) => shape[0]!)))[0] as T;
}
