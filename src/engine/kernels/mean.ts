import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { tf } from "../tfjs";
import { asFloat, kernel } from "./kernel";

/** The mean in float32, as tfjs has it of every dtype; tfjs-node calls the cast input by its old dtype, which no graph takes. */
export const mean = kernel<{ x: Tensor }, { axis: number | number[] | null; keepDims: boolean }>("Mean", ({ inputs: { x }, attributes: { axis, keepDims }, run }) => {
  const axes = tf.util.parseAxisParam(axis as number[], x.shape);
  return run("Mean", [asFloat(x), tf.tensor1d(axes, "int32")], { T: type("float32"), Tidx: type("int32"), keep_dims: keepDims });
});
