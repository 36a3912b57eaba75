import assert from "node:assert/strict";
import { test } from "node:test";
import type { Scalar, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { KL_ESTIMATORS, klTerms } from "../../src/loss/kl";
import { GRPO_LOSS_TYPES, grpoLoss, ppoPolicyLoss, reinforceLoss, valueLoss, type GrpoLossType } from "../../src/loss/policyGradient";
import { allClose } from "../engine/close";
import { mean, randomRows } from "./float64";

const [batch, width] = [3, 7];
const mask = [[1, 1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0]];
const logps = randomRows(batch, width, 5, 0.4);
const oldLogps = randomRows(batch, width, 6, 0.4);
const refLogps = randomRows(batch, width, 7, 0.4);
const advantages = randomRows(batch, width, 8);
const matrix = (rows: number[][]): Tensor2D => tf.tensor2d(rows);
const clip = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));

/** One value for each token that counts, in reading order. */
const tokens = (of: (b: number, t: number) => number): number[] => mask.flatMap((row, b) => row.flatMap((counts, t) => (counts ? [of(b, t)] : [])));
const terms = (own = logps) => ({ logps: matrix(own), oldLogps: matrix(oldLogps), advantages: matrix(advantages), mask: matrix(mask) });

function surrogate(own: number[][], b: number, t: number, low = 0.2, high = low): number {
  const ratio = Math.exp(own[b]![t]! - oldLogps[b]![t]!);
  return -Math.min(ratio * advantages[b]![t]!, clip(ratio, 1 - low, 1 + high) * advantages[b]![t]!);
}

/** The gradient by finite differences in float64. */
function slopes(loss: (own: number[][]) => number): number[] {
  return logps.flatMap((row, b) => row.map((_, t) => {
    const moved = (by: number): number[][] => logps.map((own, i) => own.map((x, j) => (i === b && j === t ? x + by : x)));
    return (loss(moved(1e-6)) - loss(moved(-1e-6))) / 2e-6;
  }));
}

test("PPO's loss and gradient are equation 7's, and its figures count the tokens", () => {
  const loss = (own: number[][]): number => mean(tokens((b, t) => surrogate(own, b, t)));
  const { loss: measured, clipFraction, approxKl, ratio } = ppoPolicyLoss(terms());
  allClose(measured.dataSync(), [loss(logps)], 1e-6);
  allClose(tf.grad((own) => ppoPolicyLoss({ ...terms(), logps: own as Tensor2D }).loss)(matrix(logps)).dataSync(), slopes(loss), 1e-6);
  const held = tokens((b, t) => {
    const r = Math.exp(logps[b]![t]! - oldLogps[b]![t]!);
    return Number(advantages[b]![t]! > 0 ? r > 1.2 : r < 0.8);
  });
  assert.ok(mean(held) > 0.1 && mean(held) < 0.9, "the case has clipped and free tokens");
  allClose(clipFraction.dataSync(), [mean(held)], 1e-6);
  allClose(approxKl.dataSync(), [mean(tokens((b, t) => (logps[b]![t]! - oldLogps[b]![t]!) ** 2)) / 2], 1e-6);
  allClose(ratio.dataSync(), [mean(tokens((b, t) => Math.exp(logps[b]![t]! - oldLogps[b]![t]!)))], 1e-6);
});

test("at the old policy the gradient is the policy gradient: −Â by the number of tokens", () => {
  const slope = tf.grad((own) => ppoPolicyLoss({ ...terms(), logps: own as Tensor2D }).loss)(matrix(oldLogps)).dataSync();
  const count = mask.flat().reduce((a, b) => a + b);
  allClose(slope, advantages.flatMap((row, b) => row.map((a, t) => (mask[b]![t] ? -a / count : 0))), 1e-6);
});

test("the value loss is the greater of both squares, halved; without a clip the plain square", () => {
  const values = { values: matrix(logps), oldValues: matrix(oldLogps), returns: matrix(advantages), mask: matrix(mask) };
  const free = (b: number, t: number): number => (logps[b]![t]! - advantages[b]![t]!) ** 2;
  const held = (b: number, t: number): number => (clip(logps[b]![t]!, oldLogps[b]![t]! - 0.2, oldLogps[b]![t]! + 0.2) - advantages[b]![t]!) ** 2;
  const { loss, clipFraction } = valueLoss(values);
  allClose(loss.dataSync(), [mean(tokens((b, t) => Math.max(free(b, t), held(b, t)))) / 2], 1e-6);
  allClose(clipFraction.dataSync(), [mean(tokens((b, t) => Number(held(b, t) > free(b, t))))], 1e-6);
  allClose(valueLoss(values, null).loss.dataSync(), [mean(tokens(free)) / 2], 1e-6);
});

test("GRPO's four means and its KL term are the papers'", () => {
  const k3 = (own: number[][], b: number, t: number): number => {
    const d = own[b]![t]! - refLogps[b]![t]!;
    return Math.exp(-d) - 1 + d;
  };
  const each = (own: number[][]) => (b: number, t: number): number => surrogate(own, b, t, 0.2, 0.28) + 0.04 * k3(own, b, t);
  const byType: Record<GrpoLossType, (own: number[][]) => number> = {
    grpo: (own) => mean(mask.map((row, b) => mean(row.flatMap((counts, t) => (counts ? [each(own)(b, t)] : []))))),
    bnpo: (own) => mean(tokens(each(own))),
    dapo: (own) => mean(tokens(each(own))),
    dr_grpo: (own) => tokens(each(own)).reduce((a, b) => a + b) / (batch * 10),
  };
  for (const lossType of GRPO_LOSS_TYPES) {
    const options = { lossType, range: { low: 0.2, high: 0.28 }, beta: 0.04, maxLength: 10 };
    const loss = (own: Tensor2D): Scalar => grpoLoss({ ...terms(), logps: own }, matrix(refLogps), options).loss;
    allClose(loss(matrix(logps)).dataSync(), [byType[lossType](logps)], 1e-6, lossType);
    allClose(tf.grad((own) => loss(own as Tensor2D))(matrix(logps)).dataSync(), slopes(byType[lossType]), 1e-6, lossType);
  }
  allClose(grpoLoss(terms(), matrix(refLogps)).kl!.dataSync(), [mean(tokens((b, t) => k3(logps, b, t)))], 1e-6);
  assert.equal(grpoLoss(terms(), null).kl, null);
  assert.throws(() => grpoLoss(terms(), null, { beta: 0.1 }), /refLogps is missing/);
});

test("REINFORCE is minus the mean of advantage times log-probability", () => {
  const [a, l] = [[1, -2, 0.5], [-10, -20, -5]];
  const slope = tf.grad((own) => reinforceLoss(own as Tensor1D, tf.tensor1d(a)))(tf.tensor1d(l));
  allClose(reinforceLoss(tf.tensor1d(l), tf.tensor1d(a)).dataSync(), [-(-10 + 40 - 2.5) / 3], 1e-6);
  allClose(slope.dataSync(), a.map((x) => -x / 3), 1e-6);
  assert.throws(() => reinforceLoss(tf.tensor1d(l), tf.tensor1d([1])), /advantages \[1\]/);
});

test("the KL estimators agree on average with the closed form, over draws from the policy", () => {
  const [p, q] = [[0.5, 0.3, 0.2], [0.4, 0.4, 0.2]];
  const exact = p.reduce((sum, x, i) => sum + x * Math.log(x / q[i]!), 0);
  const average = (estimator: (typeof KL_ESTIMATORS)[number]): number => {
    const each = klTerms(tf.tensor1d(p.map(Math.log)), tf.tensor1d(q.map(Math.log)), estimator).dataSync();
    return p.reduce((sum, x, i) => sum + x * each[i]!, 0);
  };
  allClose([average("k1"), average("k3")], [exact, exact], 1e-6);
  // k2 is biased, and right to the second order of the difference.
  assert.ok(Math.abs(average("k2") - exact) < 0.1 * exact && average("k2") !== exact);
});

test("inside jit the losses are the same; tensors of other shapes and ranges of 0 are refused; nothing is left behind", () => {
  const traced = jit((l: Tensor2D, o: Tensor2D, a: Tensor2D, m: Tensor2D) => ppoPolicyLoss({ logps: l, oldLogps: o, advantages: a, mask: m }).loss);
  const { logps: l, oldLogps: o, advantages: a, mask: m } = terms();
  allClose(traced(l, o, a, m).dataSync(), ppoPolicyLoss(terms()).loss.dataSync(), 1e-6);
  traced.dispose();
  assert.throws(() => ppoPolicyLoss({ ...terms(), mask: tf.ones([3, 6]) }), /mask has shape \[3,6\] and logps \[3,7\]/);
  assert.throws(() => ppoPolicyLoss(terms(), { low: 0 }), /clip range is 0 below/);
  const before = tf.memory().numTensors;
  tf.tidy(() => void grpoLoss(terms(), matrix(refLogps), { beta: 0.1 }));
  assert.equal(tf.memory().numTensors, before);
});
