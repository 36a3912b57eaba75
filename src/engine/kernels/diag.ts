import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { tf } from "../tfjs";
import { kernel } from "./kernel";

/** TensorFlow's Diag takes numbers only. */
export const diag = kernel<{ x: Tensor }, object>("Diag", ({ inputs: { x }, run }) => {
  const numbers = x.dtype === "bool" ? tf.cast(x, "int32") : x;
  return tf.cast(run("Diag", [numbers], { T: type(numbers.dtype) }), x.dtype);
});
