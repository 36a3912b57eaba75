import type { Tensor, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../../../src/engine/backend";
import { make, type OpCase } from "./case";

const number = (x: Tensor): Tensor => tf.cast(x, "float32");
const half = 0.5;
const steps = (name: "ceil" | "floor" | "round" | "sign" | "step" | "onesLike" | "zerosLike" | "clone", reference: (x: number) => number): OpCase =>
  make(name, [[2, 3]], (x) => tf.add(tf[name](x), tf.mul(x, half)), (x) => x.map((v) => reference(v) + v * half));

/** Ops that are flat almost everywhere: tfjs gives them gradients of zero, so each stands beside a term that has one. */
export const stepCases: OpCase[] = [
  steps("ceil", Math.ceil), steps("floor", Math.floor), steps("round", Math.round), steps("sign", Math.sign), steps("step", (x) => (x > 0 ? 1 : 0)),
  steps("onesLike", () => 1), steps("zerosLike", () => 0), steps("clone", (x) => x),
  make("cast to integers and back", [[2, 3]], (x) => tf.add(number(tf.cast(tf.mul(x, 3), "int32")), x)),
  make("floorDiv", [[2, 3], [2, 3]], (a, b) => tf.add(tf.floorDiv(tf.add(a, 3), tf.add(b, 3)), a), null, [-1, 1]),
  make("mod", [[2, 3], [2, 3]], (a, b) => tf.mod(a, b), (a, b) => a.map((x, i) => x - b[i]! * Math.floor(x / b[i]!)), [0.7, 3]),
  make("isFinite, isInf, isNaN", [[2, 3]], (x) => tf.add(tf.addN([number(tf.isFinite(x)), number(tf.isInf(x)), number(tf.isNaN(x))]), x), (x) => x.map((v) => v + 1)),
  make("addN", [[2, 3], [2, 3], [2, 3]], (a, b, c) => tf.addN([a, b, c, a]), (a, b, c) => a.map((x, i) => 2 * x + b[i]! + c[i]!)),
  make("argMax and argMin", [[3, 4]], (x) => tf.addN([number(tf.argMax(x, 1)), number(tf.argMin(x, 1)), tf.sum(x, 1)])),
  make("oneHot", [[4]], (x) => tf.add(number(tf.oneHot(tf.cast(tf.add(x, 2), "int32") as Tensor1D, 5)), tf.expandDims(x, 1))),
  make("greaterEqual", [[2, 3], [2, 3]], (a, b) => tf.add(number(tf.greaterEqual(a, b)), tf.mul(a, b)), (a, b) => a.map((x, i) => Number(x >= b[i]!) + x * b[i]!)),
  make("unsortedSegmentSum", [[4, 2]], (x) => tf.unsortedSegmentSum(x, tf.tensor1d([2, 0, 2, 1], "int32"), 3), (x) => [x[2]!, x[3]!, x[6]!, x[7]!, x[0]! + x[4]!, x[1]! + x[5]!]),
  make("bandPart", [[2, 3, 4]], (x) => tf.linalg.bandPart(x, 1, 0), (x) => x.map((v, i) => {
    const d = (Math.floor(i / 4) % 3) - (i % 4);
    return d >= 0 && d <= 1 ? v : 0;
  })),
  make("constants of every kind", [[2, 3]], (x) => tf.addN([
    x, tf.zeros([2, 3]), tf.ones([2, 3]), tf.fill([2, 3], 2), tf.reshape(tf.range(0, 6), [2, 3]), tf.reshape(tf.linspace(0, 1, 6), [2, 3]), tf.slice(tf.eye(3), [0, 0], [2, 3]),
    tf.add(tf.tensor2d([[1, 2, 3], [4, 5, 6]]), tf.scalar(1)), tf.add(tf.tensor1d([1, 2, 3]), tf.zeros([2, 3])), tf.tensor([6, 5, 4, 3, 2, 1], [2, 3]),
    tf.reshape(tf.add(tf.tensor3d([1, 2, 3, 4, 5, 6], [1, 2, 3]), tf.tensor4d([1, 1, 1, 1, 1, 1], [1, 1, 2, 3])), [2, 3]),
  ]), (x) => x.map((v, i) => v + 0 + 1 + 2 + i + i / 5 + (i === 0 || i === 4 ? 1 : 0) + (i + 2) + ((i % 3) + 1) + (6 - i) + (i + 2))),
];
