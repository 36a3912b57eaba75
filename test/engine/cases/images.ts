import type { Tensor1D, Tensor3D, Tensor4D, Tensor5D } from "@tensorflow/tfjs";
import { tf } from "../../../src/engine/backend";
import { make, type OpCase } from "./case";

/** Ops over images and volumes, whose reference is tfjs's own JavaScript backend. */
export const images: OpCase[] = [
  make("conv2d, strided, padded", [[2, 5, 5, 2], [3, 3, 2, 3]], (x, w) => tf.conv2d(x as Tensor4D, w as Tensor4D, 2, "same")),
  make("conv2dTranspose", [[1, 3, 3, 2], [2, 2, 3, 2]], (x, w) => tf.conv2dTranspose(x as Tensor4D, w as Tensor4D, [1, 6, 6, 3], 2, "same")),
  make("depthwiseConv2d", [[1, 4, 4, 2], [3, 3, 2, 2]], (x, w) => tf.depthwiseConv2d(x as Tensor4D, w as Tensor4D, 1, "valid")),
  make("conv3d", [[1, 3, 4, 4, 1], [2, 2, 2, 1, 2]], (x, w) => tf.conv3d(x as Tensor5D, w as Tensor5D, 1, "valid")),
  make("avgPool3d", [[1, 2, 4, 4, 1]], (x) => tf.avgPool3d(x as Tensor5D, 2, 2, "valid")),
  make("maxPool3d", [[1, 2, 4, 4, 1]], (x) => tf.maxPool3d(x as Tensor5D, 2, 2, "valid")),
  make("dilation2d", [[1, 4, 4, 2], [2, 2, 2]], (x, w) => tf.dilation2d(x as Tensor4D, w as Tensor3D, 1, "valid")),
  make("batchNorm", [[2, 2, 2, 3], [3], [3], [3], [3]], (x, mean, variance, offset, scale) => tf.batchNorm(x as Tensor4D, mean as Tensor1D, tf.abs(variance!) as Tensor1D, offset as Tensor1D, scale as Tensor1D, 0.1)),
  make("localResponseNormalization", [[1, 2, 2, 6]], (x) => tf.localResponseNormalization(x as Tensor4D, 2, 1, 0.5, 0.75)),
  make("resizeBilinear", [[1, 3, 3, 2]], (x) => tf.image.resizeBilinear(x as Tensor4D, [5, 5])),
  make("resizeNearestNeighbor", [[1, 3, 3, 2]], (x) => tf.image.resizeNearestNeighbor(x as Tensor4D, [6, 6])),
  make("mirrorPad, reflecting", [[3, 3]], (x) => tf.mirrorPad(x, [[1, 1], [2, 0]], "reflect")),
];
