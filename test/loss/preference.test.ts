import assert from "node:assert/strict";
import { test } from "node:test";
import type { Scalar, Tensor, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { supportedDivergences, type DivergenceType } from "../../src/loss/divergence";
import type { PairLogps } from "../../src/loss/pair";
import { lossNeedsLengths, pairLosses, preferenceLoss, supportedLosses, type LossType, type PreferenceLossOptions } from "../../src/loss/preference";
import { closedForm, type Batch } from "./closedForms";
import { close, golden, goldenLogps } from "./golden";

const DIVERGENCE_LOSSES = ["sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "robust", "discopop", "sft"];
const SMOOTHED_LOSSES = ["sigmoid", "exo_pair", "robust", "aot", "aot_unpaired"];

/** Log-probabilities small enough that float32 holds their differences to 1e-6; ratios on both sides of 0, none twice (AOT sorts them). */
const batch: Batch = {
  chosen: [-4.5, -3.25, -1.125, -6.5, -2.5],
  rejected: [-5.75, -2, -4.375, -3.5, -2.75],
  refChosen: [-5, -2.25, -1.5, -6.5, -3.75],
  refRejected: [-4.25, -2.5, -4, -4.75, -3.5],
  chosenLengths: [3, 5, 2, 9, 4],
  rejectedLengths: [6, 2, 4, 7, 3],
};

/** Every loss with every divergence it takes, without and with label smoothing. */
const CASES: PreferenceLossOptions[] = supportedLosses().flatMap((lossType) => {
  const divergences: DivergenceType[] = DIVERGENCE_LOSSES.includes(lossType) ? supportedDivergences() : ["reverse_kl"];
  const smoothings = lossType === "exo_pair" ? [1e-3, 0.1] : SMOOTHED_LOSSES.includes(lossType) ? [0, 0.1] : [0];
  return divergences.flatMap((fDivergenceType) => smoothings.map((labelSmoothing) => ({ lossType, fDivergenceType, labelSmoothing, beta: 0.7, fAlphaDivergenceCoef: 0.3 })));
});

const nameOf = ({ lossType, fDivergenceType, labelSmoothing }: PreferenceLossOptions): string => `${lossType}, ${fDivergenceType}, ε ${labelSmoothing}`;

function tensors({ chosen, rejected, refChosen, refRejected, chosenLengths, rejectedLengths }: Batch): Required<PairLogps> {
  const [chosenLogps, rejectedLogps, refChosenLogps, refRejectedLogps, a, b] = [chosen, rejected, refChosen, refRejected, chosenLengths, rejectedLengths].map((x) => tf.tensor1d(x)) as [Tensor1D, Tensor1D, Tensor1D, Tensor1D, Tensor1D, Tensor1D];
  return { chosenLogps, rejectedLogps, refChosenLogps, refRejectedLogps, chosenLengths: a, rejectedLengths: b };
}

/** d mean loss / d (chosen log-probabilities, rejected log-probabilities). */
function gradients(logps: Required<PairLogps>, options: PreferenceLossOptions): Tensor[] {
  const mean = (chosenLogps: Tensor, rejectedLogps: Tensor): Scalar => tf.mean(pairLosses({ ...logps, chosenLogps, rejectedLogps } as PairLogps, options));
  // The rejected answers are no part of sft; a zero makes them one, so that their gradient is defined.
  return tf.grads((c, r) => tf.add(mean(c!, r!), tf.mul(tf.sum(r!), 0)))([logps.chosenLogps, logps.rejectedLogps]);
}

function differences(options: PreferenceLossOptions, side: "chosen" | "rejected"): number[] {
  const step = 1e-6;
  const mean = (values: number[]): number => closedForm({ ...batch, [side]: values }, options).reduce((a, b) => a + b, 0) / values.length;
  return batch[side].map((x, i) => (mean(batch[side].with(i, x + step)) - mean(batch[side].with(i, x - step))) / (2 * step));
}

test("the names are TRL 1.16's", () => {
  assert.deepEqual(supportedLosses().sort(), ["aot", "aot_unpaired", "apo_down", "apo_zero", "bco_pair", "discopop", "exo_pair", "hinge", "ipo", "nca_pair", "robust", "sft", "sigmoid", "sigmoid_norm", "sppo_hard"]);
  assert.deepEqual(supportedDivergences().sort(), ["alpha_divergence", "forward_kl", "js_divergence", "reverse_kl"]);
});

for (const entry of golden.trl_losses_from_f64_logps_of_all_8_pairs) {
  test(`TRL's figure: ${entry.loss_type}, ${entry.f_divergence}, label smoothing ${entry.label_smoothing}`, () => {
    const options = { lossType: entry.loss_type as LossType, beta: entry.beta, labelSmoothing: entry.label_smoothing, fDivergenceType: entry.f_divergence as DivergenceType, fAlphaDivergenceCoef: entry.alpha };
    close(tf.mean(pairLosses(goldenLogps(), options)).dataSync()[0]!, entry.loss, 1e-5);
  });
}

for (const { name, beta, per_pair } of golden.closed_form_from_f64_logps) {
  test(`each pair's loss in closed form: ${name}`, () => {
    const labelSmoothing = name.includes("smoothing") ? 0.1 : 0;
    const losses = pairLosses(goldenLogps(), { beta, labelSmoothing }).dataSync();
    per_pair.forEach((expected, i) => close(losses[i]!, expected, 2e-5));
  });
}

test("every loss is its definition, computed in float64", () => {
  assert.ok(CASES.length > 40);
  for (const options of CASES) {
    const losses = pairLosses(tensors(batch), options);
    assert.deepEqual(losses.shape, [5]);
    closedForm(batch, options).forEach((expected, i) => close(losses.dataSync()[i]!, expected, 5e-6, 5e-6, `${nameOf(options)}, pair ${i}`));
  }
});

test("every gradient is the definition's central difference in float64, eager and traced", () => {
  for (const options of CASES) {
    const logps = tensors(batch);
    const traced = jit((chosenLogps: Tensor1D, rejectedLogps: Tensor1D) => gradients({ ...logps, chosenLogps, rejectedLogps }, options));
    const runs = { eager: gradients(logps, options), traced: traced(logps.chosenLogps, logps.rejectedLogps) };
    for (const [kind, [chosen, rejected]] of Object.entries(runs)) {
      differences(options, "chosen").forEach((expected, i) => close(chosen!.dataSync()[i]!, expected, 2e-5, 5e-6, `${kind} ${nameOf(options)}, chosen ${i}`));
      differences(options, "rejected").forEach((expected, i) => close(rejected!.dataSync()[i]!, expected, 2e-5, 5e-6, `${kind} ${nameOf(options)}, rejected ${i}`));
    }
    traced.dispose();
  }
});

test("at the reference every gradient is there: no loss starts dead", () => {
  for (const options of CASES) {
    const logps = tensors({ ...batch, chosen: batch.refChosen, rejected: batch.refRejected });
    const [chosen] = gradients(logps, options);
    // Where policy and reference agree, APO-down's two pulls on the chosen answer cancel: its definition's derivative is 0.
    if (options.lossType !== "apo_down") assert.ok([...chosen!.dataSync()].every((x) => Math.abs(x) > 1e-3), nameOf(options));
  }
});

test("log-ratios up to ±10⁴ overflow nowhere, neither in a loss nor in a gradient", () => {
  const extremes = [1e4, 9999, 300, 0, -300, -9999, -1e4];
  const pairs = extremes.flatMap((c) => extremes.map((r) => [c, r] as const));
  const zeros = pairs.map(() => 0);
  const lengths = pairs.map(() => 1);
  const wide = tensors({ chosen: pairs.map(([c]) => c), rejected: pairs.map(([, r]) => r), refChosen: zeros, refRejected: zeros, chosenLengths: lengths, rejectedLengths: lengths });
  for (const options of CASES) {
    for (const x of [pairLosses(wide, options), ...gradients(wide, options)]) assert.ok(x.dataSync().every(Number.isFinite), nameOf(options));
  }
});

test("the greater log-ratio wins even where both scores are beyond float32", () => {
  const wide = (chosen: number, rejected: number): number =>
    pairLosses(tensors({ chosen: [chosen], rejected: [rejected], refChosen: [0], refRejected: [0], chosenLengths: [1], rejectedLengths: [1] }), { fDivergenceType: "forward_kl" }).dataSync()[0]!;
  assert.equal(wide(-9999, -1e4), 0);
  assert.ok(wide(-1e4, -9999) > 1e6);
  close(wide(-1e4, -1e4), Math.LN2, 1e-6);
});

test("losses per token say what they need", () => {
  assert.deepEqual(supportedLosses().filter(lossNeedsLengths).sort(), ["ipo", "sft", "sigmoid_norm"]);
  const { chosenLengths: _a, rejectedLengths: _b, ...bare } = tensors(batch);
  assert.throws(() => pairLosses(bare, { lossType: "ipo" }), /ipo is taken per token: it needs chosenLengths and rejectedLengths/);
});

test("options that a loss does not have, or that are out of range, are refused in words", () => {
  const refused = (options: object, message: RegExp) => assert.throws(() => preferenceLoss(options), message);
  refused({ lossType: "simpo" }, /lossType is "simpo"; known are sigmoid, hinge, /);
  refused({ lossType: "toString" }, /lossType is "toString"/);
  refused({ fDivergenceType: "kl" }, /fDivergenceType is "kl"; known are reverse_kl, /);
  refused({ beta: 0 }, /beta is 0/);
  refused({ labelSmoothing: 0.5, lossType: "robust" }, /labelSmoothing is 0.5/);
  refused({ labelSmoothing: 0.1, lossType: "hinge" }, /hinge has no label smoothing\. These have: sigmoid, exo_pair, robust, aot, aot_unpaired/);
  refused({ lossType: "exo_pair" }, /exo_pair needs labelSmoothing above 0/);
  refused({ lossType: "nca_pair", fDivergenceType: "forward_kl" }, /nca_pair has no form with forward_kl/);
  refused({ lossType: "discopop", discopopTau: 0 }, /discopopTau is 0/);
  refused({ fDivergenceType: "alpha_divergence", fAlphaDivergenceCoef: NaN }, /fAlphaDivergenceCoef is NaN/);
});
