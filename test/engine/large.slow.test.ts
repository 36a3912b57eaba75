import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { availableBytes } from "../../src/step/memoryAvailable";

// 2^31 bytes is where lengths in 32 bits end; each test holds the tensor's bytes at most three times.
const BEYOND = 2 ** 31 + 64;

// First, since TensorFlow gives nothing back: what comes later fits into the memory that this one took.
test("float32 tensors over 4 GiB: sent, computed on, traced, read back", { skip: availableBytes() < 10e9 && "it takes 9 GB" }, () => {
  const before = engineMemory();
  // 2^32 bytes is where lengths in 32 bits end that have no sign. Pages of zeros that nobody wrote take no memory here.
  const count = 2 ** 30 + 16;
  let sent: Float32Array | null = new Float32Array(count);
  sent[1] = 1;
  sent[count - 1] = -7;
  const x = tf.tensor1d(sent);
  sent = null;
  const ends = (y: Tensor1D): Tensor1D => tf.concat([tf.slice(y, 0, 2), tf.slice(y, count - 1, 1), tf.reshape(tf.min(y), [1])]) as Tensor1D;
  const traced = jit(ends);
  for (const compute of [ends, traced]) assert.deepEqual(tf.tidy(() => [...(compute(x) as Tensor1D).dataSync()]), [0, 1, -7, -7]);
  const read = x.dataSync();
  assert.deepEqual([read.length, read[1], read[count - 1]], [count, 1, -7]);
  traced.dispose();
  x.dispose();
  assert.deepEqual(engineMemory(), before);
});

test("float32 tensors over 2 GiB: sent, computed on, traced, read back", () => {
  const before = engineMemory();
  const count = BEYOND / 4;
  let sent: Float32Array | null = new Float32Array(count);
  sent[0] = 1;
  sent[count - 1] = -7;
  const x = tf.tensor1d(sent);
  sent = null;
  const ends = (y: Tensor1D): number[] => tf.tidy(() => Array.from(tf.concat([tf.slice(y, 0, 1), tf.slice(y, count - 1, 1)]).dataSync()));
  assert.deepEqual(ends(x), [1, -7]);
  assert.equal(tf.tidy(() => tf.min(x).dataSync()[0]), -7);
  const negated = jit((y: Tensor1D) => tf.neg(y));
  const y = negated(x) as Tensor1D;
  x.dispose();
  const read = y.dataSync();
  assert.deepEqual([read.length, read[0], read[count - 1]], [count, -1, 7]);
  y.dispose();
  negated.dispose();
  assert.deepEqual(engineMemory(), before);
});

test("bool tensors of more than 2^31 values", async () => {
  const before = engineMemory();
  // A single axis stays below 2^31: tfjs gives TensorFlow sizes and positions as int32.
  const [rows, columns] = [2, BEYOND / 2];
  const x = tf.fill([rows, columns], 1, "bool" as "int32") as Tensor2D;
  assert.deepEqual(tf.tidy(() => [...tf.logicalNot(tf.slice(x, [1, columns - 3], [1, 3])).dataSync()]), [0, 0, 0]);
  const read = await x.data();
  assert.deepEqual([read.length, read[0], read[BEYOND - 1]], [BEYOND, 1, 1]);
  x.dispose();
  assert.deepEqual(engineMemory(), before);
});
