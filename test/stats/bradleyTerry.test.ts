import assert from "node:assert/strict";
import { test } from "node:test";
import { bradleyTerry, type Comparison } from "../../src/stats/bradleyTerry";
import { allClose } from "../engine/close";
import { fixture } from "./statsFixture";

const times = <T>(count: number, value: T): T[] => new Array<T>(count).fill(value);
const game = (first: string, second: string, score: number): Comparison<string> => ({ first, second, score });
const scoresOf = (fit: { item: string | number; score: number }[]): Map<string | number, number> => new Map(fit.map(({ item, score }) => [item, score]));

test("baseball of 1987: the scores that Agresti publishes", () => {
  // Agresti, "Categorical Data Analysis", second edition, section 10.6.1: wins in the American League's eastern division, and
  // the fitted log-strengths relative to Baltimore's, as the vignette of R's BradleyTerry2 prints them.
  const teams = ["Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore"];
  const wins = [
    [0, 7, 9, 7, 7, 9, 11], [6, 0, 7, 5, 11, 9, 9], [4, 6, 0, 7, 7, 8, 12], [6, 8, 6, 0, 6, 7, 10], [6, 2, 6, 7, 0, 7, 12], [4, 4, 5, 6, 6, 0, 6], [2, 4, 1, 3, 1, 7, 0],
  ];
  const games = wins.flatMap((row, i) => row.flatMap((count, j) => times(count, i < j ? game(teams[i]!, teams[j]!, 1) : game(teams[j]!, teams[i]!, 0))));
  const fit = bradleyTerry(games);
  assert.deepEqual(fit.map(({ item }) => item), ["Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore"]);
  const scores = scoresOf(fit);
  allClose(teams.map((team) => scores.get(team)! - scores.get("Baltimore")!), [1.5814, 1.4364, 1.2945, 1.2476, 1.1077, 0.6839, 0], 5e-5);
});

test("of two items the difference is the log of the odds; a tie is half a win of each", () => {
  const difference = (games: Comparison<string>[]): number => scoresOf(bradleyTerry(games)).get("a")! - scoresOf(bradleyTerry(games)).get("b")!;
  allClose([difference([...times(3, game("a", "b", 1)), game("a", "b", 0)])], [Math.log(3)], 1e-9);
  allClose([difference([...times(3, game("a", "b", 1)), ...times(2, game("b", "a", 0.5)), game("b", "a", 1)])], [Math.log(4 / 2)], 1e-9);
  const fit = bradleyTerry([game("a", "b", 0.5)]);
  allClose(fit.map(({ score }) => score), [0, 0], 1e-12);
});

test("greatest likelihood and the Gamma prior are choix's", () => {
  const { rankings, items, greatestLikelihood, prior, withPrior } = fixture.strengths[0]!;
  const games = rankings.map(([winner, loser]) => ({ first: loser!, second: winner!, score: 0 }));
  const all = Array.from({ length: items }, (_, item) => item);
  const scores = scoresOf(bradleyTerry(games));
  allClose(all.map((item) => scores.get(item)!), greatestLikelihood, 1e-5);
  const pulled = scoresOf(bradleyTerry(games, { prior }));
  allClose(all.map((item) => pulled.get(item)!), withPrior, 1e-6);
});

test("where the likelihood has no maximum the items are named, and a prior helps", () => {
  const games = [game("a", "b", 1), game("b", "a", 1), game("a", "c", 1), game("b", "c", 1)];
  assert.throws(() => bradleyTerry(games), /Of c none ever ranks above one of a, b, so how much weaker they are is not known/);
  assert.throws(() => bradleyTerry(games.map(({ first, second, score }) => game(first, second, 1 - score))), /Of a, b none ever ranks above one of c/);
  assert.throws(() => bradleyTerry([game("a", "b", 0.5), game("c", "d", 0.5)]), /Of a, b none ever ranks above one of c, d/);
  const fit = bradleyTerry(games, { prior: 0.1 });
  assert.equal(fit[2]!.item, "c");
  assert.ok(fit.every(({ score }) => Number.isFinite(score)));
});

test("comparisons that are none are refused by their number", () => {
  assert.throws(() => bradleyTerry([game("a", "b", 1), game("a", "a", 1)]), /Comparison 1 compares a with itself/);
  assert.throws(() => bradleyTerry([game("a", "b", 2)]), /Comparison 0 has the score 2/);
  assert.throws(() => bradleyTerry([game("a", "b", NaN)]), /Comparison 0 has the score NaN/);
  assert.throws(() => bradleyTerry([]), /at least two items; there are none/);
  assert.throws(() => bradleyTerry([game("a", "b", 0.5)], { prior: -1 }), /prior is -1/);
});
