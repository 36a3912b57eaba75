import assert from "node:assert/strict";
import { test } from "node:test";
import { gae, groupAdvantages, leaveOneOut, moments, MovingBaseline, whiten } from "../../src/loss/advantages";
import { adaptedKlCoef } from "../../src/loss/kl";
import { tokenRewards } from "../../src/loss/tokenRewards";
import { allClose } from "../engine/close";
import { mean, randomRows } from "./float64";

const lengths = [5, 1, 9, 3];
const ragged = (seed: number): number[][] => randomRows(4, 9, seed).map((row, at) => row.slice(0, lengths[at]));
const [rewards, values] = [ragged(3), ragged(4)];

/** Equation 16 of Schulman et al. 2016 as it stands: the sum of (γλ)^l·δ_{t+l}. */
function bySum(r: readonly number[], v: readonly number[], gamma: number, lambda: number): number[] {
  const delta = r.map((reward, t) => reward + gamma * (v[t + 1] ?? 0) - v[t]!);
  return delta.map((_, t) => delta.slice(t).reduce((sum, d, l) => sum + (gamma * lambda) ** l * d, 0));
}

test("gae is the paper's sum, for answers of any length", () => {
  for (const [gamma, lambda] of [[1, 0.95], [0.99, 0.9], [0.9, 0], [1, 1]] as const) {
    const { advantages, returns } = gae(rewards, values, { gamma, lambda });
    advantages.forEach((own, answer) => {
      const expected = bySum(rewards[answer]!, values[answer]!, gamma, lambda);
      allClose(own, expected, 1e-12);
      allClose(returns[answer]!, expected.map((a, t) => a + values[answer]![t]!), 1e-12);
    });
  }
});

test("with λ = 1 and γ = 1 a return is the sum of the rewards to come, whatever the values say", () => {
  const { returns } = gae(rewards, values, { gamma: 1, lambda: 1 });
  returns.forEach((own, answer) => allClose(own, rewards[answer]!.map((_, t) => rewards[answer]!.slice(t).reduce((a, b) => a + b)), 1e-12));
});

test("whitened numbers have mean 0 and variance 1 over the whole batch; without a shift the mean stays", () => {
  const { mean: m, variance } = moments(whiten(values).flat());
  allClose([m, variance], [0, 1], 1e-6);
  allClose([moments(whiten(values, { shiftMean: false }).flat()).mean], [mean(values.flat())], 1e-12);
  assert.deepEqual(whiten([[2]]), [[0]]);
  assert.throws(() => whiten([]), /no number/);
});

test("leave one out takes off the mean of the others, and sums to 0 in each group", () => {
  const own = leaveOneOut([1, 2, 6, 0, 0, 3], 3);
  allClose(own, [1 - 4, 2 - 3.5, 6 - 1.5, -1.5, -1.5, 3], 1e-12);
  allClose([own.slice(0, 3).reduce((a, b) => a + b)], [0], 1e-12);
  assert.throws(() => leaveOneOut([1, 2, 3], 2), /3 rewards do not make groups of 2/);
  assert.throws(() => leaveOneOut([1, 2], 1), /group size is 1/);
});

test("group advantages are divided by the group's deviation, the batch's or nothing; equal rewards give 0", () => {
  const r = [1, 3, 10, 10];
  allClose(groupAdvantages(r, 2), [-1 / (Math.SQRT2 + 1e-4), 1 / (Math.SQRT2 + 1e-4), 0, 0], 1e-12);
  allClose(groupAdvantages(r, 2, "none"), [-1, 1, 0, 0], 1e-12);
  const deviation = Math.sqrt((25 + 9 + 16 + 16) / 3) + 1e-4;
  allClose(groupAdvantages(r, 2, "batch"), [-1 / deviation, 1 / deviation, 0, 0], 1e-12);
});

test("the moving baseline starts where it is told to", () => {
  const fromZero = new MovingBaseline(0.9, 0);
  allClose([fromZero.update(5), fromZero.update(5)], [0.5, 0.95], 1e-12);
  const fromFirst = new MovingBaseline(0.9);
  allClose([fromFirst.update(5), fromFirst.update(6)], [5, 5.1], 1e-12);
  assert.throws(() => new MovingBaseline(1), /alpha is 1/);
});

const answers = { scores: [2, -7], logps: [[-1, -2, -0.5], [-3]], refLogps: [[-1.5, -1, -0.5], [-2]], ended: [true, false] };

test("a token's reward is minus β times its KL estimate, the last one's has the score on top", () => {
  const { rewards: r, kl, scores } = tokenRewards(answers, { klCoef: 0.1 });
  allClose(r[0]!, [-0.05, 0.1, 2], 1e-12);
  allClose(r[1]!, [0.1 - 7], 1e-12);
  allClose(kl, [-0.5, -1], 1e-12);
  assert.deepEqual(scores, [2, -7]);
  const k3 = (d: number): number => Math.exp(-d) - 1 + d;
  allClose(tokenRewards(answers, { klCoef: 0.1, klEstimator: "k3" }).kl, [k3(0.5) + k3(-1), k3(-1)], 1e-12);
  allClose(tokenRewards(answers, { klCoef: 0.1, klEstimator: "k2" }).kl, [0.125 + 0.5, 0.5], 1e-12);
});

test("scores are cut first, then an answer without its end loses the penalty", () => {
  assert.deepEqual(tokenRewards(answers, { scoreClip: 1.5, missingEosPenalty: 1 }).scores, [1.5, -2.5]);
});

test("what does not belong together is refused by name", () => {
  assert.throws(() => gae([[1, 2]], [[1]]), /Answer 0 has 1 values and 2 rewards/);
  assert.throws(() => tokenRewards({ ...answers, ended: [true] }), /1 ended for 2 answers/);
  assert.throws(() => tokenRewards({ scores: [1], ended: [true], logps: [[]], refLogps: [[]] }), /Answer 0 has no token/);
  assert.throws(() => tokenRewards(answers, { klEstimator: "k4" as never }), /"k4"; known are k1, k2, k3/);
});

test("the adaptive coefficient follows Ziegler et al.: at most 20 % of error counts", () => {
  allClose([adaptedKlCoef(0.2, 6.6, 256, { target: 6, horizon: 10_000 })], [0.2 * (1 + (0.1 * 256) / 10_000)], 1e-12);
  allClose([adaptedKlCoef(0.2, 60, 256, { target: 6, horizon: 10_000 }), adaptedKlCoef(0.2, 0, 256, { target: 6, horizon: 10_000 })], [0.2 * 1.00512, 0.2 * 0.99488], 1e-12);
});
