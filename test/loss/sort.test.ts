import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { sortAscending } from "../../src/loss/sort";

test("a vector is sorted, ties and signs included, also when traced under bfloat16", () => {
  const values = [3.1415927, -7, 3.1415927, 0, 1e4, -1e4, 2.7182817];
  const expected = [...Float32Array.from(values)].sort((a, b) => a - b);
  const x = tf.tensor1d(values);
  assert.deepEqual([...sortAscending(x).dataSync()], expected);
  const traced = jit((y: Tensor1D) => sortAscending(y), { precision: "bfloat16" });
  assert.deepEqual([...traced(x).dataSync()], expected);
  traced.dispose();
});

test("the gradient goes back to where each element came from", () => {
  const weights = tf.tensor1d([1, 10, 100, 1000]);
  const gradient = tf.grad((x) => tf.sum(tf.mul(sortAscending(x as Tensor1D), weights)))(tf.tensor1d([5, -1, 5, 2]));
  assert.deepEqual([...gradient.dataSync()], [100, 1, 1000, 10]);
});
