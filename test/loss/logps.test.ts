import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { tokenLogps } from "../../src/loss/logps";
import { allClose } from "../engine/close";

test("tokenLogps: gradients are the same eager, traced and within XLA, targets that repeat included", async () => {
  const hidden = tf.randomNormal([6, 8], 0, 1, "float32", 1) as Tensor2D;
  const head = tf.randomNormal([20, 8], 0, 1, "float32", 2) as Tensor2D;
  const targets = tf.tensor1d([1, 2, 3, 1, 1, 19], "int32");
  const gradients = (hidden: Tensor, head: Tensor, targets: Tensor): Tensor[] =>
    tf.grads((hidden, head) => tf.sum(tokenLogps(hidden as Tensor2D, head as Tensor2D, targets as Tensor1D)))([hidden, head]);
  const eager = gradients(hidden, head, targets).map((gradient) => Array.from(gradient.dataSync()));
  assert.ok(eager[1]!.some((value) => Math.abs(value) > 0.1));
  for (const run of [jit(gradients), jit(gradients, { xla: true })]) {
    const results = await Promise.all(run(hidden, head, targets).map((gradient) => gradient.data()));
    results.forEach((result, i) => allClose(result as Float32Array, eager[i]!, 1e-5));
  }
});
