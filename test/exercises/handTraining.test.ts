import { test } from "node:test";
import assert from "node:assert/strict";
import type { Scalar, Tensor, Variable } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { HandOptimizer, resultsAndGradients } from "../../src/exercises/handTraining";

test("all results come back, with the gradient of the first", async () => {
  const x = tf.variable(tf.tensor1d([1, 2, 3]));
  const { results, gradients } = resultsAndGradients(() => [tf.sum(tf.square(x)) as Scalar, tf.max(x)], [x]);
  assert.equal((await results[0].data())[0], 14);
  assert.equal((await results[1].data())[0], 3);
  assert.deepEqual([...(await gradients[0].data())], [2, 4, 6]);
  tf.dispose([x, ...results, ...gradients]);
});

/** AdamW with clipping in plain numbers, after PyTorch's documentation. */
function reference(x: number[], target: number[], rates: number[], maxNorm: number): number[] {
  const [m, v] = [x.map(() => 0), x.map(() => 0)];
  rates.forEach((rate, step) => {
    let g = x.map((value, i) => 2 * (value - target[i]));
    const scale = Math.min(1, maxNorm / (Math.hypot(...g) + 1e-6));
    g = g.map((value) => value * scale);
    x = x.map((value, i) => {
      m[i] = 0.9 * m[i] + 0.1 * g[i];
      v[i] = 0.999 * v[i] + 0.001 * g[i] ** 2;
      const [mHat, vHat] = [m[i] / (1 - 0.9 ** (step + 1)), v[i] / (1 - 0.999 ** (step + 1))];
      return value - (rate * mHat) / (Math.sqrt(vHat) + 1e-8);
    });
  });
  return x;
}

test("a compiled step by hand moves the weights as AdamW with clipping does, and leaves no tensor behind", async () => {
  const x: Variable = tf.variable(tf.tensor1d([3, -2, 0.5]));
  const target = tf.keep(tf.tensor1d([1, 1, 1]));
  const optimizer = new HandOptimizer({ parameters: new Map([["x", x]]) }, { maxGradNorm: 1 });
  const step = jit((shift: Tensor) => optimizer.minimize(() => [tf.sum(tf.square(tf.sub(tf.sub(x, target), shift))) as Scalar, tf.max(x)]) as Tensor[]);
  const zero = tf.scalar(0);
  const rates = [0.1, 0.2, 0.05, 0.1];
  let alive = 0;
  for (const [index, rate] of rates.entries()) {
    optimizer.next(rate);
    tf.dispose(step(zero));
    if (index === 1) alive = tf.memory().numTensors;
  }
  assert.equal(tf.memory().numTensors, alive);
  const wanted = reference([3, -2, 0.5], [1, 1, 1], rates, 1);
  (await x.data()).forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) < 1e-5, `${value} and ${wanted[i]}`));
});
