import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomSource } from "../../src/engine/random";

test("the stream is xoshiro128**'s", () => {
  const random = new RandomSource([1, 2, 3, 4]);
  // Computed with a Python transcription of the authors' C code, from the same state.
  const expected = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804];
  assert.deepEqual(expected.map(() => random.uint32()), expected);
});

test("seeds give streams of their own, the same each time", () => {
  const stream = (seed: number) => Array.from({ length: 4 }, ((random) => () => random.uint32())(new RandomSource(seed)));
  const seeds = [0, 1, 2, 42, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
  assert.equal(new Set(seeds.map((seed) => stream(seed).join())).size, seeds.length);
  assert.deepEqual(stream(42), stream(42));
  for (const seed of [-1, 0.5, NaN, 2 ** 53]) assert.throws(() => new RandomSource(seed), /A seed is/);
  assert.throws(() => new RandomSource([0, 0, 0, 0]), /all zero/);
});

// Bounds are four to five standard errors of the estimate, so that a right generator with this fixed seed is inside and a wrong one is not.
test("uniform and normal numbers have their moments", () => {
  const random = new RandomSource(7);
  const count = 200_000;
  const moments = (draw: () => number) => {
    const values = Array.from({ length: count }, draw);
    const mean = values.reduce((sum, value) => sum + value, 0) / count;
    return { mean, variance: values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count, smallest: Math.min(...values.slice(0, 50_000)), values };
  };
  const uniform = moments(() => random.uniform());
  assert.ok(Math.abs(uniform.mean - 0.5) < 0.003 && Math.abs(uniform.variance - 1 / 12) < 0.001 && uniform.smallest >= 0);
  const normal = moments(() => random.normal());
  assert.ok(Math.abs(normal.mean) < 0.01 && Math.abs(normal.variance - 1) < 0.015);
  assert.ok(Math.abs(normal.values.filter((value) => Math.abs(value) < 1).length / count - 0.6827) < 0.005);
});

test("whole numbers and shuffles are even", () => {
  const random = new RandomSource(3);
  const counts = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < 60_000; i++) counts[random.integer(6)]!++;
  for (const count of counts) assert.ok(Math.abs(count - 10_000) < 450, String(counts));
  const orders = new Map<string, number>();
  for (let i = 0; i < 60_000; i++) {
    const order = random.shuffled([1, 2, 3]).join("");
    orders.set(order, (orders.get(order) ?? 0) + 1);
  }
  assert.equal(orders.size, 6);
  for (const count of orders.values()) assert.ok(Math.abs(count - 10_000) < 450, JSON.stringify([...orders]));
  for (const below of [0, -1, 1.5, 2 ** 33]) assert.throws(() => random.integer(below), /integer\(below\)/);
});
