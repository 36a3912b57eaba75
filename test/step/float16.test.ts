import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor, Tensor2D, Variable } from "@tensorflow/tfjs";
import { tf, toResource } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { TRAINING_DEFAULTS, type TrainingArguments } from "../../src/step/arguments";
import { AdamW } from "../../src/step/optimizer";
import { TrainStep } from "../../src/step/trainStep";
import { TrainingDivergedError, TrainingLoop } from "../../src/step/trainer";
import { allClose } from "../engine/close";

let names = 0;
const weights = (): Variable => tf.tidy(() => toResource(tf.variable(tf.tensor2d([0.5, -0.25, 1, 2], [2, 2]), true, `float16_${names++}`)));
const identity = (): Tensor => tf.tensor2d([1, 0, 0, 1], [2, 2]);

/** factor · Σ x·w: with x the identity every element of the gradient is the factor, and passes the product in half precision. */
const lossOf = (w: Variable, x: Tensor, factor: Tensor): Tensor => tf.mul(tf.sum(tf.matMul(x as Tensor2D, w as unknown as Tensor2D)), factor);

/** A step in float16 that learns from batches of x and a factor. */
function stepOn(w: Variable, args: Partial<TrainingArguments> = {}): TrainStep {
  return new TrainStep(new Map([["w", w]]), ([x, factor]) => ({ loss: lossOf(w, x!, factor!) as never, metrics: [factor! as never] }), { ...TRAINING_DEFAULTS, precision: "float16", maxGradNorm: 0, ...args });
}
const batch = (factor: number): Tensor[] => [identity(), tf.scalar(factor)];

test("gradients that underflow without scaling survive with it", async () => {
  const start = engineMemory();
  const w = weights();
  // Less than half of the smallest number of half precision, 2^-24, is rounded to 0.
  const tiny = 2 ** -26;
  const plain = jit((x: Tensor, factor: Tensor) => tf.variableGrads(() => lossOf(w, x, factor) as never, [w]).grads[w.name]!, { precision: "float16" });
  const inputs = batch(tiny);
  const unscaled = plain(...(inputs as [Tensor, Tensor]));
  assert.deepEqual([...(await unscaled.data())], [0, 0, 0, 0]);

  const step = stepOn(w, { optim: "sgd" });
  const before = await w.data();
  const [norm, loss, factor, scale] = await step.run([batch(tiny)], 2 ** 20)();
  allClose([norm! / tiny], [2], 1e-6, "norm of four equal elements");
  assert.deepEqual([factor, scale], [tiny, 2 ** 16]);
  assert.ok(Math.abs(loss! - 3.25 * tiny) < 1e-3 * tiny);
  assert.deepEqual([...(await w.data())], Array.from(before, (x) => x - 2 ** 20 * tiny));
  plain.dispose();
  step.dispose();
  tf.dispose([w, unscaled, ...inputs]);
  assert.deepEqual(engineMemory(), start);
});

test("a gradient that overflows: the step is left out, the scale halved, and nothing else has changed", async () => {
  const start = engineMemory();
  const w = weights();
  const step = stepOn(w);
  const initial = [...(await w.data())];
  // 2 · 2^16 and 2 · 2^15 are above the largest half, 65,504; 2 · 2^14 is not.
  const reached: number[] = [];
  for (const scale of [2 ** 15, 2 ** 14]) {
    const values = await step.run([batch(2)], 0.1)();
    reached.push(values[3]!);
    assert.deepEqual([Number.isFinite(values[0]), values[3]], [false, scale]);
    assert.deepEqual([...(await w.data())], initial);
    assert.equal(await (step.optimizer as AdamW).steps(), 0);
  }
  const [norm] = await step.run([batch(2)], 0.1)();
  allClose([norm!], [4], 1e-6);
  assert.equal(await (step.optimizer as AdamW).steps(), 1);
  // Adam's first step moves each weight by the learning rate: its moments were still 0.
  allClose([...(await w.data())], initial.map((x) => x - 0.1), 1e-6);
  step.dispose();
  w.dispose();
  assert.deepEqual(engineMemory(), start);
});

test("gradients are clipped after their scale is taken away", async () => {
  const w = weights();
  const step = stepOn(w, { optim: "sgd", maxGradNorm: 0.5 });
  const before = await w.data();
  const [norm] = await step.run([batch(0.125)], 1)();
  allClose([norm!], [0.25], 1e-6);
  allClose([...(await w.data())], Array.from(before, (x) => x - 0.125), 1e-6, "a norm of 0.25 stays");
  const middle = await w.data();
  const [longer] = await step.run([batch(0.5)], 1)();
  allClose([longer!], [1], 1e-6);
  allClose([...(await w.data())], Array.from(middle, (x) => x - 0.25), 1e-5, "a norm of 1 is halved");
  step.dispose();
  w.dispose();
});

test("accumulated: one batch that overflows leaves out the step, and the sums begin anew", async () => {
  const start = engineMemory();
  const w = weights();
  const step = stepOn(w, { optim: "sgd" });
  const before = await w.data();
  const skipped = await step.run([batch(0.25), batch(2)], 1)();
  assert.deepEqual([Number.isFinite(skipped[0]), skipped[2], skipped[3]], [false, 1.125, 2 ** 15]);
  assert.deepEqual([...(await w.data())], [...before]);
  const [norm, , factor, scale] = await step.run([batch(0.25), batch(0.75)], 1)();
  allClose([norm!, factor!, scale!], [1, 0.5, 2 ** 15], 1e-6);
  allClose([...(await w.data())], Array.from(before, (x) => x - 0.5), 1e-6);
  step.dispose();
  w.dispose();
  assert.deepEqual(engineMemory(), start);
});

/** A run of the shared loop over rows that are factors themselves. */
async function runLoop(factors: number[], args: Partial<TrainingArguments>): Promise<TrainingLoop> {
  const w = weights();
  const loop = new TrainingLoop({
    parameters: new Map([["w", w]]), lengths: factors.map(() => 1), metricNames: ["factor"],
    prepare: async (rows) => ({ tensors: batch(factors[rows[0]!]!), tokens: 1 }),
    loss: ([x, factor]) => ({ loss: lossOf(w, x!, factor!) as never, metrics: [factor! as never] }),
  }, { ...TRAINING_DEFAULTS, precision: "float16", perDeviceTrainBatchSize: 1, shuffle: false, groupByLength: false, loggingSteps: 1, learningRate: 1, numTrainEpochs: 1, ...args }, []);
  try {
    await loop.run();
  } finally {
    loop.dispose();
    w.dispose();
  }
  return loop;
}

test("a run goes on after an overflow: the log holds the scale, and the schedule does not count the step", async () => {
  const start = engineMemory();
  const { state } = await runLoop([0.5, 2, 0.5, 0.5], { learningRate: 0.01 });
  assert.deepEqual(state.logHistory.map((row) => row.loss_scale), [2 ** 16, 2 ** 15, 2 ** 15, 2 ** 15]);
  assert.deepEqual(state.logHistory.map((row) => "grad_norm" in row), [true, false, true, true]);
  allClose(state.logHistory.map((row) => row.learning_rate!), [0.01, 0.0075, 0.0075, 0.005], 1e-9);
  assert.equal(state.step, 4);
  const averaged = await runLoop([0.5, 2, 0.5, 0.5], { loggingSteps: 10, optim: "sgd", learningRate: 0.01 });
  allClose([averaged.state.logHistory.at(-1)!.grad_norm!, averaged.state.logHistory.at(-1)!.loss_scale!], [1, 2 ** 15], 1e-5);
  assert.deepEqual(engineMemory(), start);
});

test("overflow without any scaling left, or a loss that is no number, ends the run", async () => {
  const overflowing = new Array<number>(20).fill(1e5);
  await assert.rejects(runLoop(overflowing, {}), (error) => error instanceof TrainingDivergedError && /^Step 17: gradients overflow float16 even where nothing is scaled up, on the rows 16\. Lower learningRate, or train with precision bfloat16 or float32\.$/.test(error.message));
  await assert.rejects(runLoop([NaN], {}), (error) => error instanceof TrainingDivergedError && /^Step 1: the loss is NaN/.test(error.message));
});
