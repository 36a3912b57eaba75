import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { tf } from "../tfjs";
import { kernel } from "./kernel";

/** tfjs takes a list of positions along the first axis for what TensorFlow wants as a column. */
export const scatterNd = kernel<{ indices: Tensor; updates: Tensor }, { shape: number[] }>("ScatterNd", ({ inputs: { indices, updates }, attributes: { shape }, run }) => {
  const columns = indices.rank === 1 ? tf.expandDims(indices, 1) : indices;
  return run("ScatterNd", [columns, updates, tf.tensor1d(shape, "int32")], { T: type(updates.dtype), Tindices: type("int32") });
});
