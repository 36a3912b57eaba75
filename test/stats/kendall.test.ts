import assert from "node:assert/strict";
import { test } from "node:test";
import { kendallTau } from "../../src/stats/kendall";
import { allClose } from "../engine/close";
import { fixture } from "./statsFixture";

test("tau-b is scipy's, with ties and without", () => {
  for (const { first, second, tau } of fixture.kendall) allClose([kendallTau(first, second)], [tau], 1e-12);
});

test("1 for the same order, −1 for the reverse, and a tie counts against neither", () => {
  assert.equal(kendallTau([1, 2, 3, 4], [10, 20, 30, 40]), 1);
  assert.equal(kendallTau([1, 2, 3, 4], [4, 3, 2, 1]), -1);
  // Five pairs in one order, one tied in one of the two: 5/√(6·5).
  allClose([kendallTau([1, 2, 3, 4], [1, 2, 3, 3])], [5 / Math.sqrt(30)], 1e-12);
  allClose([kendallTau([-Infinity, 0, Infinity], Float32Array.of(1, 2, 3))], [1], 0);
  assert.ok(Number.isNaN(kendallTau([1, 1, 1], [1, 2, 3])));
});

test("lists that are no two rankings of the same items are refused", () => {
  assert.throws(() => kendallTau([1, 2], [1]), /first ranking has 2 items, the second 1/);
  assert.throws(() => kendallTau([1], [1]), /at least two items; there is one/);
  assert.throws(() => kendallTau([1, 2], [1, NaN]), /Item 1 of the second ranking is NaN/);
});
