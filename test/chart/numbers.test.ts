import assert from "node:assert/strict";
import { test } from "node:test";
import { countInBins, sharedEdges } from "../../src/chart/bins";
import { quantile } from "../../src/stats/quantile";
import { ecdf, histogram } from "../../src/chart/distribution";
import { plainNumbers } from "../../src/chart/figure";
import { defaultSpan, keptIndices, smooth } from "../../src/chart/series";
import { linearTicks, logTicks } from "../../src/chart/svg/ticks";
import { normal } from "./gallery";

test("smoothing: a constant stays, the first value is itself, a step follows its closed form, gaps stay", () => {
  assert.deepEqual(smooth([3, 3, 3, 3], 9).map((value) => Number(value.toFixed(12))), [3, 3, 3, 3]);
  assert.equal(smooth([7, 1, 2], 5)[0], 7);
  const keep = 1 - 2 / 6;
  const weights = [keep ** 2, keep, 1];
  const expected = (weights[0]! * 1 + weights[1]! * 4 + weights[2]! * 9) / (weights[0]! + weights[1]! + weights[2]!);
  assert.ok(Math.abs(smooth([1, 4, 9], 5)[2]! - expected) < 1e-12);
  assert.deepEqual(smooth([1, NaN, 1], 4).map(Number.isNaN), [false, true, false]);
  assert.deepEqual(smooth([1, 5, 2], 1), [1, 5, 2], "a span of 1 smooths nothing");
  assert.equal(defaultSpan(5), 1);
  assert.throws(() => smooth([1], 0), /span is 0/);
});

test("ticks stand on round numbers and say them", () => {
  assert.deepEqual(linearTicks(0, 1, 5).map((tick) => tick.label), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
  assert.deepEqual(linearTicks(-7, 12, 5).map((tick) => tick.label), ["−5", "0", "5", "10"]);
  assert.deepEqual(linearTicks(0, 250_000, 3).map((tick) => tick.label), ["0", "100,000", "200,000"]);
  assert.deepEqual(linearTicks(0, 5e-5, 5).map((tick) => tick.label), ["0", "10⁻⁵", "2×10⁻⁵", "3×10⁻⁵", "4×10⁻⁵", "5×10⁻⁵"]);
  assert.deepEqual(linearTicks(-1234.501, -1234.499, 2).map((tick) => tick.label), ["−1234.501", "−1234.500", "−1234.499"]);
  assert.deepEqual(logTicks(0, 3, 9).map((tick) => tick.label), ["1", "10", "100", "1000"]);
  assert.deepEqual(logTicks(-6, 2, 4).map((tick) => tick.label), ["10⁻⁶", "0.001", "1"]);
});

test("bins: every value counted once, edges shared and round, whole numbers in bins of their own", () => {
  const [a, b] = [normal(1000, 0, 1, 1), normal(500, 2, 3, 2)];
  const edges = sharedEdges([a, b]);
  for (const sample of [a, b]) {
    const counts = countInBins(sample, edges);
    assert.equal(counts.reduce((sum, count) => sum + count, 0), sample.length);
    counts.forEach((count, bin) => {
      const inside = sample.filter((value) => value >= edges[bin]! && (value < edges[bin + 1]! || bin === counts.length - 1)).length;
      assert.equal(count, inside, `bin ${bin}`);
    });
  }
  assert.deepEqual(sharedEdges([[1, 2, 3, 4]]), [0.5, 1.5, 2.5, 3.5, 4.5]);
  assert.deepEqual(countInBins([1, 1, 4], sharedEdges([[1, 1, 4]])), [2, 0, 0, 1]);
  assert.equal(sharedEdges([[5, 5]]).length, 2);
  assert.equal(quantile([1, 2, 3, 4], 0.5), 2.5);
  assert.throws(() => sharedEdges([[1, 2]], 0), /bins is 0/);
});

test("a histogram's densities have area one, its shares sum to one, its counts to the sample", () => {
  const samples = [{ name: "a", values: normal(400, 0, 1, 1) }, { name: "b", values: [...normal(100, 1, 1, 2), NaN, Infinity] }];
  for (const [scale, total] of [["density", undefined], ["share", 1], ["count", 400]] as const) {
    const figure = histogram({ title: "T", x: { label: "x" }, samples, scale });
    const trace = figure.data[0] as { y: number[]; width: number };
    const sum = trace.y.reduce((a, b) => a + b, 0);
    assert.ok(Math.abs((total ? sum / total : sum * trace.width) - 1) < 1e-4, `${scale}: ${sum}`);
  }
  const counted = histogram({ title: "T", x: { label: "x" }, samples, scale: "count" });
  assert.equal((counted.data[1] as { y: number[] }).y.reduce((a, b) => a + b, 0), 100, "values that are not finite are left out");
});

test("an ECDF rises from 0 to 1 and is the share at or below each value", () => {
  const trace = ecdf({ title: "T", x: { label: "x" }, samples: [{ name: "a", values: [3, 1, 2, 2] }] }).data[0] as { x: number[]; y: number[] };
  assert.deepEqual(trace.x, [1, 1, 2, 2, 3]);
  assert.deepEqual(trace.y, [0, 0.25, 0.5, 0.75, 1]);
});

test("a figure's numbers are rounded where nobody sees it, and gaps become null", () => {
  assert.deepEqual(plainNumbers([1 / 3, NaN, -Infinity, null, undefined, 0]), [0.333333, null, null, null, null, 0]);
  const far = plainNumbers([-1234.500001, -1234.500002]);
  assert.notEqual(far[0], far[1], "close values far from zero stay apart");
  assert.deepEqual(plainNumbers(new Float32Array([1e-7, 20])), [1e-7, 20], "small values beside large ones stay");
});

test("thinning keeps first, last, the extremes and the gaps", () => {
  const values = Array.from({ length: 50_000 }, (_, index) => Math.sin(index / 1000));
  values[12_345] = 9;
  values[23_456] = -9;
  values[34_567] = NaN;
  const kept = keptIndices(values);
  assert.ok(kept.length <= 3000);
  for (const index of [0, 12_345, 23_456, 34_567, 49_999]) assert.ok(kept.includes(index), `index ${index}`);
});
