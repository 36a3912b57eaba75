import type { Scalar, Tensor, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { pairLogps, pairTensorList, pairTensorsFrom, toPairTensors, type PairTensors } from "../../src/loss/pairs";
import { pairLosses } from "../../src/loss/preference";
import { AdamW, clipFactor, globalNorm } from "../../src/step/optimizer";
import type { TokenizedRow } from "../../src/tokens/preference";
import type { DpoFile, GradientFigures, OptimizerFigures } from "./dpoFile";
import type { Report } from "./report";
import { inParts, type SequenceLogps, type Subject } from "./subject";

// Gradients are sums of many float32 terms of both signs. Elements and sums are held to the matrix: an element to the
// root mean square of its matrix, a sum to the matrix's norm, which is what rounding errors of random sign grow with.
const ELEMENT_SHARE = 1e-3;
const SUM_SHARE = 1e-4;

/** AdamW's first updates move a weight by the learning rate, whatever its gradient; where that is near 0 rounding shows. */
const STEP_SHARE = 0.05;

interface LossAndGradients {
  loss: number;
  margins: number[];
  norm: Scalar;
  /** In the order of the model's parameters. */
  gradients: Tensor[];
}

/** DPO's loss, reward margins and gradients over all rows, gathered a few pairs at a time. */
class GradientRun {
  private readonly step;
  private readonly parts: { tensors: PairTensors; reference: Tensor1D[] }[];

  constructor(
    subject: Subject,
    private readonly rows: readonly TokenizedRow[],
    reference: SequenceLogps,
    beta: number,
  ) {
    const vectors = (start: number, count: number): Tensor1D[] => (["chosen", "rejected"] as const).map((side) => tf.tensor1d(reference.packed[side].slice(start, start + count)));
    let start = 0;
    this.parts = inParts(rows).map((part) => {
      const made = { tensors: toPairTensors(subject.pack(part)), reference: vectors(start, part.length) };
      start += part.length;
      return made;
    });
    const parameters = [...subject.model.parameters.values()];
    this.step = jit((refChosenLogps: Tensor1D, refRejectedLogps: Tensor1D, ...list: Tensor1D[]) => {
      let chosen!: Tensor1D;
      let rejected!: Tensor1D;
      let losses!: Tensor1D;
      const { grads } = tf.variableGrads(() => {
        const logps = pairLogps(subject.model, pairTensorsFrom(list), refChosenLogps.size);
        [chosen, rejected] = [tf.keep(logps.chosen), tf.keep(logps.rejected)];
        losses = tf.keep(pairLosses({ chosenLogps: chosen, rejectedLogps: rejected, refChosenLogps, refRejectedLogps }, { beta }));
        return tf.div(tf.sum(losses), rows.length) as Scalar;
      }, parameters);
      const margins = tf.mul(tf.sub(tf.sub(chosen, refChosenLogps), tf.sub(rejected, refRejectedLogps)), beta);
      return [losses, margins, ...parameters.map((parameter) => grads[parameter.name]!)];
    }, { name: "dpoGradients" });
  }

  async run(): Promise<LossAndGradients> {
    let gradients: Tensor[] = [];
    const losses: number[] = [];
    const margins: number[] = [];
    for (const { tensors, reference } of this.parts) {
      const [loss, margin, ...part] = this.step(...(reference as [Tensor1D, Tensor1D]), ...(pairTensorList(tensors) as Tensor1D[])) as Tensor[];
      losses.push(...(await loss!.data()));
      margins.push(...(await margin!.data()));
      gradients = gradients.length === 0 ? part : part.map((gradient, i) => addAndFree(gradients[i]!, gradient));
      tf.dispose([loss!, margin!]);
    }
    const loss = losses.reduce((a, b) => a + b, 0) / this.rows.length;
    return { loss, margins, norm: tf.tidy(() => globalNorm(gradients)), gradients };
  }

  dispose(): void {
    this.step.dispose();
    for (const { tensors, reference } of this.parts) tf.dispose([...Object.values(tensors), ...reference]);
  }
}

/** One by one: two whole sets of gradients are as large as the model each. */
function addAndFree(a: Tensor, b: Tensor): Tensor {
  const sum = tf.add(a, b);
  tf.dispose([a, b]);
  return sum;
}

/** Gradients of DPO's loss. `reference` holds the reference's log-probabilities of every pair. */
export async function checkGradients(figures: GradientFigures, file: DpoFile, subject: Subject, rows: TokenizedRow[], reference: SequenceLogps, report: Report): Promise<void> {
  await subject.become(figures.which);
  const run = new GradientRun(subject, rows.slice(0, figures.pairs), reference, figures.beta);
  const { loss, norm, gradients } = await run.run();
  const { place } = figures;
  report.close("losses", `${place}.loss`, loss, figures.loss, { relative: file.tolerances.loss });
  report.close("gradient norms", `${place}.total_norm`, (await norm.data())[0]!, figures.totalNorm, { relative: file.tolerances.gradNorm });
  const names = [...subject.model.parameters.keys()];
  for (const weight of figures.weights) {
    const at = `${place}.weights["${weight.name}"]`;
    const gradient = gradients[names.indexOf(weight.name)];
    if (!gradient) {
      report.unsupported(at, "the model has no weight of that name");
      continue;
    }
    const values = await gradient.data();
    const total = { sum: 0, squares: 0 };
    for (const x of values) {
      total.sum += x;
      total.squares += x * x;
    }
    report.close("gradient norms", `${at}.norm`, Math.sqrt(total.squares), weight.norm, { relative: file.tolerances.gradNorm });
    report.close("gradient sums", `${at}.sum`, total.sum, weight.sum, { absolute: SUM_SHARE * weight.norm });
    weight.first.forEach((expected, i) => report.close("gradient elements", `${at}.first8[${i}]`, values[i] ?? NaN, expected, { absolute: (ELEMENT_SHARE * weight.norm) / Math.sqrt(values.length), relative: 1e-2 }));
  }
  tf.dispose([norm, ...gradients]);
  run.dispose();
}

/** A few optimiser steps on the first pairs of the file, one batch again and again. */
export async function checkOptimizer(figures: OptimizerFigures, file: DpoFile, subject: Subject, rows: TokenizedRow[], reference: SequenceLogps, report: Report): Promise<void> {
  await subject.become(figures.start);
  const { parameters } = subject.model;
  const run = new GradientRun(subject, rows.slice(0, figures.batch), reference, figures.beta);
  // torch.optim.AdamW, told nothing else, decays every parameter.
  const optimizer = new AdamW(parameters, { weightDecay: figures.weightDecay, groups: [{ parameters: () => true }] });
  const apply = jit((norm: Tensor, learningRate: Tensor, ...gradients: Tensor[]) => {
    const factor = clipFactor(norm as Scalar, figures.maxGradNorm);
    optimizer.apply(gradients.map((gradient) => tf.mul(gradient, factor)), learningRate as Scalar, factor);
  }, { name: "adamw" });
  const last = Math.max(...figures.steps.map(({ step }) => step));
  for (let step = 0; step <= last; step++) {
    const now = await run.run();
    for (const expected of figures.steps.filter((figure) => figure.step === step)) await checkStep(expected, figures, now, file, subject, report);
    if (step < last) {
      const learningRate = tf.scalar(figures.learningRate);
      apply(now.norm, learningRate, ...now.gradients);
      learningRate.dispose();
    }
    tf.dispose([now.norm, ...now.gradients]);
  }
  apply.dispose();
  optimizer.dispose();
  run.dispose();
}

async function checkStep(expected: OptimizerFigures["steps"][number], figures: OptimizerFigures, now: LossAndGradients, file: DpoFile, subject: Subject, report: Report): Promise<void> {
  const { place, step } = expected;
  const { tolerances } = file;
  report.close("losses", `${place}.loss`, now.loss, expected.loss, { relative: tolerances.loss });
  expected.margins.forEach((margin, i) => report.close("margins in training", `${place}.margins[${i}]`, now.margins[i]!, margin, { absolute: 2 * figures.beta * tolerances.sequenceLogp }));
  report.close("gradient norms", `${place}.grad_norm`, (await now.norm.data())[0]!, expected.gradNorm, { relative: tolerances.gradNorm });
  const accuracy = now.margins.filter((margin) => margin > 0).length / now.margins.length;
  report.close("accuracies in training", `${place}.acc`, accuracy, expected.accuracy, { absolute: 1e-6 });
  for (const { name, first } of expected.weights) {
    const parameter = subject.model.parameters.get(name);
    if (!parameter) {
      report.unsupported(`${place}.first4["${name}"]`, "the model has no weight of that name");
      continue;
    }
    const values = await parameter.data();
    const absolute = STEP_SHARE * figures.learningRate * step;
    first.forEach((weight, i) => report.close("weights in training", `${place}.first4["${name}"][${i}]`, values[i] ?? NaN, weight, { absolute, relative: 1.2e-7 }));
  }
}
