import type { Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";

/**
 * log σ(x), right to the last bit from −1e4 to 1e4, and so is its gradient σ(−x). tf.logSigmoid is the same function,
 * but its gradient reads an argument that tf.tidy has freed by then.
 */
export function logSigmoid(x: Tensor1D): Tensor1D {
  return tf.neg(tf.softplus(tf.neg(x)));
}
