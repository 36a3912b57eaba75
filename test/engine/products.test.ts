import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { allClose } from "./close";

const matrix = (rows: number, columns: number, seed: number): Tensor2D =>
  tf.tensor2d(Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.7 + seed) + 0.1 * Math.cos(i * seed)), [rows, columns]);

/** float64. */
function product(a: Tensor2D, b: Tensor2D, transposeA: boolean, transposeB: boolean): number[] {
  const [x, y] = [a.dataSync(), b.dataSync()];
  const [rows, depth] = transposeA ? [a.shape[1], a.shape[0]] : a.shape;
  const columns = b.shape[transposeB ? 0 : 1];
  const result: number[] = [];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      let sum = 0;
      for (let k = 0; k < depth; k++) sum += x[transposeA ? k * rows + i : i * depth + k]! * y[transposeB ? j * depth + k : k * columns + j]!;
      result.push(sum);
    }
  }
  return result;
}

for (const transposeB of [false, true]) {
  test(`a traced product of a single row is the float64 one (transposed: ${transposeB})`, async () => {
    // 311 · 257 multiplications: enough for one row to be rewritten.
    const [a, b] = [matrix(1, 311, 1), transposeB ? matrix(257, 311, 2) : matrix(311, 257, 2)];
    const traced = jit((a: Tensor2D, b: Tensor2D) => tf.matMul(a, b, false, transposeB));
    allClose((await traced(a, b).data()) as Float32Array, product(a, b, false, transposeB), 1e-4);
  });
}

for (const [transposeA, transposeB] of [[false, false], [false, true], [true, false], [true, true]] as const) {
  test(`a traced product of large matrices is the float64 one (transposed: ${transposeA}, ${transposeB})`, async () => {
    // 131 · 97 · 103 multiplications: enough to be rewritten, and no multiple of any block.
    const a = transposeA ? matrix(97, 131, 1) : matrix(131, 97, 1);
    const b = transposeB ? matrix(103, 97, 2) : matrix(97, 103, 2);
    const traced = jit((a: Tensor2D, b: Tensor2D) => tf.matMul(a, b, transposeA, transposeB));
    const [result, again] = [traced(a, b), traced(a, b)];
    assert.deepEqual(result.shape, [131, 103]);
    const values = await result.data();
    allClose(values as Float32Array, product(a, b, transposeA, transposeB), 1e-4);
    assert.deepEqual(values, await again.data());
  });
}

test("what is no number stays none, and no row infects another", async () => {
  const a = tf.tidy(() => tf.concat([tf.fill([1, 120], NaN), matrix(99, 120, 3)])) as Tensor2D;
  const result = jit((a: Tensor2D, b: Tensor2D) => tf.matMul(a, b))(a, matrix(120, 110, 4));
  const values = Array.from(await result.data());
  assert.ok(values.slice(0, 110).every(Number.isNaN));
  assert.ok(values.slice(110).every(Number.isFinite));
});
