import assert from "node:assert/strict";
import { test } from "node:test";
import { meanInterval, studentT, wilson } from "../../src/stats/interval";

const close = (value: number, wanted: number, within: number): void => assert.ok(Math.abs(value - wanted) <= within, `${value} is not ${wanted}`);

test("intervals: Student's t as in printed tables, Wilson's as by his formula, a single run without one", () => {
  // Points of t at 97.5 % as printed in tables (Abramowitz and Stegun 1964, table 26.10).
  for (const [freedom, printed] of [[1, 12.706], [2, 4.303], [3, 3.182], [4, 2.776], [9, 2.262], [30, 2.042], [120, 1.98]] as const) {
    assert.ok(Math.abs(studentT(freedom) / printed - 1) < 2e-3, `t of ${freedom} is ${studentT(freedom)}`);
  }
  const { mean, low, high } = meanInterval([1, 2, 3, 4, 5]);
  close(mean, 3, 1e-12);
  close(high - low, 2 * 2.776 * Math.sqrt(2.5 / 5), 0.01);
  assert.deepEqual(meanInterval([7]), { mean: 7, low: 7, high: 7 });
  // The bounds solve (p − share)² = z²·p·(1 − p)/n.
  for (const [share, count] of [[0.3, 20], [1, 5], [0, 8]] as const) {
    for (const bound of Object.values(wilson(share, count))) close((bound - share) ** 2, (1.959964 ** 2 * bound * (1 - bound)) / count, 1e-6);
  }
});
