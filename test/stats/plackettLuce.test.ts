import assert from "node:assert/strict";
import { test } from "node:test";
import { plackettLuce } from "../../src/stats/plackettLuce";
import { allClose } from "../engine/close";
import { fixture } from "./statsFixture";

const { rankings, items, greatestLikelihood, prior, withPrior } = fixture.strengths[1]!;
const inOrder = (fit: { item: number; score: number }[]): number[] => [...fit].sort((a, b) => a.item - b.item).map(({ score }) => score);

/** The model's definition: the best is chosen from all, then from those that are left. */
function logLikelihood(scores: readonly number[]): number {
  return rankings.reduce((sum, ranking) => sum + ranking.reduce((one, item, place) => one + scores[item]! - Math.log(ranking.slice(place).reduce((rest, other) => rest + Math.exp(scores[other]!), 0)), 0), 0);
}

test("scores of partial rankings are choix's, without a prior and with one", () => {
  assert.ok(new Set(rankings.map(({ length }) => length)).size > 2, "rankings of several lengths");
  const fit = plackettLuce(rankings);
  assert.equal(fit.length, items);
  assert.deepEqual(fit.map(({ score }) => score), fit.map(({ score }) => score).sort((a, b) => b - a));
  allClose(inOrder(fit), greatestLikelihood, 1e-5);
  allClose(inOrder(plackettLuce(rankings, { prior })), withPrior, 1e-6);
});

test("at the scores the likelihood has no slope, and is less all around", () => {
  const scores = inOrder(plackettLuce(rankings));
  const moved = (item: number, by: number): number => logLikelihood(scores.map((score, i) => (i === item ? score + by : score)));
  for (let item = 0; item < items; item++) {
    allClose([(moved(item, 1e-4) - moved(item, -1e-4)) / 2e-4], [0], 1e-6);
    assert.ok(moved(item, 0.1) < logLikelihood(scores) && moved(item, -0.1) < logLikelihood(scores));
  }
});

test("rankings that are none, or leave the strengths open, are refused", () => {
  assert.throws(() => plackettLuce([["a", "b"], ["a"]]), /Ranking 1 has 1 item; at least two are needed/);
  assert.throws(() => plackettLuce([["a", "b", "a"]]), /Ranking 0 has a twice/);
  assert.throws(() => plackettLuce([["a", "b", "c"], ["b", "a", "c"]]), /Of c none ever ranks above one of a, b/);
  assert.doesNotThrow(() => plackettLuce([["a", "b", "c"], ["c", "b", "a"]]));
  assert.throws(() => plackettLuce([["a", "b", "c"]]), /no maximum.*or give a prior/);
});
