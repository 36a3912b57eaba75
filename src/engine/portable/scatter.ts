import type { Tensor, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../tfjs";

/**
 * Sums of rows that belong together; a row of a negative id belongs nowhere. On a GPU threads would add up the rows of
 * one id in any order, and the sums differ from run to run: there it is a matrix product.
 * @param values [n, width] @param ids int32 [n] @returns [count, width]
 */
export function scatterSum(values: Tensor, ids: Tensor1D, count: number): Tensor {
  if (tf.getBackend() === "webgpu") return tf.matMul(tf.oneHot(ids, count, 1, 0, "float32"), values, true, false);
  const [, width] = values.shape;
  // Rows that belong nowhere go to one more row, which is cut off.
  const places = tf.where(tf.less(ids, tf.scalar(0, "int32")), tf.scalar(count, "int32") as Tensor, ids);
  const sums = tf.scatterND(tf.reshape(places, [-1, 1]), values, [count + 1, width!]);
  return tf.slice(sums, [0, 0], [count, width!]);
}
