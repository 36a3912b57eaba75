import type { Tensor, Tensor2D } from "@tensorflow/tfjs";
import { rawOp, tf, type } from "../../engine/backend";
import { TF } from "../../engine/dtypes";
import { codeTable, dynamicMap } from "./dynamicMap";

/** Values that share one scale, as in bitsandbytes' 8-bit optimisers. */
export const BLOCK_SIZE = 256;

const float = type("float32");
const int = type("int32");
const byte = { type: TF.UINT8 };

/** A blockwise quantised tensor: its codes, uint8 [blocks, 256], and each block's largest magnitude, float32 [blocks, 1]. */
export interface Quantized {
  codes: Tensor;
  scales: Tensor;
}

/**
 * A map of codes on the device. tfjs knows no uint8: tensors of codes call themselves int32 there, and only ops by
 * their TensorFlow names take them.
 */
export class Codebook {
  /** What `quantize` and `dequantize` read, to be handed to the functions that use them. */
  readonly tensors: readonly [values: Tensor, bounds: Tensor, lowest: Tensor];

  /** @param signed for the first moment; the second is never below 0 */
  constructor(signed: boolean) {
    const { values, bounds, lowest } = codeTable(dynamicMap(signed));
    this.tensors = [tf.tensor1d(values), tf.tensor1d(bounds), tf.tidy(() => bytes(tf.tensor1d(Int32Array.from(lowest), "int32"), int))];
  }

  dispose(): void {
    tf.dispose([...this.tensors]);
  }
}

/** @param x int32 or float32, whole numbers from 0 to 255 @returns as uint8 */
export function bytes(x: Tensor, from: { type: number }): Tensor {
  return rawOp("Cast", [x], { SrcT: from, DstT: byte, Truncate: false });
}

const indices = (codes: Tensor): Tensor => rawOp("Cast", [codes], { SrcT: byte, DstT: int, Truncate: false });
const look = (table: Tensor, at: Tensor, of: { type: number }): Tensor =>
  rawOp("GatherV2", [table, at, tf.scalar(0, "int32")], { batch_dims: 0, Tparams: of, Tindices: int, Taxis: int });

/** code's value · scale. @returns float32 [blocks, 256] */
export function dequantize({ codes, scales }: Quantized, [values]: readonly Tensor[]): Tensor2D {
  return tf.mul(look(values!, indices(codes), float), scales) as Tensor2D;
}

/**
 * The nearest code of x / max|x| in each block. A block of zeros has scale 0 and the code of 0.
 * @param x float32 [blocks, 256]
 */
export function quantize(x: Tensor2D, [, bounds, lowest]: readonly Tensor[]): Quantized {
  const scales = tf.max(tf.abs(x), 1, true);
  const shares = tf.div(x, tf.where(tf.greater(scales, 0), scales, tf.onesLike(scales)));
  const upper = rawOp("BitwiseAnd", [rawOp("RightShift", [rawOp("Bitcast", [shares], { T: float, type: int }), tf.scalar(16, "int32")], { T: int }), tf.scalar(0xffff, "int32")], { T: int });
  const low = indices(look(lowest!, upper, byte));
  const isAbove = tf.greater(shares, look(bounds!, low, float));
  return { codes: bytes(tf.add(low, tf.cast(isAbove, "int32")), int), scales };
}
