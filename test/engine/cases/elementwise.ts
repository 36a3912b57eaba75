import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../../../src/engine/backend";
import { make, type OpCase } from "./case";

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

export const elementwise: OpCase[] = [
  ...UNARY.map(([name, f, domain]) => make(name, [[2, 3]], (x) => api[name]!(x), (x) => x.map(f), domain)),
  ...BINARY.map(([name, f, domain]) => make(`${name} with broadcasting`, [[2, 3], [3]], (a, b) => api[name]!(a, b), (a, b) => a.map((x, i) => f(x, b[i % 3]!)), domain)),
  ...BINARY_OF_EQUAL_SHAPES.map(([name, f]) => make(name, [[2, 3], [2, 3]], (a, b) => api[name]!(a, b), (a, b) => a.map((x, i) => f(x, b[i]!)))),
  make("leakyRelu", [[2, 3]], (x) => tf.leakyRelu(x, 0.3), (x) => x.map((v) => (v > 0 ? v : 0.3 * v))),
  make("prelu", [[2, 3], [3]], (x, a) => tf.prelu(x, a), (x, a) => x.map((v, i) => (v > 0 ? v : a[i % 3]! * v))),
  make("clipByValue", [[2, 3]], (x) => tf.clipByValue(x, -0.9, 0.7), (x) => x.map((v) => Math.min(Math.max(v, -0.9), 0.7))),
  make("where", [[2, 3], [2, 3]], (a, b) => tf.where(tf.tensor(EVEN, [2, 3], "bool"), a, tf.mul(b, 2)), (a, b) => a.map((v, i) => (EVEN[i] ? v : 2 * b[i]!))),
];
