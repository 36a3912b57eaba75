import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Tensor, Variable } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { LeakError } from "../../src/engine/sentinel";
import { disposeGeneration, generate } from "../../src/index";
import { TRAINING_DEFAULTS, type TrainingArguments } from "../../src/step/arguments";
import type { TrainerCallback } from "../../src/step/callbacks";
import { TrainingLoop } from "../../src/step/trainer";
import type { TrainingMethod } from "../../src/step/trainingMethod";
import { tinyModel } from "../generate/tinyModel";

const given = process.env.ALIGNLAB_SENTINEL;
before(() => void (process.env.ALIGNLAB_SENTINEL = "1"));
after(() => {
  if (given === undefined) delete process.env.ALIGNLAB_SENTINEL;
  else process.env.ALIGNLAB_SENTINEL = given;
});

interface Setting {
  args?: Partial<TrainingArguments>;
  /** Called with the loss's input while the loss is traced. */
  meanwhile?: (x: Tensor) => void;
  method?: Partial<TrainingMethod>;
  callback?: TrainerCallback;
}

/** Fits a vector to rows of constants for six steps. */
async function run({ args, meanwhile, method, callback }: Setting): Promise<number> {
  const weights = tf.tidy(() => tf.variable(tf.zeros([4])));
  const loop = new TrainingLoop({
    parameters: new Map([["weights", weights]]),
    lengths: new Array<number>(12).fill(1),
    prepare: async (rows) => ({ tensors: [tf.fill([rows.length, 4], 1), tf.tensor1d([...rows])], tokens: rows.length }),
    loss: ([x]) => {
      meanwhile?.(x!);
      const loss = tf.mean(tf.square(tf.sub(x!, weights))) as never;
      return { loss, metrics: [loss] };
    },
    metricNames: ["error"],
    ...method,
  }, { ...TRAINING_DEFAULTS, learningRate: 0.1, maxSteps: 6, perDeviceTrainBatchSize: 2, ...args }, callback ? [callback] : []);
  try {
    return (await loop.run()).globalStep;
  } finally {
    loop.dispose();
    weights.dispose();
  }
}

const kept: Tensor[] = [];
const keep = (tensor: Tensor): void => void kept.push(tf.keep(tensor));
const leaks = (message: RegExp) => (error: unknown): boolean => error instanceof LeakError && message.test(error.message);

test("a clean run passes: new shapes, accumulation, evaluation, callbacks that make and dispose", async () => {
  assert.equal(await run({}), 6);
  assert.equal(await run({ args: { perDeviceTrainBatchSize: 5, shuffle: false } }), 6);
  assert.equal(await run({ args: { gradientAccumulationSteps: 2 } }), 6);
  const evaluate = async (): Promise<Record<string, number>> => tf.tidy(() => ({ loss: tf.scalar(2).dataSync()[0]! }));
  assert.equal(await run({ args: { evalSteps: 2 }, method: { evaluate }, callback: { onStepEnd: () => tf.tidy(() => void tf.ones([3]).dataSync()) } }), 6);
});

test("a loss function that keeps a tensor is caught in the step in which it does", async () => {
  // What is traced goes with its trace; a tensor with values of its own stays.
  assert.equal(await run({ meanwhile: (x) => void tf.keep(tf.mul(x, 2)) }), 6);
  await assert.rejects(run({ meanwhile: () => keep(tf.tensor1d([1, 2])) }), leaks(/^Training, step 1: \d+ tensors before it and \d+ after\. Dispose what a step makes/));
});

test("a batch that leaves a tensor on the device is caught with its handle", async () => {
  let batches = 0;
  const prepare: TrainingMethod["prepare"] = async (rows) => {
    if (++batches === 4) keep(tf.tidy(() => tf.add(tf.ones([rows.length]), 1)));
    return { tensors: [tf.fill([rows.length, 4], 1)], tokens: rows.length };
  };
  const steps: number[] = [];
  const error = await run({ method: { prepare }, callback: { onStepEnd: ({ step }) => void steps.push(step) } }).then(() => null, (reason: Error) => reason);
  assert.ok(leaks(/^Training, step 3: (\d+) tensors before it and (\d+) after, (\d+) handles before it and (\d+) after\./)(error), String(error));
  const [tensors, tensorsAfter, handles, handlesAfter] = error!.message.match(/\d+(?= (?:tensors|handles|after))/g)!.map(Number);
  assert.deepEqual([tensorsAfter! - tensors!, handlesAfter! - handles!], [1, 1]);
  assert.deepEqual(steps, [1, 2]);
});

test("what a callback leaves is told apart from the step; a variable that it makes is its own affair", async () => {
  const variables: Variable[] = [];
  try {
    assert.equal(await run({ callback: { onStepEnd: () => tf.tidy(() => void variables.push(tf.variable(tf.zeros([2])))) } }), 6);
  } finally {
    tf.dispose(variables);
  }
  await assert.rejects(run({ callback: { onStepEnd: ({ step }) => (step === 2 ? keep(tf.zeros([2])) : undefined) } }), leaks(/^Training, callbacks, evaluation and checkpoint after step 2: /));
});

test("a variable made in a step that compiles nothing is a leak", async () => {
  const variables: Variable[] = [];
  let batches = 0;
  const prepare: TrainingMethod["prepare"] = async (rows) => {
    if (++batches === 4) tf.tidy(() => void variables.push(tf.variable(tf.zeros([2]))));
    return { tensors: [tf.fill([rows.length, 4], 1)], tokens: rows.length };
  };
  await assert.rejects(run({ method: { prepare } }), leaks(/^Training, step 3: \d+ variables before it and \d+ after/));
  tf.dispose(variables);
});

test("generation: a clean run passes, a token's listener that keeps a tensor is caught at that token", async () => {
  const model = await tinyModel();
  const options = { maxNewTokens: 6, eosTokenId: null };
  await generate(model, [[1, 2, 3], [4, 5]], options);
  await assert.rejects(generate(model, [[1, 2, 3]], { ...options, onToken: (_token, _sequence, position) => (position === 2 ? keep(tf.ones([2])) : undefined) }), leaks(/^Generation, the token at place 2: /));
  await disposeGeneration(model);
  model.dispose();
});

test("without ALIGNLAB_SENTINEL=1 nothing is counted", async () => {
  process.env.ALIGNLAB_SENTINEL = "0";
  try {
    assert.equal(await run({ callback: { onStepEnd: () => keep(tf.zeros([2])) } }), 6);
  } finally {
    process.env.ALIGNLAB_SENTINEL = "1";
  }
});

after(() => {
  tf.dispose(kept);
  assert.equal(tf.memory().numTensors, 0);
});
