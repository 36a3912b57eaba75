import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { fuse } from "../engine/fuse";
import { linear, withGradient } from "./ops";

/** The building blocks of an encoder's layer beside those that it shares with `ops`, with hand-written gradients as there. */

/** A matrix [out, in] with its bias [out]. */
export interface Affine {
  weight: Tensor2D;
  bias: Tensor1D;
}

/** A norm's scale and shift, [hidden] each. */
export interface Norm {
  weight: Tensor1D;
  bias: Tensor1D;
}

/** x · weightᵀ + bias. @param x [..., in] @returns [..., out] */
export function affine<T extends Tensor>(x: T, { weight, bias }: Affine): T {
  return tf.add(linear(x, weight), bias) as T;
}

/**
 * Layer normalisation (Ba et al. 2016, eq. 3–4): (x − mean(x)) / sqrt(var(x) + eps) · weight + bias, the variance without
 * Bessel's correction.
 * @param x [..., hidden]
 */
export function layerNorm<T extends Tensor>(x: T, { weight, bias }: Norm, eps: number): T {
  const [size] = weight.shape;
  return withGradient(
    [x, weight, bias],
    (save) => {
      const mean = tf.mean(x, -1, true);
      const inverse = tf.rsqrt(tf.add(tf.mean(tf.squaredDifference(x, mean), -1, true), eps));
      save([x, mean, inverse, weight]);
      return fuse("layer_norm", [x, mean, inverse, weight, bias], (x, mean, inverse, weight, bias) => [tf.add(tf.mul(tf.mul(tf.sub(x!, mean!), inverse!), weight!), bias!)])[0]!;
    },
    (dy, [x, mean, inverse, weight]) => {
      const [scaled, along, across] = fuse("layer_norm_products", [x!, mean!, inverse!, weight!, dy], (x, mean, inverse, weight, dy) => {
        const normal = tf.mul(tf.sub(x!, mean!), inverse!);
        const scaled = tf.mul(dy!, weight!);
        return [scaled, tf.mul(scaled, normal), tf.mul(dy!, normal)];
      });
      const [level, slope] = [tf.mean(scaled!, -1, true), tf.mean(along!, -1, true)];
      const [dx] = fuse("layer_norm_gradient", [x!, mean!, inverse!, scaled!, level, slope], (x, mean, inverse, scaled, level, slope) => [
        tf.mul(inverse!, tf.sub(tf.sub(scaled!, level!), tf.mul(tf.mul(tf.sub(x!, mean!), inverse!), slope!))),
      ]);
      const overRows = (y: Tensor): Tensor => tf.sum(tf.reshape(y, [-1, size!]), 0);
      return [dx!, overRows(across!), overRows(dy)];
    },
  ) as T;
}

/** Φ, the normal distribution function. */
const cumulative = (x: Tensor): Tensor => tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);

/** φ, its density. */
const density = (x: Tensor): Tensor => tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));

/** GELU (Hendrycks & Gimpel 2016): x·Φ(x), exactly, for a matrix product to use. */
export function gelu<T extends Tensor>(x: T): T {
  return withGradient(
    [x],
    (save) => {
      save([x]);
      return fuse("gelu", [x], (x) => [tf.mul(x!, cumulative(x!))], { operands: true })[0]!;
    },
    (dy, [x]) => fuse("gelu_gradient", [x!, dy], (x, dy) => [tf.mul(dy!, tf.add(cumulative(x!), tf.mul(x!, density(x!))))])[0]!,
  ) as T;
}
