import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { tf } from "../tfjs";
import { kernel } from "./kernel";

/**
 * In tfjs all NaN are one value, in TensorFlow each is another, as NaN ≠ NaN: floats are compared by their bits, after
 * every NaN has the same bits and −0 those of 0.
 */
export const unique = kernel<{ x: Tensor }, { axis?: number }>("Unique", ({ inputs: { x }, attributes: { axis = 0 }, runMany, run }) => {
  const float = x.dtype === "float32";
  // Not x + 0, which XLA takes for x.
  const bits = float ? run("Bitcast", [tf.where(tf.isNaN(x), NaN, tf.where(tf.equal(x, 0), 0, x))], { T: type("float32"), type: type("int32") }) : x;
  const [values, indices] = runMany("UniqueV2", [bits, tf.tensor1d([axis], "int32")], { T: type(bits.dtype), Taxis: type("int32"), out_idx: type("int32") }, 2);
  return [float ? run("Bitcast", [values!], { T: type("int32"), type: type("float32") }) : values!, indices!];
});
