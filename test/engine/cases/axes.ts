import { tf } from "../../../src/engine/backend";
import { build, get, make, rows, total, type OpCase } from "./case";

export const axisCases: OpCase[] = [
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
