import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { tf } from "../tfjs";
import { kernel } from "./kernel";

/** tfjs-node reads the indices back to check their bounds, which cannot be traced and stalls. TensorFlow checks them itself. */
export const gatherV2 = kernel<{ x: Tensor; indices: Tensor }, { axis: number; batchDims: number }>("GatherV2", ({ inputs: { x, indices }, attributes: { axis, batchDims }, run }) => {
  tf.backend_util.segment_util.collectGatherOpShapeInfo(x, indices, axis, batchDims);
  return run("GatherV2", [x, indices, tf.scalar(axis, "int32")], {
    batch_dims: batchDims, Tparams: type(x.dtype), Tindices: type(indices.dtype), Taxis: type("int32"),
  });
});
