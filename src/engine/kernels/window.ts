import type { Tensor, TensorInfo, backend_util } from "@tensorflow/tfjs";
import { tf } from "../tfjs";

/** How a window slides along one axis of an image or volume. */
interface Axis {
  size: number;
  window: number;
  stride: number;
  before: number;
  positions: number;
}

/** A window over the middle axes of [batch, ...axes, channels]. `same`: TensorFlow's own SAME padding does it. */
export interface Window {
  axes: Axis[];
  same: boolean;
}

export function window2d(info: backend_util.Conv2DInfo): Window {
  return {
    same: info.padInfo.type === "SAME",
    axes: [
      { size: info.inHeight, window: info.effectiveFilterHeight, stride: info.strideHeight, before: info.padInfo.top, positions: info.outHeight },
      { size: info.inWidth, window: info.effectiveFilterWidth, stride: info.strideWidth, before: info.padInfo.left, positions: info.outWidth },
    ],
  };
}

export function window3d(info: backend_util.Conv3DInfo): Window {
  return {
    same: info.padInfo.type === "SAME",
    axes: [
      { size: info.inDepth, window: info.effectiveFilterDepth, stride: info.strideDepth, before: info.padInfo.front, positions: info.outDepth },
      { size: info.inHeight, window: info.effectiveFilterHeight, stride: info.strideHeight, before: info.padInfo.top, positions: info.outHeight },
      { size: info.inWidth, window: info.effectiveFilterWidth, stride: info.strideWidth, before: info.padInfo.left, positions: info.outWidth },
    ],
  };
}

/** The window with as many positions as `output`, [batch, ...positions, channels], has: gradients are not told how their forward pass rounded. */
export function withPositionsOf({ axes, same }: Window, output: TensorInfo): Window {
  return { same, axes: axes.map((axis, i) => ({ ...axis, positions: output.shape[i + 1]! })) };
}

/** What the last position needs behind the input; negative where the input's end is not looked at. */
const after = ({ size, window, stride, before, positions }: Axis): number => (positions - 1) * stride + window - size - before;

/** tfjs pads by any number on any side and rounds the number of positions up or down; TensorFlow's VALID takes what is there. */
export const fits = ({ axes, same }: Window): boolean => same || axes.every((axis) => axis.before === 0 && after(axis) <= 0 && -after(axis) < axis.stride);

/** Whether no position exists, so that the result is empty. */
export const isEmpty = ({ axes }: Window): boolean => axes.some(({ positions }) => positions <= 0);

/** `x` with `value` around it or its end cut off, so that a VALID window has exactly the positions wanted. */
export function pad<T extends Tensor>(x: T, { axes }: Window, value: number): T {
  const padded = tf.pad(x as Tensor, [[0, 0], ...axes.map((axis): [number, number] => [axis.before, Math.max(0, after(axis))]), [0, 0]], value);
  const size = axes.map((axis) => axis.before + axis.size + after(axis));
  return tf.slice(padded, padded.shape.map(() => 0), [x.shape[0]!, ...size, x.shape.at(-1)!]) as T;
}

/** Shape of `pad`'s result for an input of that shape. */
export const paddedShape = (shape: readonly number[], { axes }: Window): number[] => [shape[0]!, ...axes.map((axis) => axis.before + axis.size + after(axis)), shape.at(-1)!];

/** The gradient of `pad`: the part of `gradient` that belongs to the input; zeros where its end was cut off. */
export function unpad(gradient: Tensor, { axes }: Window): Tensor {
  const whole = tf.pad(gradient, [[0, 0], ...axes.map((axis): [number, number] => [0, Math.max(0, -after(axis))]), [0, 0]]);
  return tf.slice(whole, [0, ...axes.map(({ before }) => before), 0], [gradient.shape[0]!, ...axes.map(({ size }) => size), gradient.shape.at(-1)!]);
}
