import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { tf } from "../tfjs";
import { asFloat, inTfjsWords, kernel } from "./kernel";

interface Filling {
  indices: Tensor;
  values: Tensor;
  denseShape: Tensor;
  defaultValue: Tensor;
}

export const sparseFillEmptyRows = inTfjsWords(kernel<Filling, object>("SparseFillEmptyRows", ({ inputs: { indices, values, denseShape, defaultValue }, runMany }) =>
  runMany("SparseFillEmptyRows", [{ int64: indices }, values, { int64: denseShape }, defaultValue], { T: type(values.dtype) }, 4)), [/: (-\d+) >= \d+/, ": $1 < 0"]);

export const sparseReshape = inTfjsWords(kernel<{ inputIndices: Tensor; inputShape: Tensor; newShape: Tensor }, object>("SparseReshape", ({ inputs: { inputIndices, inputShape, newShape }, runMany }) =>
  runMany("SparseReshape", [{ int64: inputIndices }, { int64: inputShape }, { int64: newShape }], {}, 2)));

const SEGMENTS = { Tidx: type("int32"), Tsegmentids: type("int32") };

const SEGMENT_IDS: [RegExp, string] = [/'segment_ids'/, "segmentIds"];

interface Segments {
  data: Tensor;
  indices: Tensor;
  segmentIds: Tensor;
}

export const sparseSegmentSum = inTfjsWords(kernel<Segments, object>("SparseSegmentSum", ({ inputs: { data, indices, segmentIds }, run }) =>
  run("SparseSegmentSum", [data, indices, segmentIds], { T: type(data.dtype), ...SEGMENTS })), SEGMENT_IDS);

/** TensorFlow's means are of floats only. */
export const sparseSegmentMean = inTfjsWords(kernel<Segments, object>("SparseSegmentMean", ({ inputs: { data, indices, segmentIds }, run }) =>
  tf.cast(run("SparseSegmentMean", [asFloat(data), indices, segmentIds], { T: type("float32"), ...SEGMENTS }), data.dtype)), SEGMENT_IDS);
