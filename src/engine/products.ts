import { ATTR, TF } from "./dtypes";
import type { Attribute } from "./eager";
import type { GraphOutput, Recorder } from "./recorder";

/** Products of fewer multiplications are left as they are. Of a single row the kernel packs nothing and is the faster one much earlier. */
const FEWEST_MULTIPLICATIONS = 1 << 20;
const FEWEST_OF_ONE_ROW = 1 << 16;

const biases = new WeakMap<Recorder, Map<number, GraphOutput>>();

function zeroBias(recorder: Recorder, width: number): GraphOutput {
  const known = biases.get(recorder) ?? new Map<number, GraphOutput>();
  biases.set(recorder, known);
  let bias = known.get(width);
  if (!bias) known.set(width, (bias = recorder.constant([width], TF.FLOAT, new Float32Array(width))));
  return bias;
}

/**
 * Records x·W or x·Wᵀ with a bias of zeros: oneDNN computes a float32 product with a bias as an inner product, whose CPU
 * kernel packs both factors, and a plain one straight from its strided factors, which takes longer.
 * @returns null for any other product, such as xᵀ·W, which that kernel does not have
 */
export function packedProduct(recorder: Recorder, attributes: readonly Attribute[], [x, w]: readonly GraphOutput[]): GraphOutput | null {
  const flag = (...names: string[]): boolean => attributes.some((attribute) => names.includes(attribute.name) && attribute.value === true);
  const transposed = flag("adj_y", "transpose_b");
  if (x?.dtype !== TF.FLOAT || x.shape?.length !== 2 || w?.shape?.length !== 2 || flag("adj_x", "transpose_a")) return null;
  const [rows, depth] = x.shape as [number, number];
  const width = w.shape[transposed ? 0 : 1]!;
  if (rows * depth * width < (rows === 1 ? FEWEST_OF_ONE_ROW : FEWEST_MULTIPLICATIONS)) return null;
  const op = recorder.node("_FusedMatMul", [
    { name: "T", type: ATTR.TYPE, value: TF.FLOAT },
    { name: "num_args", type: ATTR.INT, value: 1 },
    { name: "transpose_a", type: ATTR.BOOL, value: false },
    { name: "transpose_b", type: ATTR.BOOL, value: transposed },
    { name: "fused_ops", type: ATTR.STRING, value: ["BiasAdd"] },
  ], [x, w, [zeroBias(recorder, width)]]);
  return recorder.output(op, 0);
}
