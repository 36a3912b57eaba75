import type { Tensor, Tensor4D } from "@tensorflow/tfjs";
import { type, type RawAttributes } from "../attributes";
import { tf } from "../tfjs";
import { kernel } from "./kernel";

interface TransformAttributes {
  interpolation: "nearest" | "bilinear";
  fillMode: "constant" | "reflect" | "wrap" | "nearest";
  fillValue: number;
  outputShape?: [number, number];
}

/** Attributes of ImageProjectiveTransformV3. */
const projective = (interpolation: string, fillMode: string): RawAttributes => ({ dtype: type("float32"), interpolation: interpolation.toUpperCase(), fill_mode: fillMode.toUpperCase() });

export const transform = kernel<{ image: Tensor4D; transforms: Tensor }, TransformAttributes>("Transform", ({ inputs: { image, transforms }, attributes, run }) => {
  const { interpolation, fillMode, fillValue, outputShape } = attributes;
  const size = outputShape ?? [image.shape[1], image.shape[2]];
  return run("ImageProjectiveTransformV3", [image, transforms, tf.tensor1d(size, "int32"), tf.scalar(fillValue)], projective(interpolation, fillMode));
});

/** Of an image with an opacity, the corners that come into view are opaque where their colour is given by channel. */
const OPAQUE = 255;

interface RotateAttributes {
  radians: number;
  fillValue: number | [number, number, number];
  center: number | [number, number];
}

export const rotateWithOffset = kernel<{ image: Tensor4D }, RotateAttributes>("RotateWithOffset", ({ inputs: { image }, attributes: { radians, fillValue, center }, run }) => {
  const [, height, width, channels] = image.shape;
  const [centerX, centerY] = tf.backend_util.getImageCenter(center, height, width);
  const [sin, cos] = [Math.sin(radians), Math.cos(radians)];
  // The pixel at (x, y) is taken from R · ((x, y) − center) + center.
  const matrix = tf.tensor2d([[cos, -sin, centerX - centerX * cos + centerY * sin, sin, cos, centerY - centerX * sin - centerY * cos, 0, 0]]);
  const rotated = (x: Tensor): Tensor => run("ImageProjectiveTransformV3", [x, matrix, tf.tensor1d([height, width], "int32"), tf.scalar(0)], projective("nearest", "constant"));
  const colours = Array.from({ length: channels }, (_, channel) => (typeof fillValue === "number" ? fillValue : channel === 3 ? OPAQUE : fillValue[channel]!));
  const outside = tf.sub(1, rotated(tf.ones([1, height, width, 1])));
  return tf.add(rotated(image), tf.mul(outside, tf.tensor1d(colours)));
});
