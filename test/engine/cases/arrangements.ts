import type { Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../../src/engine/backend";
import { build, get, make, rows, total, type OpCase } from "./case";

const INDICES = [2, 0, 2];
export const arrangements: OpCase[] = [
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
