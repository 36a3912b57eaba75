import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { tf } from "../tfjs";
import { kernel } from "./kernel";

/** Ops on whole numbers that tfjs-node has not, or passes through float32. */

export const bitwiseAnd = kernel<{ a: Tensor; b: Tensor }, object>("BitwiseAnd", ({ inputs: { a, b }, run }) => run("BitwiseAnd", [a, b], { T: type("int32") }));

/** TensorFlow rounds an int32 by way of a float32, which has 24 bits. */
export const round = kernel<{ x: Tensor }, object>("Round", ({ inputs: { x }, run }) => (x.dtype === "float32" ? run("Round", [x], { T: type("float32") }) : x.clone()));

export const denseBincount = kernel<{ x: Tensor; weights: Tensor }, { size: number; binaryOutput: boolean }>(
  "DenseBincount",
  ({ inputs: { x, weights }, attributes: { size, binaryOutput }, run }) =>
    run("DenseBincount", [x, tf.scalar(size, "int32"), weights], { Tidx: type("int32"), T: type(weights.dtype), binary_output: binaryOutput }),
);
