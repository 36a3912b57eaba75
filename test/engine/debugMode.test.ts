import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";

/** What tfjs says on the console while `work` runs and its reads settle. */
async function said(work: () => void): Promise<string> {
  const { warn, log } = console;
  const lines: string[] = [];
  console.warn = console.log = (...words: unknown[]) => void lines.push(words.join(" "));
  try {
    work();
    await new Promise((resolve) => setTimeout(resolve, 50));
  } finally {
    Object.assign(console, { warn, log });
  }
  return lines.join("\n");
}

test("in tfjs's debug mode a function is traced, and NaN in its result is found", async () => {
  const x = tf.tensor1d([-1, 4]);
  const f = jit((x: Tensor) => tf.sqrt(tf.mul(x, 1)));
  // A first trace leaves the flags as they were, those that were never asked for too.
  const ofDebugMode = (): unknown[] => ["DEBUG", "CHECK_COMPUTATION_FOR_ERRORS"].map((name) => [name in tf.env().getFlags(), tf.env().getFlags()[name]]);
  const before = ofDebugMode();
  tf.dispose(f(tf.ones([3])));
  assert.deepEqual(ofDebugMode(), before);
  try {
    tf.env().set("DEBUG", true);
    const words = await said(() => tf.dispose(tf.sum(f(x))));
    assert.match(words, /NaN|error/i);
    assert.equal(words.match(/Debugging mode is ON/g), null, "tracing does not announce the mode");
    assert.equal(tf.env().getBool("DEBUG") && tf.env().getBool("CHECK_COMPUTATION_FOR_ERRORS"), true);
  } finally {
    tf.env().set("DEBUG", false);
    tf.env().set("CHECK_COMPUTATION_FOR_ERRORS", false);
  }
  f.dispose();
  x.dispose();
});

test("softmax of a row with NaN is NaN throughout in a compiled function, and other rows are as they are", () => {
  const f = jit((x: Tensor) => tf.softmax(x));
  const [spoilt, sound] = tf.tidy(() => f(tf.tensor2d([[2, 1, NaN], [0, -Infinity, 0]])).arraySync()) as number[][];
  assert.ok(spoilt!.every(Number.isNaN), String(spoilt));
  assert.deepEqual(sound, [0.5, 0, 0.5]);
  f.dispose();
});

test("an index beyond its tensor is named in a compiled function too", () => {
  const f = jit((x: Tensor, indices: Tensor) => tf.gather(x, indices as never));
  const [x, indices] = [tf.tensor1d([1, 2, 3]), tf.tensor1d([0, 7], "int32")];
  const result = f(x, indices);
  assert.throws(() => result.dataSync(), /GatherV2: the index value 7 is not in \[0, 2\]/);
  tf.dispose([x, indices, result]);
  f.dispose();
});
