import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { expectedRating, probabilisticRewardLoss, pWin, pWinLogOdds, ratingMetrics, ratingSummary } from "../../src/loss/ratings";
import { allClose } from "../engine/close";
import { mean, randomRows, softmax } from "./float64";

const [pairs, ratings] = [6, 10];
const chosen = randomRows(pairs, ratings, 1, 3);
const rejected = randomRows(pairs, ratings, 2, 3);
const matrix = (rows: number[][]): Tensor2D => tf.tensor2d(rows);

/** The definition, by a double loop in float64. */
function wins(c: readonly number[], r: readonly number[]): number {
  const [p, q] = [softmax(c), softmax(r)];
  let sum = 0;
  for (let i = 0; i < p.length; i++) for (let j = 0; j < p.length; j++) if (i > j) sum += p[i]! * q[j]!;
  return sum;
}

test("pWin is the double sum over all i > j, also inside jit", () => {
  const expected = chosen.map((row, at) => wins(row, rejected[at]!));
  allClose(pWin(matrix(chosen), matrix(rejected)).dataSync(), expected, 1e-6);
  const traced = jit((c: Tensor2D, r: Tensor2D) => pWin(c, r));
  allClose(traced(matrix(chosen), matrix(rejected)).dataSync(), expected, 1e-6);
  traced.dispose();
});

test("both answers' chances of winning and the chance of a draw sum to 1", () => {
  const [a, b] = [matrix(chosen), matrix(rejected)];
  const draw = tf.sum(tf.mul(tf.softmax(a), tf.softmax(b)), 1);
  allClose(tf.addN([pWin(a, b), pWin(b, a), draw]).dataSync(), new Array(pairs).fill(1), 1e-6);
  allClose(pWin(tf.zeros([1, 10]), tf.zeros([1, 10])).dataSync(), [0.45], 1e-6);
});

test("the loss is the mean of −log pWin, and its gradient that of finite differences in float64", () => {
  const loss = (c: number[][]): number => -c.map((row, at) => Math.log(wins(row, rejected[at]!))).reduce((a, b) => a + b) / pairs;
  allClose(probabilisticRewardLoss(matrix(chosen), matrix(rejected)).dataSync(), [loss(chosen)], 1e-5);
  const gradient = tf.grad((c) => probabilisticRewardLoss(c as Tensor2D, matrix(rejected)))(matrix(chosen)).dataSync();
  const numeric = chosen.flatMap((row, at) => row.map((_, k) => {
    const moved = (by: number): number[][] => chosen.map((own, i) => own.map((x, j) => (i === at && j === k ? x + by : x)));
    return (loss(moved(1e-5)) - loss(moved(-1e-5))) / 2e-5;
  }));
  allClose(gradient, numeric, 1e-5);
});

test("a probability below 1e-8 costs −log 1e-8, with no gradient; logits of ±10⁴ stay finite", () => {
  const sure = (rating: number): Tensor2D => tf.oneHot(tf.tensor1d([rating], "int32"), ratings).mul(1e4) as Tensor2D;
  allClose(probabilisticRewardLoss(sure(0), sure(9)).dataSync(), [-Math.log(1e-8)], 1e-5);
  allClose(probabilisticRewardLoss(sure(9), sure(0)).dataSync(), [0], 1e-6);
  allClose(tf.grad((c) => probabilisticRewardLoss(c as Tensor2D, sure(9)))(sure(0)).dataSync(), new Array(ratings).fill(0), 0);
});

test("expected rating, variance and entropy are those of the distribution", () => {
  const { expected, variance, entropy } = ratingSummary(matrix(chosen));
  const p = chosen.map(softmax);
  const means = p.map((row) => row.reduce((sum, x, i) => sum + x * (i + 1), 0));
  allClose(expected.dataSync(), means, 1e-5);
  allClose(variance.dataSync(), p.map((row, at) => row.reduce((sum, x, i) => sum + x * (i + 1 - means[at]!) ** 2, 0)), 1e-5);
  allClose(entropy.dataSync(), p.map((row) => -row.reduce((sum, x) => sum + x * Math.log(x), 0)), 1e-5);
  allClose(ratingSummary(tf.zeros([1, 10])).entropy.dataSync(), [Math.log(10)], 1e-6);
  allClose(expectedRating(tf.zeros([1, 10])).dataSync(), [5.5], 1e-6);
});

test("what is logged of a batch are the means over its pairs, and the log-odds leave draws aside", () => {
  const [c, r] = [matrix(chosen), matrix(rejected)];
  const measured = Object.fromEntries(Object.entries(ratingMetrics(c, r)).map(([name, value]) => [name, value.dataSync()[0]!]));
  const win = chosen.map((row, at) => wins(row, rejected[at]!));
  const rating = (row: number[]): number => softmax(row).reduce((sum, p, i) => sum + p * (i + 1), 0);
  const entropy = (row: number[]): number => -softmax(row).reduce((sum, p) => sum + p * Math.log(p), 0);
  allClose([measured.accuracy!], [win.filter((p) => p > 0.5).length / pairs], 1e-6);
  allClose([measured.win_probability!], [mean(win)], 1e-6);
  allClose([measured["ratings/chosen"]!, measured["ratings/rejected"]!], [mean(chosen.map(rating)), mean(rejected.map(rating))], 1e-5);
  allClose([measured["ratings/margin"]!], [mean(chosen.map(rating)) - mean(rejected.map(rating))], 1e-5);
  allClose([measured.entropy!], [mean([...chosen, ...rejected].map(entropy))], 1e-5);
  allClose(pWinLogOdds(c, r).dataSync(), chosen.map((row, at) => Math.log(wins(row, rejected[at]!) / wins(rejected[at]!, row))), 1e-4);
});

test("other shapes are refused, and nothing is left behind", () => {
  assert.throws(() => pWin(tf.zeros([2, 10]), tf.zeros([2, 9])), /rejectedLogits has shape \[2,9\] and chosenLogits \[2,10\]/);
  assert.throws(() => ratingSummary(tf.zeros([0, 10])), /logits has shape \[0,10\]; \[batch, ratings\]/);
  assert.throws(() => pWin(tf.zeros([3]) as never, tf.zeros([3]) as never), /chosenLogits has shape \[3\]/);
  const before = tf.memory().numTensors;
  tf.tidy(() => void probabilisticRewardLoss(matrix(chosen), matrix(rejected)));
  assert.equal(tf.memory().numTensors, before);
});
