import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { tf } from "../tfjs";
import { kernel } from "./kernel";

export const bitwiseAnd = kernel<{ a: Tensor; b: Tensor }, object>("BitwiseAnd", ({ inputs: { a, b }, run }) => run("BitwiseAnd", [a, b], { T: type("int32") }));

export const denseBincount = kernel<{ x: Tensor; weights: Tensor }, { size: number; binaryOutput: boolean }>(
  "DenseBincount",
  ({ inputs: { x, weights }, attributes: { size, binaryOutput }, run }) =>
    run("DenseBincount", [x, tf.scalar(size, "int32"), weights], { Tidx: type("int32"), T: type(weights.dtype), binary_output: binaryOutput }),
);
