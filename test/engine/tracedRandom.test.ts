import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { fuse } from "../../src/engine/fuse";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { TraceError } from "../../src/engine/traceError";
import { chiSquare, kolmogorovSmirnov, moments, normalCdf } from "./statistics";

const COUNT = 10_000;
const read = (x: Tensor): number[] => {
  const values = Array.from(x.dataSync());
  x.dispose();
  return values;
};

/** tfjs's random functions, with a seed of the user's own or without. */
const FUNCTIONS: Record<string, (count: number, seed?: number) => Tensor> = {
  randomNormal: (count, seed) => tf.randomNormal([count], 0, 1, "float32", seed),
  randomStandardNormal: (count, seed) => tf.randomStandardNormal([count], "float32", seed),
  truncatedNormal: (count, seed) => tf.truncatedNormal([count], 0, 1, "float32", seed),
  randomUniform: (count, seed) => tf.randomUniform([count], 0, 1, "float32", seed),
  randomUniformInt: (count, seed) => tf.randomUniformInt([count], 0, 1000, seed),
  randomGamma: (count, seed) => tf.randomGamma([count], 2, 1, "float32", seed),
  dropout: (count, seed) => tf.dropout(tf.ones([count]), 0.5, undefined, seed),
  multinomial: (count, seed) => tf.multinomial(tf.zeros([7]) as Tensor1D, count, seed),
};

for (const [name, draw] of Object.entries(FUNCTIONS)) {
  test(`tf.${name} inside jit: other numbers at each call, the same sequence from the same seed`, () => {
    const before = engineMemory();
    const sequence = (options: { seed?: number }, own?: number): string[] => {
      const f = jit(() => [draw(60, own), draw(60, own)], options);
      const calls = Array.from({ length: 3 }, () => f().flatMap((x) => read(x).join()));
      f.dispose();
      return calls.flat();
    };
    const [seeded, again, other, own, ownAgain] = [sequence({ seed: 1 }), sequence({ seed: 1 }), sequence({ seed: 2 }), sequence({ seed: 1 }, 5), sequence({ seed: 9 }, 5)];
    assert.equal(new Set([...seeded, ...other, ...own]).size, 18, "every draw of every call is another");
    assert.deepEqual(seeded, again);
    assert.deepEqual(own, ownAgain, "a seed given to tfjs's function stands in for jit's");
    assert.notDeepEqual(sequence({}), sequence({}), "functions without a seed have one each");
    assert.deepEqual(engineMemory(), before);
  });
}

test("the draws have tfjs's distributions, dtypes and shapes", () => {
  const f = jit(() => [
    tf.randomNormal([COUNT], 2, 3), tf.truncatedNormal([COUNT], 0, 1), tf.randomUniform([COUNT], -1, 3), tf.randomGamma([COUNT], 2.5, 2),
    tf.randomUniform([COUNT], 0, 5, "int32"), tf.randomUniformInt([COUNT], 0, 5), tf.randomNormal([COUNT], 0, 10, "int32"),
    tf.dropout(tf.ones([COUNT]), 0.25), tf.multinomial(tf.tensor1d([0.2, 0.3, 0.5]), COUNT, undefined, true), tf.randomUniform([3, 0, 2]), tf.randomUniform([COUNT], 0, 2, "bool"),
  ], { seed: 3 });
  const outputs = f();
  assert.deepEqual(outputs.map(({ dtype }) => dtype), ["float32", "float32", "float32", "float32", "int32", "int32", "int32", "float32", "int32", "float32", "bool"]);
  const [normal, truncated, uniform, gamma, whole, integers, rounded, dropped, drawn, empty, coins] = outputs.map((x) => Array.from(x.dataSync()));
  assert.ok(kolmogorovSmirnov(normal!, (x) => normalCdf((x - 2) / 3)) < 1.95);
  assert.ok(truncated!.every((x) => Math.abs(x) <= 2));
  assert.ok(kolmogorovSmirnov(uniform!, (x) => (x + 1) / 4) < 1.95);
  assert.ok(Math.abs(moments(gamma!).mean - 1.25) < 3 * Math.sqrt(0.625 / COUNT));
  // 18.47 and 13.82 are the chi-square distribution's quantiles at 0.999 with 4 and 2 degrees of freedom.
  for (const values of [whole!, integers!]) assert.ok(chiSquare([0, 1, 2, 3, 4].map((k) => values.filter((x) => x === k).length), new Array(5).fill(COUNT / 5)) < 18.47);
  assert.ok(rounded!.every(Number.isInteger) && Math.abs(moments(rounded!).variance - (100 + 1 / 12)) < 3 * 100 * Math.sqrt(2 / COUNT));
  assert.ok(Math.abs(dropped!.filter((x) => x === 0).length / COUNT - 0.25) < 3 * Math.sqrt(0.1875 / COUNT));
  assert.ok(chiSquare([0, 1, 2].map((k) => drawn!.filter((x) => x === k).length), [0.2, 0.3, 0.5].map((p) => p * COUNT)) < 13.82);
  assert.deepEqual(empty, []);
  assert.ok(Math.abs(coins!.reduce((a, b) => a + b) / COUNT - 0.5) < 3 * Math.sqrt(0.25 / COUNT));
  tf.dispose(outputs);
  f.dispose();
});

test("the mask of a dropout is one in the forward and the backward pass, and another in the next call", () => {
  const step = jit((x: Tensor) => {
    const { value, grad } = tf.valueAndGrad((y) => tf.sum(tf.dropout(y, 0.5)))(x);
    return [value, grad];
  }, { seed: 4 });
  const x = tf.range(1, 101);
  const masks = [0, 1].map(() => {
    const [value, mask] = step(x).map(read);
    assert.ok(mask!.every((m) => [0, 2].includes(m)));
    assert.ok(Math.abs(value![0]! - mask!.reduce((sum, m, i) => sum + m * (i + 1), 0)) < 0.1);
    return mask!.join();
  });
  assert.notEqual(masks[0], masks[1]);
  step.dispose();
});

test("each signature and a trace anew go on with the sequence of calls", () => {
  const f = jit((x: Tensor) => tf.mul(tf.randomUniform([4]), tf.ones([x.size])[x.size > 1 ? "max" : "min"]()), { seed: 6 });
  const draw = (n: number): string => read(f(tf.ones([n])) as Tensor).join();
  const calls = [draw(1), draw(2), draw(1)];
  f.dispose();
  calls.push(draw(1));
  assert.equal(new Set(calls).size, 4);
  f.dispose();
});

test("inside another jit the numbers are the outer function's, one draw for each inner call", () => {
  const noise = jit(() => tf.randomUniform([4]), { seed: 1 });
  const outer = (seed: number) => jit(() => [noise(), noise()] as Tensor[], { seed });
  const draws = [outer(7), outer(7), outer(8)].map((f) => {
    const drawn = f().map((x) => read(x).join());
    f.dispose();
    return drawn;
  });
  assert.deepEqual(draws[0], draws[1]);
  assert.equal(new Set(draws.flat()).size, 4);
  noise.dispose();
});

test("XLA draws on the device too, anew at each call and the same from the same seed", () => {
  const sequence = (): string[] => {
    const f = jit(() => tf.concat([tf.randomNormal([20]), tf.randomUniform([20]), tf.truncatedNormal([20]), tf.dropout(tf.ones([20]), 0.5)]), { xla: true, seed: 1 });
    const calls = [read(f()).join(), read(f()).join()];
    f.dispose();
    return calls;
  };
  const calls = sequence();
  assert.notEqual(calls[0], calls[1]);
  assert.deepEqual(sequence(), calls);
});

test("layers that draw are drawn anew too", () => {
  const layer = tf.layers.dropout({ rate: 0.5 });
  const f = jit((x: Tensor) => layer.apply(x, { training: true }) as Tensor, { seed: 1 });
  const x = tf.ones([1, 64]);
  assert.notEqual(read(f(x)).join(), read(f(x)).join());
  f.dispose();
});

test("outside of jit tfjs's functions are as they were", () => {
  assert.deepEqual(read(tf.randomNormal([5], 0, 1, "float32", 3)), read(tf.randomNormal([5], 0, 1, "float32", 3)));
  const shape = tf.rand([4], () => 0.25);
  assert.deepEqual(read(shape), [0.25, 0.25, 0.25, 0.25]);
});

test("what cannot be drawn inside says what to do, and a bad seed is refused when the function is made", () => {
  assert.throws(() => jit(() => tf.rand([4], Math.random))(), (error) => error instanceof TraceError && /use tf\.randomUniform/.test(error.message));
  assert.throws(() => jit(() => tf.randomNormal([4], 0, 1, "bool" as never))(), /float32 or int32, not bool/);
  const part = jit((x: Tensor) => fuse("test_random", [x], (y) => [tf.mul(y!, tf.randomUniform([2]))], { fewest: 0 })[0]!);
  assert.throws(() => part(tf.ones([2])), (error) => error instanceof TraceError && /draw them outside and pass the tensor in/.test(error.message));
  for (const seed of [-1, 0.5, NaN]) assert.throws(() => jit(() => tf.ones([1]), { seed }), /A seed is a whole number from 0/);
});
