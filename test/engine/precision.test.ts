import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { RandomSource } from "../../src/engine/random";
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from "../../src/hub/half";
import { allClose } from "./close";

const [M, K, N] = [5, 32, 7];
const random = new RandomSource(5);
const draw = (count: number): Float32Array => Float32Array.from({ length: count }, () => random.normal());
const [left, right] = [draw(M * K), draw(K * N)];
const a = tf.tensor2d(left, [M, K]);
const b = tf.tensor2d(right, [K, N]);

/** a · b in doubles. */
function product(x: ArrayLike<number>, y: ArrayLike<number>, rows: number, inner: number, columns: number): number[] {
  return Array.from({ length: rows * columns }, (_, n) => {
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += x[Math.floor(n / columns) * inner + k]! * y[k * columns + (n % columns)]!;
    return sum;
  });
}

// A product's result is rounded too: half a unit of bfloat16's 8 bits, 2^-9, or of half precision's 11, 2^-12, and twice
// that where partial sums are rounded as well.
const NARROW = {
  bfloat16: { narrow: (x: Float32Array): Float32Array => fromBfloat16(toBfloat16(x)), rounding: 2 ** -8, worse: 1e-3 },
  float16: { narrow: (x: Float32Array): Float32Array => fromFloat16(toFloat16(x)), rounding: 2 ** -11, worse: 1e-4 },
};

for (const [precision, { narrow, rounding, worse }] of Object.entries(NARROW) as [keyof typeof NARROW, (typeof NARROW)["float16"]][]) {
  test(`matrix products are those of ${precision} operands, with float32 results`, async () => {
    const [flat, batched] = jit((x: Tensor, y: Tensor) => [
      tf.matMul(x as Tensor2D, y as Tensor2D),
      tf.matMul(tf.reshape(x, [1, M, K]), tf.reshape(y, [1, K, N])),
    ], { precision })(a, b);
    const expected = product(narrow(left), narrow(right), M, K, N);
    for (const result of [flat!, batched!]) {
      assert.equal(result.dtype, "float32");
      const values = (await result.data()) as Float32Array;
      allClose(values, expected, rounding);
      assert.deepEqual([...values], [...narrow(values)], `a ${precision} product has ${precision} values`);
    }
    const exact = product(left, right, M, K, N);
    const error = (values: ArrayLike<number>): number => Math.max(...exact.map((x, i) => Math.abs(x - values[i]!)));
    assert.ok(error((await flat!.data()) as Float32Array) > worse, "float32 would be exact to 1e-5");
    const plain = jit((x: Tensor, y: Tensor) => tf.matMul(x as Tensor2D, y as Tensor2D))(a, b);
    assert.ok(error((await plain.data()) as Float32Array) < 1e-5);
  });

  test(`everything else stays float32 beside ${precision}`, async () => {
    const fine = tf.tensor1d([1, 1 + 2 ** -20, 1 - 2 ** -20]);
    const ops: Record<string, (x: Tensor) => Tensor> = {
      add: (x) => tf.add(x, 2 ** -21), mul: (x) => tf.mul(x, 1.000001), sum: (x) => tf.sum(x), softmax: (x) => tf.softmax(x), log: (x) => tf.log(x),
      gradient: (x) => tf.grad((y) => tf.sum(tf.square(y)))(x),
    };
    for (const [name, op] of Object.entries(ops)) {
      const result = jit((x: Tensor) => op(x), { precision })(fine) as Tensor;
      allClose((await result.data()) as Float32Array, tf.tidy(() => op(fine)).dataSync(), 1e-7, name);
    }
  });

  test(`gradients of products are products of ${precision} operands`, async () => {
    const seed = draw(M * N);
    const dy = tf.tensor2d(seed, [M, N]);
    const [da, db] = jit((x: Tensor, y: Tensor) => tf.grads((p, q) => tf.sum(tf.mul(tf.matMul(p as Tensor2D, q as Tensor2D), dy)))([x, y]), { precision })(a, b);
    const turned = (x: Float32Array, rows: number, columns: number): Float32Array => Float32Array.from(x, (_, n) => x[(n % rows) * columns + Math.floor(n / rows)]!);
    allClose((await da!.data()) as Float32Array, product(narrow(seed), turned(narrow(right), K, N), M, N, K), rounding, "left");
    allClose((await db!.data()) as Float32Array, product(turned(narrow(left), M, K), narrow(seed), K, M, N), rounding, "right");
  });
}
