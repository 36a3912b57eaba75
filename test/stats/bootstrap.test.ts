import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomSource } from "../../src/engine/random";
import { bootstrapDifference, bootstrapMean } from "../../src/stats/bootstrap";
import { allClose } from "../engine/close";

const normals = (count: number, seed: number): number[] => {
  const random = new RandomSource(seed);
  return Array.from({ length: count }, () => random.normal());
};
const width = ({ low, high }: { low: number; high: number }): number => high - low;

test("of zeros and ones the bounds are the quantiles of the binomial distribution", () => {
  // Of Binomial(20, 0.3): P(X ≤ 1) = 0.008, P(X ≤ 2) = 0.035; P(X ≤ 9) = 0.952, P(X ≤ 10) = 0.983.
  const values = Array.from({ length: 20 }, (_, i) => (i < 6 ? 1 : 0));
  const { mean, low, high } = bootstrapMean(values);
  allClose([mean, low, high], [0.3, 0.1, 0.5], 1e-12);
});

test("clusters are drawn whole: copies of a value under its key change nothing, and as values of their own feign certainty", () => {
  const values = normals(30, 1);
  const [copies, clusters] = [values.flatMap((value) => new Array<number>(8).fill(value)), values.flatMap((_, i) => new Array<string>(8).fill(`prompt ${i}`))];
  const plain = bootstrapMean(values);
  const clustered = bootstrapMean(copies, { clusters });
  allClose(Object.values(clustered), Object.values(plain), 1e-12);
  const ratio = width(plain) / width(bootstrapMean(copies));
  assert.ok(ratio > 2.6 && ratio < 3.05, `${ratio} is not near √8`);
  // Two clusters, {1} and {0, 0, 0}: means 1, 1/4 and 0, with chances 1/4, 1/2 and 1/4.
  const uneven = (level: number): number[] => Object.values(bootstrapMean([1, 0, 0, 0], { clusters: ["a", "b", "b", "b"], level }));
  assert.deepEqual(uneven(0.4), [0.25, 0.25, 0.25]);
  assert.deepEqual(uneven(0.95), [0.25, 0, 1]);
});

test("of many values the bounds are those of the normal distribution", () => {
  const values = normals(400, 2);
  const { mean, low, high } = bootstrapMean(values);
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 400);
  allClose([low, high], [mean - (1.96 * deviation) / 20, mean + (1.96 * deviation) / 20], 0.005);
  allClose([width(bootstrapMean(values, { level: 0.8 }))], [(2 * 1.2816 * deviation) / 20], 0.01);
});

test("a difference of pairs leaves out what both have in common", () => {
  const before = normals(200, 3);
  const noise = normals(200, 4);
  const after = before.map((value, i) => value + 0.3 + 0.1 * noise[i]!);
  const difference = bootstrapDifference(Float32Array.from(before), after);
  allClose(Object.values(difference), Object.values(bootstrapMean(after.map((value, i) => value - Math.fround(before[i]!)))), 1e-12);
  assert.ok(difference.low > 0.27 && difference.high < 0.33);
  assert.ok(width(bootstrapMean(after)) > 5 * width(difference));
});

test("about 95 of 100 intervals hold the truth where clusters are named, and far fewer where they are not", () => {
  const [prompts, samples] = [30, 4];
  const clusters = Array.from({ length: prompts * samples }, (_, i) => i % prompts);
  const holds = (options: object): number => Array.from({ length: 200 }, (_, seed) => {
    const [shared, own] = [normals(prompts, 1000 + seed), normals(prompts * samples, 5000 + seed)];
    const { low, high } = bootstrapMean(own.map((value, i) => value * 0.5 + shared[i % prompts]!), { resamples: 400, seed, ...options });
    return low <= 0 && high >= 0 ? 1 : 0;
  }).reduce((sum: number, held) => sum + held, 0) / 200;
  // Of 200 intervals the share has a deviation of 0.015; 30 clusters are few, which costs some of the 95.
  assert.ok(holds({ clusters }) > 0.89);
  assert.ok(holds({}) < 0.8);
});

test("the same seed gives the same interval", () => {
  const values = normals(50, 7);
  assert.deepEqual(bootstrapMean(values, { seed: 3 }), bootstrapMean(values, { seed: 3 }));
  assert.notDeepEqual(bootstrapMean(values, { seed: 3 }), bootstrapMean(values, { seed: 4 }));
});

test("what makes no interval is refused", () => {
  assert.throws(() => bootstrapMean([]), /needs at least two values to tell how much they differ; there are none/);
  assert.throws(() => bootstrapMean([1]), /at least two values .* there is one/);
  assert.throws(() => bootstrapMean([1, 2], { clusters: ["a", "a"] }), /at least two clusters .* there is one/);
  assert.throws(() => bootstrapMean([1, 2], { clusters: ["a"] }), /There are 2 values and 1 clusters/);
  assert.throws(() => bootstrapMean([1, NaN]), /Value 1 is NaN/);
  assert.throws(() => bootstrapMean([1, 2], { level: 95 }), /level is 95; a share between 0 and 1/);
  assert.throws(() => bootstrapMean([1, 2], { resamples: 1 }), /resamples is 1/);
  assert.throws(() => bootstrapDifference([1, 2], [1]), /There are 2 values before and 1 after/);
});
