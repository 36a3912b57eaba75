import type { Tensor1D, Tensor4D } from "@tensorflow/tfjs";
import { tf } from "../../../src/engine/backend";
import { build, get, make, total, type OpCase } from "./case";

const product = (a: number[], b: number[], left: (i: number, k: number) => number, right: (k: number, j: number) => number): number[] =>
  build([2, 3], ([i, j]) => total(4, (k) => a[left(i!, k)]! * b[right(k, j!)]!));

export const products: OpCase[] = [
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
