import { ATTR, TF } from "./dtypes";
import type { Attribute } from "./eager";
import type { GraphOutput, Recorder } from "./recorder";

/** Products of fewer multiplications are left as they are. */
const FEWEST_MULTIPLICATIONS = 1 << 20;

const biases = new WeakMap<Recorder, Map<number, GraphOutput>>();

function zeroBias(recorder: Recorder, width: number): GraphOutput {
  const known = biases.get(recorder) ?? new Map<number, GraphOutput>();
  biases.set(recorder, known);
  let bias = known.get(width);
  if (!bias) known.set(width, (bias = recorder.constant([width], TF.FLOAT, new Float32Array(width))));
  return bias;
}

/** An op as TensorFlow computes it faster, with the same result but for rounding; null for all that is best recorded as it is. */
export function rewritten(recorder: Recorder, name: string, attributes: readonly Attribute[], inputs: readonly GraphOutput[]): GraphOutput | null {
  if (name === "AddV2") return addedRows(recorder, inputs);
  const isProduct = name === "MatMul" || name === "BatchMatMulV2";
  return isProduct && recorder.precision === "float32" && !recorder.context.gpu ? packedProduct(recorder, attributes, inputs) : null;
}

/**
 * x·W and x·Wᵀ in float32 on the CPU with a bias of zeros: oneDNN computes a product with a bias as an inner product, whose kernel
 * packs both factors, and a plain one straight from its strided factors, which takes longer. Its kernel has no xᵀ·W.
 */
function packedProduct(recorder: Recorder, attributes: readonly Attribute[], [x, w]: readonly GraphOutput[]): GraphOutput | null {
  const flag = (...names: string[]): boolean => attributes.some((attribute) => names.includes(attribute.name) && attribute.value === true);
  const transposed = flag("adj_y", "transpose_b");
  if (x?.dtype !== TF.FLOAT || x.shape?.length !== 2 || w?.shape?.length !== 2 || flag("adj_x", "transpose_a")) return null;
  const [rows, depth] = x.shape as [number, number];
  const width = w.shape[transposed ? 0 : 1]!;
  if (rows * depth * width < FEWEST_MULTIPLICATIONS) return null;
  const op = recorder.node("_FusedMatMul", [
    { name: "T", type: ATTR.TYPE, value: TF.FLOAT },
    { name: "num_args", type: ATTR.INT, value: 1 },
    { name: "transpose_a", type: ATTR.BOOL, value: false },
    { name: "transpose_b", type: ATTR.BOOL, value: transposed },
    { name: "fused_ops", type: ATTR.STRING, value: ["BiasAdd"] },
  ], [x, w, [zeroBias(recorder, width)]]);
  return recorder.output(op, 0);
}

/** A sum of which one part is zero but for a few rows, see `sumRows`: these rows alone are added, in place where that part is free. */
function addedRows(recorder: Recorder, [a, b]: readonly GraphOutput[]): GraphOutput | null {
  const sparse = a?.rows ? a : b;
  const dense = sparse === a ? b : a;
  if (!sparse?.rows || !dense || String(sparse.shape) !== String(dense.shape)) return null;
  const { values, ids } = sparse.rows;
  const places = recorder.record("ExpandDims", [{ name: "T", type: ATTR.TYPE, value: TF.INT32 }, { name: "Tdim", type: ATTR.TYPE, value: TF.INT32 }], [ids, recorder.constant([], TF.INT32, Int32Array.of(1))], 1)[0]!;
  const attributes = [{ name: "T", type: ATTR.TYPE, value: TF.FLOAT }, { name: "Tindices", type: ATTR.TYPE, value: TF.INT32 }];
  return recorder.record("TensorScatterAdd", attributes, [dense, places, values], 1)[0]!;
}
