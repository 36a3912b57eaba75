import type { DataType, KernelConfig, Tensor, TensorInfo, backend_util } from "@tensorflow/tfjs";
import { type, type RawAttributes } from "../attributes";
import { tf } from "../tfjs";
import { kernel, type Run } from "./kernel";
import { fits, isEmpty, pad, paddedShape, unpad, window2d, window3d, withPositionsOf, type Window } from "./window";

interface PoolAttributes {
  filterSize: number | [number, number];
  strides: number | [number, number];
  pad: "valid" | "same" | number | backend_util.ExplicitPadding;
  dimRoundingMode?: "floor" | "round" | "ceil";
}

type Rank = 2 | 3;

function windowOf(rank: Rank, shape: number[], { filterSize, strides, pad, dimRoundingMode }: PoolAttributes): Window {
  if (rank === 2) return window2d(tf.backend_util.computePool2DInfo(shape as [number, number, number, number], filterSize, strides, 1, pad, dimRoundingMode));
  return window3d(tf.backend_util.computePool3DInfo(shape as [number, number, number, number, number], filterSize as number, strides as number, 1, pad as number, dimRoundingMode));
}

const attributesOf = ({ axes, same }: Window, dtype: DataType): RawAttributes => ({
  T: type(dtype), ksize: [1, ...axes.map(({ window }) => window), 1], strides: [1, ...axes.map(({ stride }) => stride), 1],
  padding: same ? "SAME" : "VALID", data_format: axes.length === 2 ? "NHWC" : "NDHWC",
});

const emptyResult = (x: Tensor, { axes }: Window): Tensor => tf.zeros([x.shape[0]!, ...axes.map(({ positions }) => Math.max(0, positions)), x.shape.at(-1)!], x.dtype);

/** tfjs gives a window of one value back its input wherever the shapes agree, also with strides and padding between. */
const isUnchanged = ({ axes }: Window): boolean => axes.every(({ window, size, positions }) => window === 1 && size === positions);

/** Never the largest of a window that holds anything else. */
const lowest = (dtype: DataType): number => (dtype === "int32" ? -(2 ** 31) : -Infinity);

/** Which part of each window lies inside the input, [1, ...positions, 1]: tfjs's averages leave the padding out. */
function coverage(name: string, window: Window, run: Run): Tensor {
  const ones = tf.ones([1, ...window.axes.map(({ size }) => size), 1]);
  return run(name, [pad(ones, window, 0)], attributesOf(window, "float32"));
}

const max = (name: string, rank: Rank): KernelConfig =>
  kernel<{ x: Tensor }, PoolAttributes>(name, ({ inputs: { x }, attributes, run }) => {
    const window = windowOf(rank, x.shape, attributes);
    if (isEmpty(window)) return emptyResult(x, window);
    if (isUnchanged(window)) return x.clone();
    return run(name, [fits(window) ? x : pad(x, window, lowest(x.dtype))], attributesOf(window, x.dtype));
  });

const maxGradient = (name: string, rank: Rank): KernelConfig =>
  kernel<{ dy: Tensor; input: Tensor; output: Tensor }, PoolAttributes>(name, ({ inputs: { dy, input, output }, attributes, run }) => {
    const window = withPositionsOf(windowOf(rank, input.shape, attributes), dy);
    const raw = { ...attributesOf(window, input.dtype), ...(rank === 3 && { TInput: type(input.dtype) }) };
    if (fits(window)) return run(name, [input, output, dy], raw);
    return unpad(run(name, [pad(input, window, lowest(input.dtype)), output, dy], raw), window);
  });

const average = (name: string, rank: Rank): KernelConfig =>
  kernel<{ x: Tensor }, PoolAttributes>(name, ({ inputs: { x }, attributes, run }) => {
    const window = windowOf(rank, x.shape, attributes);
    if (isEmpty(window)) return emptyResult(x, window);
    if (isUnchanged(window)) return x.clone();
    if (fits(window)) return run(name, [x], attributesOf(window, x.dtype));
    return tf.divNoNan(run(name, [pad(x, window, 0)], attributesOf(window, x.dtype)), coverage(name, window, run));
  });

const averageGradient = (name: string, forward: string, rank: Rank): KernelConfig =>
  kernel<{ dy: Tensor; input: TensorInfo }, PoolAttributes>(name, ({ inputs: { dy, input }, attributes, run }) => {
    const window = withPositionsOf(windowOf(rank, input.shape, attributes), dy);
    const raw = attributesOf(window, dy.dtype);
    if (fits(window)) return run(name, [tf.tensor1d(input.shape, "int32"), dy], raw);
    const each = tf.divNoNan(dy, coverage(forward, window, run));
    return unpad(run(name, [tf.tensor1d(paddedShape(input.shape, window), "int32"), each], raw), window);
  });

export const pools: KernelConfig[] = [
  max("MaxPool", 2), max("MaxPool3D", 3), maxGradient("MaxPoolGrad", 2), maxGradient("MaxPool3DGrad", 3),
  average("AvgPool", 2), average("AvgPool3D", 3), averageGradient("AvgPoolGrad", "AvgPool", 2), averageGradient("AvgPool3DGrad", "AvgPool3D", 3),
];

interface ArgmaxAttributes extends PoolAttributes {
  includeBatchInIndex: boolean;
}

export const maxPoolWithArgmax = kernel<{ x: Tensor }, ArgmaxAttributes>("MaxPoolWithArgmax", ({ inputs: { x }, attributes, runMany }) => {
  const window = windowOf(2, x.shape, attributes);
  if (!fits(window)) throw new Error("maxPoolWithArgmax pads by 'same' or 'valid' only: an index into padding would have no meaning.");
  const { data_format: _, ...raw } = attributesOf(window, x.dtype);
  // TensorFlow takes NaN for the largest, tfjs passes it over.
  const numbers = tf.where(tf.isNaN(x), lowest(x.dtype), x);
  return runMany("MaxPoolWithArgmax", [numbers], { ...raw, Targmax: type("int32"), include_batch_in_index: attributes.includeBatchInIndex }, 2);
});
