import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor, Variable } from "@tensorflow/tfjs";
import { tf, toResource } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { TRAINING_DEFAULTS } from "../../src/step/arguments";
import { clipFactor, globalNorm } from "../../src/step/optimizer";
import { scheduleFactor } from "../../src/step/schedule";
import { TrainStep } from "../../src/step/trainStep";
import { allClose } from "../engine/close";

/**
 * torch 2.15, float32: 20 steps of torch.optim.AdamW (betas 0.9 and 0.95, eps 1e-6, the second parameter without decay)
 * after clip_grad_norm_, at learning rate lr·(1 − t/20), from w = [[0.5, −1.25, 2], [0.1, 0.75, −0.3]] and
 * norm = [1, 0.9, −1.1], on the loss 3·Σ((w·norm) − [1, −2])² + Σ sin w. `norms` are those before steps 1, 10 and 20.
 */
const TORCH = [
  { weightDecay: 0, maxGradNorm: 0, learningRate: 0.01, w: [0.6047568321228027, -1.1459543704986572, 1.8958380222320557, -0.004917484242469072, 0.6456634402275085, -0.1956893354654312], norm: [1.1053671836853027, 0.7957968711853027, -0.9957811832427979], norms: [84.58023071289062, 71.63260650634766, 66.28800201416016] },
  { weightDecay: 0.1, maxGradNorm: 0.5, learningRate: 0.01, w: [0.5995716452598572, -1.1326595544815063, 1.874731183052063, -0.005958024878054857, 0.6376535296440125, -0.19237615168094635], norm: [1.1056839227676392, 0.7951093912124634, -0.9950999617576599], norms: [84.58023071289062, 70.951171875, 65.3228988647461] },
  { weightDecay: 0.01, maxGradNorm: 1, learningRate: 0.05, w: [1.0233999490737915, -0.7402462363243103, 1.4754830598831177, -0.42789173126220703, 0.2216288149356842, 0.22433048486709595], norm: [1.525632381439209, 0.3824063539505005, -0.5851852893829346], norms: [84.58023071289062, 31.929271697998047, 17.484973907470703] },
];

const variable = (values: () => Tensor, name: string): Variable => tf.tidy(() => toResource(tf.variable(values(), true, `${name}_${Math.random()}`)));

for (const expected of TORCH) {
  test(`20 steps as torch.optim.AdamW: decay ${expected.weightDecay}, clipping ${expected.maxGradNorm}`, async () => {
    const start = engineMemory();
    const w = variable(() => tf.tensor2d([[0.5, -1.25, 2], [0.1, 0.75, -0.3]]), "w");
    const norm = variable(() => tf.tensor1d([1, 0.9, -1.1]), "norm");
    const step = new TrainStep(new Map([["w", w], ["norm", norm]]), () => {
      const error = tf.sub(tf.sum(tf.mul(w, norm), 1), tf.tensor1d([1, -2]));
      return { loss: tf.add(tf.mul(tf.sum(tf.square(error)), 3), tf.sum(tf.sin(w))), metrics: [] };
    }, { ...TRAINING_DEFAULTS, adamBeta2: 0.95, adamEpsilon: 1e-6, weightDecay: expected.weightDecay, maxGradNorm: expected.maxGradNorm });
    const norms: number[] = [];
    for (let t = 0; t < 20; t++) norms.push((await step.run([[]], expected.learningRate * scheduleFactor("linear", t, 20, 0))())[0]!);
    allClose((await w.data()) as Float32Array, expected.w, 1e-5, "w");
    allClose((await norm.data()) as Float32Array, expected.norm, 1e-5, "norm");
    allClose([norms[0]!, norms[9]!, norms[19]!], expected.norms, 1e-5, "gradient norms");
    assert.equal(step.traceCount, 1);
    step.dispose();
    tf.dispose([w, norm]);
    assert.deepEqual(engineMemory(), start);
  });
}

test("accumulated gradients are averaged: two batches of a mean loss give the step of both together", async () => {
  const start = engineMemory();
  const run = async (batches: number[][]): Promise<number[]> => {
    const w = variable(() => tf.tensor1d([0.3, -0.2]), "w");
    const step = new TrainStep(new Map([["w", w]]), ([x]) => ({ loss: tf.mean(tf.square(tf.sub(tf.sum(w), x!))), metrics: [tf.mean(x!)] }), { ...TRAINING_DEFAULTS, maxGradNorm: 0.2 });
    const values: number[] = [];
    for (let t = 0; t < 3; t++) values.push(...(await step.run(batches.map((batch) => [tf.tensor1d(batch)]), 0.1)()));
    values.push(...(await w.data()));
    step.dispose();
    w.dispose();
    return values;
  };
  allClose(await run([[1, 2], [3, 10]]), await run([[1, 2, 3, 10]]), 1e-6);
  assert.deepEqual(engineMemory(), start);
});

test("the global norm and the clipping factor are PyTorch's", () => {
  const norm = globalNorm([tf.tensor1d([3, 0]), tf.tensor2d([[4], [12]])]);
  allClose(norm.dataSync(), [13], 1e-6);
  allClose(clipFactor(norm, 1).dataSync(), [1 / (13 + 1e-6)], 1e-7);
  assert.equal(clipFactor(norm, 20).dataSync()[0], 1);
  assert.equal(clipFactor(norm, 0).dataSync()[0], 1);
});
