import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { TensorFlowError } from "../capi";
import { tf } from "../tfjs";
import { kernel } from "./kernel";

/**
 * tfjs-node reads the indices back to check their bounds, which cannot be traced and stalls. TensorFlow checks them itself;
 * outside of a trace its error is told in tfjs's words.
 */
export const gatherV2 = kernel<{ x: Tensor; indices: Tensor }, { axis: number; batchDims: number }>("GatherV2", ({ inputs: { x, indices }, attributes: { axis, batchDims }, run }) => {
  tf.backend_util.segment_util.collectGatherOpShapeInfo(x, indices, axis, batchDims);
  try {
    return run("GatherV2", [x, indices, tf.scalar(axis, "int32")], {
      batch_dims: batchDims, Tparams: type(x.dtype), Tindices: type(indices.dtype), Taxis: type("int32"),
    });
  } catch (error) {
    const [, index, size] = (error instanceof TensorFlowError && / = (-?\d+) is not in \[0, (\d+)\)/.exec(error.message)) || [];
    if (index === undefined) throw error;
    throw new TensorFlowError(`GatherV2: the index value ${index} is not in [0, ${Number(size) - 1}]. TensorFlow says: ${(error as Error).message}`, (error as TensorFlowError).code);
  }
});
