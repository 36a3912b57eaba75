import assert from "node:assert/strict";
import { test } from "node:test";
import type { Scalar, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { dpoLoss } from "../../src/loss/dpo";
import { rewardMetrics } from "../../src/loss/rewards";
import { close, golden, goldenLogps } from "./golden";

const value = (tensor: Scalar): number => tensor.dataSync()[0]!;
const vector = (values: number[]): Tensor1D => tf.tensor1d(values);
const loss = (chosen: Tensor1D, rejected: Tensor1D, refChosen: Tensor1D, refRejected: Tensor1D, beta?: number): Scalar => dpoLoss(chosen, rejected, refChosen, refRejected, beta)[0];

test("before training the loss is ln 2, whatever the log-probabilities", () => {
  const chosen = vector([-291.8, -102.8, -0.5]);
  const rejected = vector([-125.3, -281.4, -700]);
  const [start, accuracy, margin] = dpoLoss(chosen, rejected, chosen, rejected);
  close(value(start), Math.LN2, 1e-7);
  assert.deepEqual([value(accuracy), value(margin)], [0, 0]);
  assert.deepEqual(start.shape, []);
});

test("loss, accuracy and margin are TRL's", () => {
  const figures = golden.trl_losses_from_f64_logps_of_all_8_pairs.find((entry) => entry.loss_type === "sigmoid" && entry.f_divergence === "reverse_kl")!;
  const { chosenLogps, rejectedLogps, refChosenLogps, refRejectedLogps } = goldenLogps();
  const [mean, accuracy, margin] = dpoLoss(chosenLogps, rejectedLogps, refChosenLogps, refRejectedLogps, figures.beta);
  // Log-probabilities near 300 have a float32 spacing of 3e-5; beta 0.1 makes that 3e-6 of the margin.
  close(value(mean), figures.loss, 1e-5, 0, "loss");
  close(value(accuracy), figures.metrics["rewards/accuracies"]!, 1e-6, 0, "accuracy");
  close(value(margin), figures.metrics["rewards/margins"]!, 0, 1e-5, "margin");
});

test("reward metrics are TRL's, under TRL's names", () => {
  const { metrics, beta } = golden.trl_losses_from_f64_logps_of_all_8_pairs[0]!;
  const ours = rewardMetrics(goldenLogps(), beta);
  assert.deepEqual(Object.keys(ours).sort(), Object.keys(metrics).sort());
  for (const [name, expected] of Object.entries(metrics)) close(value(ours[name as keyof typeof ours]), expected, 1e-6, 1e-5, name);
});

test("the gradient is equation 7's derivative: −β·σ(−z)/B for the chosen, its opposite for the rejected", () => {
  const ratios = [[3, -1], [0, 0], [-20, 5]] as const;
  const [chosen, rejected] = [0, 1].map((side) => vector(ratios.map((pair) => pair[side] as number)));
  const zeros = vector([0, 0, 0]);
  const gradients = tf.grads((c, r) => loss(c as Tensor1D, r as Tensor1D, zeros, zeros, 0.5))([chosen!, rejected!]);
  ratios.forEach(([c, r], i) => {
    const expected = (-0.5 * (1 / (1 + Math.exp(0.5 * (c - r))))) / 3;
    close(gradients[0]!.dataSync()[i]!, expected, 1e-6);
    close(gradients[1]!.dataSync()[i]!, -expected, 1e-6);
  });
});

test("log-ratios of ±10⁴ give the right loss and gradient", () => {
  const zeros = vector([0, 0]);
  const [chosen, rejected] = [vector([1e4, -1e4]), vector([-1e4, 1e4])];
  const one = (c: Tensor1D): Scalar => loss(c, rejected, zeros, zeros, 1);
  close(value(one(chosen)), 1e4, 1e-6);
  assert.deepEqual([...tf.grad((c) => one(c as Tensor1D))(chosen).dataSync()].map((x) => x + 0), [0, -0.5]);
});

test("traced inside jit it gives the same four figures", () => {
  const inputs = Object.values(goldenLogps()).slice(0, 4) as [Tensor1D, Tensor1D, Tensor1D, Tensor1D];
  const traced = jit((...args: Tensor1D[]) => {
    const [a, b, c, d] = args as typeof inputs;
    return [...dpoLoss(a, b, c, d), tf.grad((x) => loss(x as Tensor1D, b, c, d))(a)];
  });
  const eager = [...dpoLoss(...inputs), tf.grad((x) => loss(x as Tensor1D, inputs[1], inputs[2], inputs[3]))(inputs[0])];
  assert.deepEqual(traced(...inputs).map((x) => [...x.dataSync()]), eager.map((x) => [...x.dataSync()]));
  traced.dispose();
});

test("nothing but the results stays in memory", () => {
  const inputs = Object.values(goldenLogps()).slice(0, 4) as [Tensor1D, Tensor1D, Tensor1D, Tensor1D];
  const before = tf.memory().numTensors;
  const results = dpoLoss(...inputs);
  assert.equal(tf.memory().numTensors, before + 3);
  tf.dispose(results);
  assert.equal(tf.memory().numTensors, before);
});

test("bad input is refused in words", () => {
  const [two, three] = [vector([1, 2]), vector([1, 2, 3])];
  assert.throws(() => dpoLoss(two, three, two, two), /rejectedLogps has shape \[3\].*like chosenLogps \[2\]/);
  assert.throws(() => dpoLoss(two, two, two, tf.tensor2d([[1, 2]]) as unknown as Tensor1D), /refRejectedLogps has shape \[1,2\]/);
  assert.throws(() => dpoLoss(vector([]), vector([]), vector([]), vector([])), /at least one pair/);
  for (const beta of [0, -1, NaN, Infinity]) assert.throws(() => dpoLoss(two, two, two, two, beta), /beta is .*; a positive number is needed/);
});
