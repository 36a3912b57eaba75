import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";

test("a call that fails before the shapes of its results are known leaves nothing, and the next one runs", () => {
  const [start, zero, one] = [0, 0, 1].map((value) => tf.tidy(() => tf.tensor1d([value], "int32").add(tf.scalar(0, "int32"))));
  const end = tf.tidy(() => tf.tensor1d([3], "int32").add(tf.scalar(0, "int32")));
  const range = jit((delta: Tensor) => {
    const { rtNestedSplits, rtDenseValues } = tf.raggedRange(start!, end, delta);
    return [rtNestedSplits, rtDenseValues, tf.add(rtDenseValues, tf.scalar(1, "int32"))];
  });
  tf.dispose(range(one!));
  const before = engineMemory();
  for (let i = 0; i < 3; i++) {
    assert.throws(() => range(zero!), /Requires delta != 0/);
    assert.deepEqual(engineMemory(), before);
    const results = range(one!);
    assert.deepEqual(results.map((x) => Array.from(x.dataSync())), [[0, 3], [0, 1, 2], [1, 2, 3]]);
    tf.dispose(results);
  }
});
