import type { Tensor, Variable } from "@tensorflow/tfjs";
import { rawOp, rawOps, tf, type, updateVariables, type RawAttributes } from "../../../src/engine/backend";

/** An op without a gradient: by TensorFlow's own name, as the library calls it, or one of tfjs's that has none. */
export interface RawCase {
  name: string;
  /** Values of float32 variables that the op changes. */
  variables: number[][];
  run: (x: Tensor, variables: Variable[]) => Tensor[];
  /** In plain JavaScript: the results' values, then the variables'. Null for numbers drawn from a seed. */
  reference: ((x: number[], variables: number[][]) => number[][]) | null;
}

/** [2, 3], from the smallest to the largest. */
export const RAW_INPUT = [-1.5, -0.5, 0.25, 0.5, 1, 2];
const float = type("float32");
const int = type("int32");
const ints = (...values: number[]): Tensor => tf.tensor1d(values, "int32");
const row = (x: Tensor): Tensor => tf.slice(tf.reshape(x, [6]), [0], [3]);

const one = (name: string, inputs: (x: Tensor) => Tensor[], attributes: RawAttributes, reference: RawCase["reference"], count = 1): RawCase =>
  ({ name, variables: [], run: (x) => (count === 1 ? [rawOp(name, inputs(x), attributes)] : rawOps(name, inputs(x), attributes, count)), reference });
const T = { T: float };
const each = (name: string, f: (x: number) => number, input = (x: Tensor): Tensor => x, given = (x: number): number => x): RawCase => one(name, (x) => [input(x)], T, (x) => [x.map((v) => f(given(v)))]);
const pair = (name: string, f: (a: number, b: number) => number): RawCase => one(name, (x) => [x, tf.add(x, 1)], T, (x) => [x.map((v) => f(v, v + 1))]);
const drawn = (name: string, parameters: () => Tensor[] = () => [], attributes: RawAttributes = {}): RawCase =>
  one(name, () => [ints(2, 3), ints(4, 5), ...parameters()], { T: int, Tseed: int, dtype: float, ...attributes }, null);

/** Changes a variable in place; the case's results are read before and after. */
function update(name: string, attributes: RawAttributes, f: (variable: number, x: number) => number): RawCase {
  return {
    name, variables: [[1, 2, 3]],
    run: (x, [v]) => {
      const before = v!.clone();
      updateVariables(name, attributes, [v!], [row(x)]);
      return [before, v!.clone()];
    },
    reference: (x, [v]) => {
      const after = v!.map((value, i) => f(value, x[i]!));
      return [v!, after, after];
    },
  };
}

const rate = 0.1;
const adam: RawCase = {
  name: "ResourceApplyAdam", variables: [[1, 2, 3], [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]],
  run: (x, variables) => {
    const zero = tf.scalar(0);
    updateVariables("ResourceApplyAdam", { T: float, use_locking: false, use_nesterov: false }, variables, [zero, zero, tf.scalar(rate), tf.scalar(0.9), tf.scalar(0.99), tf.scalar(1e-3), row(x)]);
    return [];
  },
  reference: (x, [w, m, v]) => {
    const first = m!.map((value, i) => 0.9 * value + 0.1 * x[i]!);
    const second = v!.map((value, i) => 0.99 * value + 0.01 * x[i]! ** 2);
    return [w!.map((value, i) => value - (rate * first[i]!) / (Math.sqrt(second[i]!) + 1e-3)), first, second];
  },
};

/** An update of variables by its inputs alone. */
const updated = (name: string, variables: number[][], attributes: RawAttributes, inputs: (x: Tensor) => Tensor[], reference: NonNullable<RawCase["reference"]>): RawCase =>
  ({ name, variables, run: (x, own) => (updateVariables(name, attributes, own, inputs(x)), []), reference });

const optimizerUpdates: RawCase[] = [
  updated("ResourceApplyGradientDescent", [[1, 2, 3]], { T: float, use_locking: false }, (x) => [tf.scalar(rate), row(x)], (x, [w]) => [w!.map((value, i) => value - rate * x[i]!)]),
  updated("ResourceApplyMomentum", [[1, 2, 3], [0.1, 0.2, 0.3]], { T: float, use_locking: false, use_nesterov: false }, (x) => [tf.scalar(rate), row(x), tf.scalar(0.9)], (x, [w, a]) => {
    const buffer = a!.map((value, i) => 0.9 * value + x[i]!);
    return [w!.map((value, i) => value - rate * buffer[i]!), buffer];
  }),
  updated("ResourceScatterSub", [[1, 2, 3]], { dtype: float, Tindices: int }, (x) => [ints(2, 0), tf.slice(row(x), [0], [2])], (x, [w]) => [[w![0]! - x[1]!, w![1]!, w![2]! - x[0]!]]),
];

const eighths = (x: Tensor): Tensor => tf.cast(tf.mul(x, 8), "int32");

const softmax = (row: number[]): number[] => row.map((v) => Math.exp(v) / row.reduce((sum, w) => sum + Math.exp(w), 0));
const reduceIn = { keep_dims: true, T: float, Tidx: int };

const COMPARISONS: [name: "equal" | "notEqual" | "less" | "lessEqual" | "greater" | "greaterEqual", f: (a: number, b: number) => boolean][] = [
  ["equal", (a, b) => a === b], ["notEqual", (a, b) => a !== b], ["less", (a, b) => a < b], ["lessEqual", (a, b) => a <= b], ["greater", (a, b) => a > b], ["greaterEqual", (a, b) => a >= b],
];
const LOGICAL: [name: "logicalAnd" | "logicalOr" | "logicalXor", f: (a: boolean, b: boolean) => boolean][] = [
  ["logicalAnd", (a, b) => a && b], ["logicalOr", (a, b) => a || b], ["logicalXor", (a, b) => a !== b],
];

const ofTfjs: RawCase[] = [
  ...COMPARISONS.map(([name, f]): RawCase => ({ name, variables: [], run: (x) => [tf[name](x, 0.5)], reference: (x) => [x.map((v) => Number(f(v, 0.5)))] })),
  ...LOGICAL.map(([name, f]): RawCase => ({ name, variables: [], run: (x) => [tf[name](tf.greater(x, 0), tf.less(x, 1))], reference: (x) => [x.map((v) => Number(f(v > 0, v < 1)))] })),
  { name: "all", variables: [], run: (x) => [tf.all(tf.greater(x, 0), 1)], reference: (x) => [[0, 3].map((i) => Number(x.slice(i, i + 3).every((v) => v > 0)))] },
  { name: "any", variables: [], run: (x) => [tf.any(tf.less(x, 0), 1)], reference: (x) => [[0, 3].map((i) => Number(x.slice(i, i + 3).some((v) => v < 0)))] },
  { name: "logicalNot", variables: [], run: (x) => [tf.logicalNot(tf.greater(x, 0))], reference: (x) => [x.map((v) => Number(v <= 0))] },
];

export const RAW_CASES: readonly RawCase[] = [
  pair("AddV2", (a, b) => a + b), pair("Sub", (a, b) => a - b), pair("Mul", (a, b) => a * b),
  each("Square", (x) => x * x), each("Sigmoid", (x) => 1 / (1 + Math.exp(-x))), each("Rsqrt", (x) => 1 / Math.sqrt(x), (x) => tf.add(x, 2), (x) => x + 2),
  one("Sum", (x) => [x, tf.scalar(-1, "int32")], reduceIn, (x) => [[x[0]! + x[1]! + x[2]!, x[3]! + x[4]! + x[5]!]]),
  one("Mean", (x) => [x, tf.scalar(0, "int32")], reduceIn, (x) => [[0, 1, 2].map((i) => (x[i]! + x[i + 3]!) / 2)]),
  one("Softmax", (x) => [x], T, (x) => [[...softmax(x.slice(0, 3)), ...softmax(x.slice(3))]]),
  one("L2Loss", (x) => [x], T, (x) => [[x.reduce((sum, v) => sum + v * v, 0) / 2]]),
  one("GatherV2", (x) => [x, ints(1, 0, 1), tf.scalar(0, "int32")], { batch_dims: 0, Tparams: float, Tindices: int, Taxis: int }, (x) => [[...x.slice(3), ...x.slice(0, 3), ...x.slice(3)]]),
  one("Pack", (x) => [x, tf.neg(x)], { N: 2, T: float, axis: 0 }, (x) => [[...x, ...x.map((v) => -v)]]),
  one("TopKV2", (x) => [x, tf.scalar(2, "int32")], { sorted: true, T: float }, (x) => [[x[2]!, x[1]!, x[5]!, x[4]!], [2, 1, 2, 1]], 2),
  one("UnsortedSegmentSum", (x) => [x, ints(1, -1), tf.scalar(2, "int32")], { T: float, Tindices: int, Tnumsegments: int }, (x) => [[0, 0, 0, ...x.slice(0, 3)]]),
  one("TensorScatterAdd", (x) => [x, tf.tensor2d([[1], [1]], [2, 1], "int32"), x], { T: float, Tindices: int }, (x) => [[...x.slice(0, 3), ...[3, 4, 5].map((i) => 2 * x[i]! + x[i - 3]!)]]),
  // Into a value of its own: the op writes over its first input.
  one("InplaceUpdate", (x) => [tf.mul(x, 2), ints(1), tf.ones([1, 3])], T, (x) => [[...x.slice(0, 3).map((v) => 2 * v), 1, 1, 1]]),
  one("TensorScatterUpdate", (x) => [x, tf.tensor2d([[1]], [1, 1], "int32"), tf.ones([1, 3])], { T: float, Tindices: int }, (x) => [[...x.slice(0, 3), 1, 1, 1]]),
  one("Bitcast", (x) => [x], { T: float, type: int }, (x) => [[...new Int32Array(Float32Array.from(x).buffer)]]),
  one("BitwiseAnd", (x) => [eighths(x), tf.scalar(6, "int32")], { T: int }, (x) => [x.map((v) => (8 * v) & 6)]),
  one("LeftShift", (x) => [eighths(x), tf.scalar(2, "int32")], { T: int }, (x) => [x.map((v) => (8 * v) << 2)]),
  one("RightShift", (x) => [eighths(x), tf.scalar(1, "int32")], { T: int }, (x) => [x.map((v) => (8 * v) >> 1)]),
  pair("MulNoNan", (a, b) => a * b),
  one("SelectV2", (x) => [tf.greater(x, 0), x, tf.neg(x)], T, (x) => [x.map(Math.abs)]),
  one("ScatterNd", (x) => [tf.tensor2d([[1], [1]], [2, 1], "int32"), x, ints(3, 3)], { T: float, Tindices: int }, (x) => [[0, 0, 0, ...[0, 1, 2].map((i) => x[i]! + x[i + 3]!), 0, 0, 0]]),
  drawn("StatelessRandomUniformFullInt", () => [], { dtype: int }),
  drawn("StatelessRandomUniform"), drawn("StatelessRandomNormal"), drawn("StatelessTruncatedNormal"),
  drawn("StatelessRandomUniformInt", () => [tf.scalar(0, "int32"), tf.scalar(9, "int32")], { dtype: int }),
  drawn("StatelessRandomGammaV2", () => [tf.scalar(2)]),
  one("StatelessMultinomial", (x) => [x, tf.scalar(5, "int32"), ints(4, 5)], { T: float, Tseed: int, output_dtype: int }, null),
  update("AssignVariableOp", { dtype: float }, (_, x) => x), update("AssignAddVariableOp", { dtype: float }, (v, x) => v + x), update("AssignSubVariableOp", { dtype: float }, (v, x) => v - x),
  adam, ...optimizerUpdates, ...ofTfjs,
];
