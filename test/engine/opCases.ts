import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { RandomSource } from "../../src/engine/random";

/** An op with inputs, and the same function written in plain JavaScript doubles over flat row-major arrays. */
export interface OpCase {
  name: string;
  shapes: number[][];
  values: number[][];
  op: (...x: Tensor[]) => Tensor;
  reference: (...x: number[][]) => number[];
}

const random = new RandomSource(17);
const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
const draw = (shape: readonly number[], [low, high]: readonly [number, number]): number[] =>
  // Rounded to float32, so that both sides compute from the same numbers.
  Array.from({ length: sizeOf(shape) }, () => Math.fround(low + (high - low) * random.uniform()));

function make(name: string, shapes: number[][], op: OpCase["op"], reference: OpCase["reference"], domain: readonly [number, number] = [-2, 2]): OpCase {
  return { name, shapes, values: shapes.map((shape) => draw(shape, domain)), op, reference };
}

/** A flat array of a shape from a function of the index. */
function build(shape: readonly number[], at: (index: number[]) => number): number[] {
  return Array.from({ length: sizeOf(shape) }, (_, flat) => {
    const index: number[] = [];
    for (const size of [...shape].reverse()) {
      index.unshift(flat % size);
      flat = Math.floor(flat / size);
    }
    return at(index);
  });
}
const get = (x: readonly number[], shape: readonly number[], index: readonly number[]): number => x[index.reduce((offset, i, axis) => offset * shape[axis]! + i, 0)]!;
const total = (count: number, term: (i: number) => number): number => Array.from({ length: count }, (_, i) => term(i)).reduce((sum, value) => sum + value, 0);
const rows = (x: readonly number[], width: number): number[][] => Array.from({ length: x.length / width }, (_, i) => x.slice(i * width, (i + 1) * width));

/** erf by its Maclaurin series, exact to 1e-14 for |x| ≤ 2. */
function erf(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; n < 60; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const SELU = [1.0507009873554804934193349852946, 1.6732632423543772848170429916717] as const;

const UNARY: [name: string, reference: (x: number) => number, domain?: readonly [number, number]][] = [
  ["neg", (x) => -x], ["abs", Math.abs], ["exp", Math.exp], ["expm1", Math.expm1], ["log", Math.log, [0.2, 3]], ["log1p", Math.log1p, [-0.7, 2]],
  ["sqrt", Math.sqrt, [0.2, 3]], ["rsqrt", (x) => 1 / Math.sqrt(x), [0.2, 3]], ["square", (x) => x * x], ["reciprocal", (x) => 1 / x, [0.3, 2]],
  ["sin", Math.sin], ["cos", Math.cos], ["tan", Math.tan, [-1.2, 1.2]], ["asin", Math.asin, [-0.8, 0.8]], ["acos", Math.acos, [-0.8, 0.8]], ["atan", Math.atan],
  ["sinh", Math.sinh], ["cosh", Math.cosh], ["tanh", Math.tanh], ["asinh", Math.asinh], ["acosh", Math.acosh, [1.2, 3]], ["atanh", Math.atanh, [-0.8, 0.8]],
  ["erf", erf], ["sigmoid", sigmoid], ["logSigmoid", (x) => -Math.log1p(Math.exp(-x))], ["softplus", (x) => Math.log1p(Math.exp(x))],
  ["relu", (x) => Math.max(x, 0)], ["relu6", (x) => Math.min(Math.max(x, 0), 6)], ["elu", (x) => (x > 0 ? x : Math.expm1(x))],
  ["selu", (x) => SELU[0] * (x > 0 ? x : SELU[1] * Math.expm1(x))],
];

type Binary = (a: number, b: number) => number;
const BINARY: [name: string, reference: Binary, domain?: readonly [number, number]][] = [
  ["add", (a, b) => a + b], ["sub", (a, b) => a - b], ["mul", (a, b) => a * b], ["div", (a, b) => a / b, [0.4, 2]], ["pow", (a, b) => a ** b, [0.4, 2]],
  ["atan2", Math.atan2],
];

/** Their gradients in tfjs know no broadcasting. */
const BINARY_OF_EQUAL_SHAPES: typeof BINARY = [["maximum", Math.max], ["minimum", Math.min], ["squaredDifference", (a, b) => (a - b) ** 2]];

const api = tf as unknown as Record<string, (...x: Tensor[]) => Tensor>;

const EVEN = [1, 0, 1, 0, 1, 0];

const elementwise: OpCase[] = [
  ...UNARY.map(([name, f, domain]) => make(name, [[2, 3]], (x) => api[name]!(x), (x) => x.map(f), domain)),
  ...BINARY.map(([name, f, domain]) => make(`${name} with broadcasting`, [[2, 3], [3]], (a, b) => api[name]!(a, b), (a, b) => a.map((x, i) => f(x, b[i % 3]!)), domain)),
  ...BINARY_OF_EQUAL_SHAPES.map(([name, f]) => make(name, [[2, 3], [2, 3]], (a, b) => api[name]!(a, b), (a, b) => a.map((x, i) => f(x, b[i]!)))),
  make("leakyRelu", [[2, 3]], (x) => tf.leakyRelu(x, 0.3), (x) => x.map((v) => (v > 0 ? v : 0.3 * v))),
  make("prelu", [[2, 3], [3]], (x, a) => tf.prelu(x, a), (x, a) => x.map((v, i) => (v > 0 ? v : a[i % 3]! * v))),
  make("clipByValue", [[2, 3]], (x) => tf.clipByValue(x, -0.9, 0.7), (x) => x.map((v) => Math.min(Math.max(v, -0.9), 0.7))),
  make("where", [[2, 3], [2, 3]], (a, b) => tf.where(tf.tensor(EVEN, [2, 3], "bool"), a, tf.mul(b, 2)), (a, b) => a.map((v, i) => (EVEN[i] ? v : 2 * b[i]!))),
];

const axisCases: OpCase[] = [
  make("sum", [[2, 3, 2]], (x) => tf.sum(x, 1), (x) => build([2, 2], ([i, k]) => total(3, (j) => get(x, [2, 3, 2], [i!, j, k!])))),
  make("mean of two axes", [[2, 3, 2]], (x) => tf.mean(x, [0, 2]), (x) => build([3], ([j]) => total(4, (n) => get(x, [2, 3, 2], [n >> 1, j!, n & 1])) / 4)),
  make("max", [[3, 4]], (x) => tf.max(x, 1), (x) => rows(x, 4).map((row) => Math.max(...row))),
  make("min", [[3, 4]], (x) => tf.min(x, 0), (x) => build([4], ([j]) => Math.min(x[j!]!, x[4 + j!]!, x[8 + j!]!))),
  make("prod", [[2, 3]], (x) => tf.prod(x, 1), (x) => rows(x, 3).map((row) => row.reduce((a, b) => a * b)), [0.5, 2]),
  make("logSumExp", [[3, 4]], (x) => tf.logSumExp(x, 1), (x) => rows(x, 4).map((row) => Math.log(total(4, (j) => Math.exp(row[j]!))))),
  make("softmax", [[3, 4]], (x) => tf.softmax(x), (x) => rows(x, 4).flatMap((row) => row.map((v) => Math.exp(v) / total(4, (j) => Math.exp(row[j]!))))),
  make("logSoftmax", [[3, 4]], (x) => tf.logSoftmax(x), (x) => rows(x, 4).flatMap((row) => row.map((v) => v - Math.log(total(4, (j) => Math.exp(row[j]!)))))),
  make("norm", [[2, 3]], (x) => tf.norm(x, "euclidean", 1), (x) => rows(x, 3).map((row) => Math.hypot(...row)), [0.3, 2]),
  make("cumsum", [[2, 4]], (x) => tf.cumsum(x, 1), (x) => rows(x, 4).flatMap((row) => row.map((_, j) => total(j + 1, (i) => row[i]!)))),
  make("exclusive reverse cumsum", [[2, 4]], (x) => tf.cumsum(x, 1, true, true), (x) => rows(x, 4).flatMap((row) => row.map((_, j) => total(3 - j, (i) => row[j + 1 + i]!)))),
  make("variance", [[2, 4]], (x) => tf.moments(x, 1).variance, (x) => rows(x, 4).map((row) => total(4, (j) => (row[j]! - total(4, (i) => row[i]!) / 4) ** 2) / 4)),
];

const product = (a: number[], b: number[], left: (i: number, k: number) => number, right: (k: number, j: number) => number): number[] =>
  build([2, 3], ([i, j]) => total(4, (k) => a[left(i!, k)]! * b[right(k, j!)]!));

const products: OpCase[] = [
  make("matMul", [[2, 4], [4, 3]], (a, b) => tf.matMul(a, b), (a, b) => product(a, b, (i, k) => 4 * i + k, (k, j) => 3 * k + j)),
  make("matMul, left transposed", [[4, 2], [4, 3]], (a, b) => tf.matMul(a, b, true), (a, b) => product(a, b, (i, k) => 2 * k + i, (k, j) => 3 * k + j)),
  make("matMul, right transposed", [[2, 4], [3, 4]], (a, b) => tf.matMul(a, b, false, true), (a, b) => product(a, b, (i, k) => 4 * i + k, (k, j) => 4 * j + k)),
  make("matMul, both transposed", [[4, 2], [3, 4]], (a, b) => tf.matMul(a, b, true, true), (a, b) => product(a, b, (i, k) => 2 * k + i, (k, j) => 4 * j + k)),
  make("matMul of batches", [[2, 2, 3], [2, 3, 2]], (a, b) => tf.matMul(a, b), (a, b) => build([2, 2, 2], ([n, i, j]) => total(3, (k) => get(a, [2, 2, 3], [n!, i!, k]) * get(b, [2, 3, 2], [n!, k, j!])))),
  make("outerProduct", [[3], [2]], (a, b) => tf.outerProduct(a as Tensor1D, b as Tensor1D), (a, b) => a.flatMap((x) => b.map((y) => x * y))),
  make("conv2d", [[1, 4, 4, 2], [3, 3, 2, 3]], (x, w) => tf.conv2d(x as Tensor4D, w as Tensor4D, 1, "valid"), (x, w) =>
    build([1, 2, 2, 3], ([, i, j, o]) => total(18, (n) => {
      const [di, dj, ch] = [Math.floor(n / 6), Math.floor(n / 2) % 3, n % 2];
      return get(x, [1, 4, 4, 2], [0, i! + di, j! + dj, ch]) * get(w, [3, 3, 2, 3], [di, dj, ch, o!]);
    }))),
  make("avgPool", [[1, 4, 4, 1]], (x) => tf.avgPool(x as Tensor4D, 2, 2, "valid"), (x) => build([1, 2, 2, 1], ([, i, j]) => total(4, (n) => get(x, [1, 4, 4, 1], [0, 2 * i! + (n >> 1), 2 * j! + (n & 1), 0])) / 4)),
  make("maxPool", [[1, 4, 4, 1]], (x) => tf.maxPool(x as Tensor4D, 2, 2, "valid"), (x) => build([1, 2, 2, 1], ([, i, j]) => Math.max(...[0, 1, 2, 3].map((n) => get(x, [1, 4, 4, 1], [0, 2 * i! + (n >> 1), 2 * j! + (n & 1), 0]))))),
];

const INDICES = [2, 0, 2];
const arrangements: OpCase[] = [
  make("transpose", [[2, 3, 2]], (x) => tf.transpose(x, [2, 0, 1]), (x) => build([2, 2, 3], ([k, i, j]) => get(x, [2, 3, 2], [i!, j!, k!]))),
  make("reshape", [[2, 3]], (x) => tf.reshape(x, [3, 2]), (x) => x),
  make("expandDims and squeeze", [[2, 3]], (x) => tf.squeeze(tf.expandDims(x, 1)), (x) => x),
  make("slice", [[3, 4]], (x) => tf.slice(x, [1, 1], [2, 2]), (x) => build([2, 2], ([i, j]) => get(x, [3, 4], [i! + 1, j! + 1]))),
  make("concat", [[2, 2], [2, 3]], (a, b) => tf.concat([a, b], 1), (a, b) => build([2, 5], ([i, j]) => (j! < 2 ? a[2 * i! + j!]! : b[3 * i! + j! - 2]!))),
  make("stack", [[3], [3]], (a, b) => tf.stack([a, b], 1), (a, b) => a.flatMap((v, i) => [v, b[i]!])),
  make("split", [[2, 4]], (x) => tf.split(x, [1, 3], 1)[1]!, (x) => rows(x, 4).flatMap((row) => row.slice(1))),
  make("unstack", [[3, 2]], (x) => tf.sub(tf.unstack(x)[2]!, tf.unstack(x)[0]!), (x) => [x[4]! - x[0]!, x[5]! - x[1]!]),
  make("gather", [[3, 2]], (x) => tf.gather(x, tf.tensor1d(INDICES, "int32")), (x) => INDICES.flatMap((row) => x.slice(2 * row, 2 * row + 2))),
  make("gather along the last axis", [[2, 3]], (x) => tf.gather(x, tf.tensor1d(INDICES, "int32"), 1), (x) => rows(x, 3).flatMap((row) => INDICES.map((j) => row[j]!))),
  make("tile", [[2, 2]], (x) => tf.tile(x, [2, 2]), (x) => build([4, 4], ([i, j]) => get(x, [2, 2], [i! % 2, j! % 2]))),
  make("pad", [[2, 2]], (x) => tf.pad(x as Tensor2D, [[1, 0], [0, 2]], 3), (x) => build([3, 4], ([i, j]) => (i! < 1 || j! > 1 ? 3 : get(x, [2, 2], [i! - 1, j!])))),
  make("reverse", [[2, 3]], (x) => tf.reverse(x, 1), (x) => rows(x, 3).flatMap((row) => [...row].reverse())),
  make("broadcastTo", [[3]], (x) => tf.broadcastTo(x, [2, 3]), (x) => [...x, ...x]),
  make("spaceToBatch and back", [[1, 2, 2, 4]], (x) => tf.batchToSpaceND(tf.spaceToBatchND(tf.mul(x, x), [2, 2], [[0, 0], [0, 0]]), [2, 2], [[0, 0], [0, 0]]), (x) => x.map((v) => v * v)),
  make("a chain of many", [[2, 3], [3, 3]], (x, w) => tf.tidy(() => {
    const h = tf.tanh(tf.matMul(x, w));
    return tf.sum(tf.mul(tf.softmax(h), tf.sub(h, tf.mean(h, 1, true))), 1);
  }), (x, w) => rows(x, 3).map((row) => {
    const h = [0, 1, 2].map((j) => Math.tanh(total(3, (k) => row[k]! * w[3 * k + j]!)));
    const z = total(3, (j) => Math.exp(h[j]!));
    return total(3, (j) => (Math.exp(h[j]!) / z) * (h[j]! - (h[0]! + h[1]! + h[2]!) / 3));
  })),
];

export const OP_CASES: OpCase[] = [...elementwise, ...axisCases, ...products, ...arrangements];

/** Inputs as tensors. */
export const inputsOf = ({ shapes, values }: OpCase): Tensor[] => shapes.map((shape, i) => tf.tensor(values[i]!, shape));

/** Fixed weights that turn an op's result into one number. */
export const weightOf = (i: number): number => Math.fround(Math.cos(i + 1));

/** [value, gradient of Σ weight · value for each input] by tfjs's tape. */
export function valueAndGradients({ op }: OpCase, inputs: Tensor[]): Tensor[] {
  const value = op(...inputs);
  const weights = tf.tensor(Array.from({ length: value.size }, (_, i) => weightOf(i)), value.shape);
  return [value, ...tf.grads((...x) => tf.sum(tf.mul(op(...x), weights)))(inputs)];
}

