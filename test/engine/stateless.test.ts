import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { dropout, multinomial, statelessGamma, statelessNormal, statelessTruncatedNormal, statelessUniform, statelessUniformInt, type Seed } from "../../src/engine/stateless";
import { chiSquare, kolmogorovSmirnov, moments, normalCdf } from "./statistics";

const COUNT = 20_000;
const read = (x: Tensor): number[] => {
  const values = Array.from(x.dataSync());
  x.dispose();
  return values;
};
const seedPair = (a: number, b: number): Tensor => tf.tensor1d([a, b], "int32");

const DRAWS: Record<string, (seed: Seed, count?: number) => Tensor> = {
  statelessUniform: (seed, count = COUNT) => statelessUniform([count], seed),
  statelessUniformInt: (seed, count = COUNT) => statelessUniformInt([count], seed, 0, 1000),
  statelessNormal: (seed, count = COUNT) => statelessNormal([count], seed),
  statelessTruncatedNormal: (seed, count = COUNT) => statelessTruncatedNormal([count], seed),
  statelessGamma: (seed, count = COUNT) => statelessGamma([count], seed, 2.5),
  dropout: (seed, count = COUNT) => dropout(tf.ones([count]), 0.3, seed),
  multinomial: (seed, count = COUNT) => multinomial(tf.zeros([5]) as Tensor1D, count, seed),
};

for (const [name, draw] of Object.entries(DRAWS)) {
  test(`${name}: the same seed gives the same numbers, eager and traced, as number and as tensor; others differ`, async () => {
    const before = engineMemory();
    const numbers = (seed: Seed): number[] => read(tf.tidy(() => draw(seed, 100)));
    const first = numbers(42);
    assert.deepEqual(numbers(42), first);
    for (const other of [0, 43, 42 + 2 ** 32]) assert.notDeepEqual(numbers(other), first, String(other));
    const pair = seedPair(42, 0);
    assert.deepEqual(numbers(pair), first);
    const traced = jit((seed: Tensor) => [draw(seed, 100), draw(42, 100)]);
    const other = seedPair(43, 0);
    for (const [seed, expected] of [[pair, first], [other, numbers(43)], [pair, first]] as const) {
      const results = traced(seed);
      assert.deepEqual(results.map((x) => Array.from(x.dataSync())), [expected, first]);
      tf.dispose(results);
    }
    traced.dispose();
    tf.dispose([pair, other]);
    assert.deepEqual(engineMemory(), before);
  });
}

// With fixed seeds these are no chances: each statistic is compared with its quantile at 0.999.
test("uniform numbers are uniform", () => {
  const values = read(statelessUniform([COUNT], 1));
  assert.ok(values.every((x) => x >= 0 && x < 1));
  assert.ok(kolmogorovSmirnov(values, (x) => x) < 1.95);
  const shifted = read(statelessUniform([COUNT], 1, -3, 5));
  assert.ok(kolmogorovSmirnov(shifted, (x) => (x + 3) / 8) < 1.95);
});

test("whole numbers reach both ends evenly", () => {
  const values = read(statelessUniformInt([COUNT], 2, -3, 4));
  const counts = [-3, -2, -1, 0, 1, 2, 3].map((n) => values.filter((x) => x === n).length);
  assert.equal(counts.reduce((a, b) => a + b), COUNT);
  // 22.46 is the chi-square distribution's quantile at 0.999 with 6 degrees of freedom.
  assert.ok(chiSquare(counts, counts.map(() => COUNT / 7)) < 22.46);
});

test("normal numbers have mean, variance and distribution", () => {
  const values = read(statelessNormal([COUNT], 3, 2, 0.5));
  const { mean, variance } = moments(values);
  // Three standard errors: 0.5/√n and 0.25·√(2/n).
  assert.ok(Math.abs(mean - 2) < 1.5 / Math.sqrt(COUNT) && Math.abs(variance - 0.25) < 0.75 * Math.sqrt(2 / COUNT));
  assert.ok(kolmogorovSmirnov(values, (x) => normalCdf((x - 2) / 0.5)) < 1.95);
});

test("truncated normal numbers keep within two standard deviations", () => {
  const values = read(statelessTruncatedNormal([COUNT], 4, 1, 3));
  assert.ok(values.every((x) => Math.abs(x - 1) <= 6));
  const [low, high] = [normalCdf(-2), normalCdf(2)];
  assert.ok(kolmogorovSmirnov(values, (x) => (normalCdf((x - 1) / 3) - low) / (high - low)) < 1.95);
});

test("gamma numbers have mean α/β and variance α/β², and α = 1 is the exponential distribution", () => {
  const { mean, variance } = moments(read(statelessGamma([COUNT], 5, 2.5, 2)));
  assert.ok(Math.abs(mean - 1.25) < 3 * Math.sqrt(0.625 / COUNT));
  // The fourth central moment is 3α(α + 2)/β⁴, so the variance's standard error is √((3α(α+2) − α²)/β⁴/n).
  assert.ok(Math.abs(variance - 0.625) < 3 * Math.sqrt((3 * 2.5 * 4.5 - 2.5 ** 2) / 16 / COUNT));
  assert.ok(kolmogorovSmirnov(read(statelessGamma([COUNT], 6, 1, 2)), (x) => 1 - Math.exp(-2 * x)) < 1.95);
});

test("dropout drops a value at its rate, keeps the mean, and its gradient is its mask", () => {
  const x = tf.fill([COUNT], 3);
  const values = read(dropout(x, 0.3, 7));
  const dropped = values.filter((value) => value === 0).length;
  assert.ok(Math.abs(dropped / COUNT - 0.3) < 3 * Math.sqrt(0.21 / COUNT));
  assert.ok(values.every((value) => value === 0 || Math.abs(value - 3 / 0.7) < 1e-6));
  const gradient = read(tf.grad((y) => tf.sum(dropout(y, 0.3, 7)))(x));
  assert.deepEqual(gradient.map((g) => Math.sign(g)), values.map(Math.sign));
  assert.ok(gradient.every((g) => g === 0 || Math.abs(g - 1 / 0.7) < 1e-6));
  assert.deepEqual(read(dropout(x, 0, 7)), new Array(COUNT).fill(3));
  const rows = dropout(tf.ones([50, 8]) as Tensor2D, 0.5, 8, [50, 1]).arraySync() as number[][];
  assert.ok(rows.every((row) => row.every((value) => value === row[0])) && new Set(rows.map((row) => row[0])).size === 2);
});

test("multinomial draws in proportion to softmax(logits), row by row", () => {
  const p = [[0.5, 0.25, 0.125, 0.125], [0.1, 0.2, 0.3, 0.4]];
  const drawn = multinomial(tf.tensor2d(p.map((row) => row.map((x) => Math.log(x) + 3))), COUNT, 9);
  assert.deepEqual([drawn.shape, drawn.dtype], [[2, COUNT], "int32"]);
  const rows = drawn.arraySync();
  // 16.27 is the quantile at 0.999 with 3 degrees of freedom.
  rows.forEach((row, i) => assert.ok(chiSquare([0, 1, 2, 3].map((k) => row.filter((x) => x === k).length), p[i]!.map((x) => x * COUNT)) < 16.27));
  const line = multinomial(tf.tensor1d([0, -Infinity, 0]), 200, 10);
  assert.deepEqual([line.shape, [...new Set(line.dataSync())].sort()], [[200], [0, 2]]);
});

test("streams of neighbouring seeds are independent", () => {
  const [a, b] = [read(statelessNormal([COUNT], 100)), read(statelessNormal([COUNT], 101))];
  const correlation = a.reduce((sum, x, i) => sum + x * b[i]!, 0) / COUNT;
  assert.ok(Math.abs(correlation) < 3 / Math.sqrt(COUNT));
});

test("what is no seed, rate, shape or limit is refused with its value", () => {
  for (const seed of [-1, 0.5, NaN, 2 ** 53]) assert.throws(() => statelessUniform([2], seed), /A seed is a whole number from 0/);
  assert.throws(() => statelessUniform([2], tf.tensor1d([1, 2])), /A seed tensor is int32 \[2\]; this one is float32 \[2\]/);
  assert.throws(() => statelessUniform([2], tf.tensor1d([1, 2, 3], "int32")), /this one is int32 \[3\]/);
  assert.throws(() => statelessNormal([-2], 1), /non-negative|Tensor must have a shape/);
  assert.throws(() => statelessUniformInt([2], 1, 3, 3), /the lower below the upper; they are 3 and 3/);
  assert.throws(() => statelessGamma([2], 1, -1), /they are -1 and 1/);
  assert.throws(() => dropout(tf.ones([2]), 1, 1), /rate lies in \[0, 1\), it is 1/);
  assert.throws(() => dropout(tf.ones([2], "int32"), 0.5, 1), /must be float32, not int32/);
  assert.throws(() => multinomial(tf.ones([1]) as Tensor1D, 3, 1), /at least 2 outcomes, not 1/);
  assert.throws(() => multinomial(tf.ones([1, 1, 2]) as never, 3, 1), /rank 1 or 2, not \[1,1,2\]/);
});
