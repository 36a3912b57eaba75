import assert from "node:assert/strict";
import { test } from "node:test";
import { RandomSource } from "../../src/engine/random";
import { reliability } from "../../src/loss/calibration";
import { allClose } from "../engine/close";

const logit = (p: number): number => Math.log(p / (1 - p));

test("confidences are σ of the absolute difference, and a bin's accuracy the share of right predictions", () => {
  const { bins, expectedCalibrationError } = reliability([logit(0.55), -logit(0.58), logit(0.95), logit(0.91), logit(0.93), -logit(0.97), Infinity], 5);
  assert.deepEqual(bins.map(({ count }) => count), [2, 0, 0, 0, 5]);
  allClose(bins.flatMap(({ from, to }) => [from, to]), [0.5, 0.6, 0.6, 0.7, 0.7, 0.8, 0.8, 0.9, 0.9, 1], 1e-12);
  allClose([bins[0]!.confidence, bins[0]!.accuracy, bins[4]!.confidence, bins[4]!.accuracy], [0.565, 0.5, (0.95 + 0.91 + 0.93 + 0.97 + 1) / 5, 0.8], 1e-12);
  assert.ok(Number.isNaN(bins[1]!.confidence) && Number.isNaN(bins[1]!.accuracy));
  allClose([expectedCalibrationError], [(2 * 0.065 + 5 * 0.152) / 7], 1e-12);
});

test("a tie is half right at confidence one half, so it costs no calibration", () => {
  const { bins, expectedCalibrationError } = reliability([0, 0, 0], 2);
  assert.deepEqual([bins[0]!.count, bins[0]!.confidence, bins[0]!.accuracy, expectedCalibrationError], [3, 0.5, 0.5, 0]);
});

test("pairs drawn from the Bradley–Terry model itself are calibrated; differences twice as large are overconfident", () => {
  const random = new RandomSource(5);
  const differences = Array.from({ length: 20_000 }, () => {
    const difference = 3 * random.normal();
    return random.uniform() < 1 / (1 + Math.exp(-difference)) ? difference : -difference;
  });
  // With 20,000 pairs in 5 bins the error's own noise is about 0.003.
  assert.ok(reliability(differences).expectedCalibrationError < 0.01);
  const doubled = reliability(differences.map((difference) => 2 * difference));
  assert.ok(doubled.expectedCalibrationError > 0.04 && doubled.bins.every(({ confidence, accuracy }) => confidence > accuracy));
});

test("no pairs, a margin that is no number and bins that are none are refused", () => {
  assert.throws(() => reliability([]), /at least one pair/);
  assert.throws(() => reliability([1, NaN]), /margin of pair 1 is no number/);
  for (const bins of [0, 1.5, -2]) assert.throws(() => reliability([1], bins), /bins is/);
});
