import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { rewardLoss, rewardLosses, rewardModelMetrics } from "../../src/loss/reward";
import { allClose } from "../engine/close";

const vector = (values: readonly number[]): Tensor1D => tf.tensor1d([...values]);
const chosen = [1.25, -0.5, 3, 0];
const rejected = [0.25, 0.75, -2, 0];
const margin = [0.5, 1, 0, 2];
const losses = (withMargin: boolean): number[] => chosen.map((c, i) => Math.log1p(Math.exp(rejected[i]! - c + (withMargin ? margin[i]! : 0))));
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b) / values.length;

test("the loss is −log σ of the difference less the margin, and centring adds λ·(r_w + r_l)²", () => {
  const pair = { chosen: vector(chosen), rejected: vector(rejected) };
  allClose(rewardLosses(pair).dataSync(), losses(false), 1e-6);
  allClose(rewardLosses({ ...pair, margin: vector(margin) }).dataSync(), losses(true), 1e-6);
  const penalty = 0.3 * mean(chosen.map((c, i) => (c + rejected[i]!) ** 2));
  allClose(rewardLoss({ ...pair, margin: vector(margin) }, { centerRewardsCoefficient: 0.3 }).dataSync(), [mean(losses(true)) + penalty], 1e-6);
  allClose(rewardLoss(pair).dataSync(), [mean(losses(false))], 1e-6);
});

test("two equal rewards cost ln 2; differences of ±10⁴ give the right loss and gradient", () => {
  const at = (difference: number): number => rewardLoss({ chosen: vector([difference]), rejected: vector([0]) }).dataSync()[0]!;
  allClose([at(0), at(-1e4), at(1e4)], [Math.LN2, 1e4, 0], 1e-7);
  const slope = tf.grad((c) => rewardLoss({ chosen: c as Tensor1D, rejected: vector([0, 0]) }))(vector([1e4, -1e4]));
  assert.deepEqual([...slope.dataSync()].map((x) => x + 0), [0, -0.5]);
});

test("a constant added to all rewards changes no Bradley–Terry loss, and the centring alone draws it to 0", () => {
  const shifted = (by: number, centerRewardsCoefficient: number | null): number => rewardLoss({ chosen: vector(chosen.map((c) => c + by)), rejected: vector(rejected.map((r) => r + by)) }, { centerRewardsCoefficient }).dataSync()[0]!;
  allClose([shifted(7, null)], [shifted(0, null)], 1e-6);
  assert.ok(shifted(7, 0.01) > shifted(0, 0.01) + 1);
});

test("metrics have TRL's names; a tie counts as wrong", () => {
  const measured = rewardModelMetrics({ chosen: vector(chosen), rejected: vector(rejected) });
  const values = Object.fromEntries(Object.entries(measured).map(([name, value]) => [name, value.dataSync()[0]!]));
  assert.deepEqual(values, { accuracy: 0.5, margin: mean(chosen) - mean(rejected), mean_reward: mean([...chosen, ...rejected]), min_reward: -2, max_reward: 3 });
});

test("traced inside jit it gives the same figures; nothing is left behind", () => {
  const inputs = [chosen, rejected, margin].map(vector) as [Tensor1D, Tensor1D, Tensor1D];
  const figures = (chosen: Tensor1D, rejected: Tensor1D, margin: Tensor1D) => [rewardLoss({ chosen, rejected, margin }, { centerRewardsCoefficient: 0.1 }), ...Object.values(rewardModelMetrics({ chosen, rejected }))];
  const before = tf.memory().numTensors;
  const traced = jit(figures);
  const [ours, eager] = tf.tidy(() => [traced(...inputs), figures(...inputs)].map((list) => list.map((x) => x.dataSync()[0])));
  assert.deepEqual(ours, eager);
  assert.equal(tf.memory().numTensors, before);
  traced.dispose();
});

test("tensors of other lengths, no pairs and a coefficient below 0 are refused", () => {
  const pair = { chosen: vector([1, 2]), rejected: vector([1, 2]) };
  assert.throws(() => rewardLosses({ ...pair, rejected: vector([1]) }), /rejected has shape \[1\].*like chosen \[2\]/);
  assert.throws(() => rewardLosses({ ...pair, margin: tf.zeros([2, 1]) as never }), /margin has shape \[2,1\]/);
  assert.throws(() => rewardModelMetrics({ chosen: tf.zeros([0]) as Tensor1D, rejected: tf.zeros([0]) as Tensor1D }), /at least one pair/);
  for (const bad of [-0.1, NaN, Infinity]) assert.throws(() => rewardLoss(pair, { centerRewardsCoefficient: bad }), /centerRewardsCoefficient is/);
});
