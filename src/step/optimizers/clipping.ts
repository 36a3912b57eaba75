import type { Scalar, Tensor } from "@tensorflow/tfjs";
import { rawOp, tf, type } from "../../engine/backend";

/** √Σ‖g‖²: the norm of all gradients as one vector, as torch.nn.utils.clip_grad_norm_ returns it. */
export function globalNorm(gradients: readonly Tensor[]): Scalar {
  return tf.sqrt(tf.mul(2, tf.addN(gradients.map((gradient) => rawOp("L2Loss", [gradient], { T: type("float32") }))))) as Scalar;
}

/** min(1, maxNorm / (norm + 1e-6)), PyTorch's factor; 1 where maxNorm is 0 (no clipping). */
export function clipFactor(norm: Scalar, maxNorm: number): Scalar {
  return (maxNorm > 0 ? tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1) : tf.mul(norm, 0).add(1)) as Scalar;
}
