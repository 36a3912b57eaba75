import assert from "node:assert/strict";
import { test } from "node:test";
import { krippendorffAlpha } from "../../src/stats/krippendorff";
import { allClose } from "../engine/close";
import { fixture } from "./statsFixture";

test("alpha is that of Krippendorff's own example", () => {
  // Krippendorff 2011, "Computing Krippendorff's alpha-reliability", example C: four observers, twelve units, nine of 48 values missing.
  const ratings = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, null, null, null],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, null, 3],
    [null, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, null],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, null],
  ];
  allClose([krippendorffAlpha(ratings), krippendorffAlpha(ratings, "ordinal"), krippendorffAlpha(ratings, "interval")], [0.743, 0.815, 0.849], 6e-4);
});

test("alpha is the krippendorff package's, with values missing and without", () => {
  for (const { ratings, ...levels } of fixture.krippendorff) {
    for (const level of ["nominal", "ordinal", "interval"] as const) allClose([krippendorffAlpha(ratings, level)], [levels[level]], 1e-9, level);
  }
});

test("1 for raters who agree, below 0 for raters who never do; NaN counts as missing, as do units that one rater has", () => {
  assert.equal(krippendorffAlpha([[1, 2, 3], [1, 2, 3]], "ordinal"), 1);
  assert.ok(krippendorffAlpha([[1, 2, 1, 2], [2, 1, 2, 1]]) < -0.5);
  assert.equal(krippendorffAlpha([[1, 2, 1, NaN], [1, 2, 2, 7]]), krippendorffAlpha([[1, 2, 1], [1, 2, 2]]));
  assert.ok(Number.isNaN(krippendorffAlpha([[3, 3], [3, 3]])));
});

test("data that say nothing are refused", () => {
  assert.throws(() => krippendorffAlpha([[1, 2, 3]]), /No unit has values of two raters/);
  assert.throws(() => krippendorffAlpha([[1, null], [null, 2]]), /No unit has values of two raters/);
  assert.throws(() => krippendorffAlpha([]), /No unit has values of two raters/);
  assert.throws(() => krippendorffAlpha([[1, 2], [1]]), /Rater 1 has 1 values, rater 0 has 2/);
  assert.throws(() => krippendorffAlpha([[1], [1]], "ratio" as never), /level is "ratio"; one of nominal, ordinal, interval/);
});
