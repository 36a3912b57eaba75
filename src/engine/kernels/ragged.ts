import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { inTfjsWords, kernel } from "./kernel";

interface GatherInputs {
  paramsNestedSplits: Tensor[];
  paramsDenseValues: Tensor;
  indices: Tensor;
}

const WITHOUT_STOP: [RegExp, string] = [/\.$/, ""];

export const raggedGather = inTfjsWords(kernel<GatherInputs, { outputRaggedRank: number }>("RaggedGather", ({ inputs, attributes: { outputRaggedRank }, runMany }) => {
  const { paramsNestedSplits, paramsDenseValues, indices } = inputs;
  return runMany("RaggedGather", [...paramsNestedSplits, paramsDenseValues, indices], {
    Tvalues: type(paramsDenseValues.dtype), Tindices: type("int32"), Tsplits: type("int32"),
    PARAMS_RAGGED_RANK: paramsNestedSplits.length, OUTPUT_RAGGED_RANK: outputRaggedRank,
  }, outputRaggedRank + 1);
}), WITHOUT_STOP, [/splits must be sorted$/, "$& in ascending order"]);

export const raggedRange = inTfjsWords(kernel<{ starts: Tensor; limits: Tensor; deltas: Tensor }, object>("RaggedRange", ({ inputs: { starts, limits, deltas }, runMany }) =>
  runMany("RaggedRange", [starts, limits, deltas], { T: type(starts.dtype), Tsplits: type("int32") }, 2)), WITHOUT_STOP);

interface ToTensorInputs {
  shape: Tensor;
  values: Tensor;
  defaultValue: Tensor;
  rowPartitionTensors: Tensor[];
}

export const raggedTensorToTensor = kernel<ToTensorInputs, { rowPartitionTypes: string[] }>("RaggedTensorToTensor", ({ inputs, attributes: { rowPartitionTypes }, run }) => {
  const { shape, values, defaultValue, rowPartitionTensors } = inputs;
  return run("RaggedTensorToTensor", [shape, values, defaultValue, ...rowPartitionTensors], {
    T: type(values.dtype), Tindex: type("int32"), Tshape: type("int32"),
    num_row_partition_tensors: rowPartitionTensors.length, row_partition_types: rowPartitionTypes,
  });
});
