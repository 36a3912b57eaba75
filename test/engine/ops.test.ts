import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { allClose } from "./close";
import { inputsOf, OP_CASES, valueAndGradients, weightOf, type OpCase } from "./opCases";

// Float32 results of at most 18 terms of size up to about 10: 1e-5 is some ten times their rounding, and far below any wrong formula.
const VALUE_TOLERANCE = 1e-5;
// Central differences in float64 with a step of 1e-5 err by 1e-9; what remains is the float32 gradient's own rounding through a few ops.
const GRADIENT_TOLERANCE = 3e-5;
const STEP = 1e-5;

const numbers = (tensor: Tensor): ArrayLike<number> => tensor.dataSync();

function differences({ reference, values }: OpCase, input: number): number[] {
  const loss = (x: number[][]): number => reference(...x).reduce((sum, value, i) => sum + value * weightOf(i), 0);
  return values[input]!.map((x, i) => {
    const moved = (by: number): number[][] => values.map((array, k) => (k === input ? array.with(i, x + by) : array));
    return (loss(moved(STEP)) - loss(moved(-STEP))) / (2 * STEP);
  });
}

test(`${OP_CASES.length} ops: values as in float64, gradients as finite differences, and the same when traced`, async (t) => {
  for (const op of OP_CASES) {
    await t.test(op.name, async () => {
      const before = engineMemory();
      const inputs = inputsOf(op);
      const eager = tf.tidy(() => valueAndGradients(op, inputs));
      allClose(numbers(eager[0]!), op.reference(...op.values), VALUE_TOLERANCE, "value");
      op.values.forEach((_, i) => {
        assert.deepEqual(eager[i + 1]!.shape, op.shapes[i]);
        allClose(numbers(eager[i + 1]!), differences(op, i), GRADIENT_TOLERANCE, `gradient of input ${i + 1}`);
      });
      const compiled = jit((...x: Tensor[]) => valueAndGradients(op, x));
      const traced = compiled(...inputs);
      for (const [i, tensor] of traced.entries()) {
        assert.deepEqual([tensor.shape, tensor.dtype], [eager[i]!.shape, eager[i]!.dtype]);
        // TensorFlow rewrites a whole graph (it folds and merges ops), so the last bits may differ.
        allClose((await tensor.data()) as Float32Array, numbers(eager[i]!), 2e-6, `traced output ${i}`);
      }
      tf.dispose([inputs, eager, traced]);
      compiled.dispose();
      assert.deepEqual(engineMemory(), before);
    });
  }
});

test("compiled by XLA: the same values and gradients", async (t) => {
  const names = ["add with broadcasting", "exp", "sigmoid", "mean of two axes", "softmax", "logSumExp", "matMul, right transposed", "matMul of batches", "gather", "concat", "where", "cumsum", "a chain of many"];
  for (const name of names) {
    await t.test(name, async () => {
      const op = OP_CASES.find((one) => one.name === name)!;
      const inputs = inputsOf(op);
      const eager = tf.tidy(() => valueAndGradients(op, inputs));
      const compiled = jit((...x: Tensor[]) => valueAndGradients(op, x), { xla: true });
      const results = compiled(...inputs);
      for (const [i, tensor] of results.entries()) allClose((await tensor.data()) as Float32Array, numbers(eager[i]!), 1e-5, `output ${i}`);
      tf.dispose([inputs, eager, results]);
      compiled.dispose();
    });
  }
});
