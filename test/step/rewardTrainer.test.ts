import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { BFLOAT16_VARIABLE } from "../../src/engine/precision";
import { rewardLoss } from "../../src/loss/reward";
import { pairRewards, scoreTensorList, scoreTensorsFrom, toScoreTensors } from "../../src/loss/scores";
import type { LlamaForSequenceClassification } from "../../src/model/classification";
import { loadSequenceClassifier } from "../../src/model/loadClassifier";
import { RewardTrainer, type RewardTrainerOptions } from "../../src/step/rewardTrainer";
import { packScores } from "../../src/tokens/scoredPairs";
import type { Tokenizer } from "../../src/tokens/tokenizer";
import { allClose } from "../engine/close";
import { inTemporaryFolder } from "../hub/python";
import { referenceLogits, weightsOf, type Weights } from "../model/reference";
import { fixture, fixtureModel } from "./rewardFixture";
import { tinyTokenizer } from "./tiny";
import { column, withDisposed } from "./withDisposed";

// bfloat16 is tested on processors without its instructions too.
process.env[BFLOAT16_VARIABLE] = "1";
const tokenizer = tinyTokenizer();
/** A tokenizer that pads with its end token, as SmolLM2's does. */
const endPads = new Proxy(tokenizer, { get: (target, key) => (key === "padTokenId" ? target.eosTokenId : Reflect.get(target, key)) }) as Tokenizer;

type Work<T> = (trainer: RewardTrainer, model: LlamaForSequenceClassification) => Promise<T>;
type Row = (typeof fixture.rows)[number];
const plain = (rows: readonly Row[]): Omit<Row, "margin">[] => rows.map(({ chosen_ids, rejected_ids }) => ({ chosen_ids, rejected_ids }));

/** A trainer on the fixture's model, everything disposed afterwards; counts must be as before. */
function withTrainer<T>(args: RewardTrainerOptions["args"], work: Work<T>, options: Partial<RewardTrainerOptions> = {}): Promise<T> {
  return withDisposed(async () => {
    const model = await fixtureModel((options.tokenizer ?? tokenizer).padTokenId);
    const trainer = new RewardTrainer({
      model, tokenizer, trainDataset: plain(fixture.rows), ...options,
      args: { learningRate: fixture.learningRate, loggingSteps: 1, maxSteps: 3, perDeviceTrainBatchSize: fixture.batch, shuffle: false, groupByLength: false, ...args },
    });
    return { trainer, model };
  }, work);
}

const trainings: Record<string, { args?: RewardTrainerOptions["args"]; options?: Partial<RewardTrainerOptions> }> = {
  "plain": { args: { perDeviceEvalBatchSize: 4 }, options: { evalDataset: plain(fixture.heldOut) } },
  "margin": { options: { trainDataset: fixture.rows, evalDataset: fixture.heldOut } },
  "centring": { args: { centerRewardsCoefficient: 0.1 } },
  "the end token pads": { options: { trainDataset: plain(fixture.ending), tokenizer: endPads } },
  "head only": { args: { headOnly: true } },
  "accumulated": { args: { perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 2 } },
};

for (const [name, { args = {}, options = {} }] of Object.entries(trainings)) {
  test(`from the same start on the same rows every logged number is that of TRL's RewardTrainer: ${name}`, async () => {
    const { args: { steps }, log, evaluated } = fixture.trainings[name]!;
    await withTrainer({ maxSteps: steps, ...args }, async (trainer) => {
      await trainer.train();
      // Both sides round to float32 at every step; over 20 steps of Adam that grows to some 1e-6.
      for (const [metric, expected] of Object.entries(log)) allClose(column(trainer, metric), expected, 2e-5, metric);
      if (!evaluated) return;
      const row = (await trainer.evaluate())!;
      assert.deepEqual(Object.keys(row).sort(), ["step", "epoch", ...Object.keys(evaluated)].sort());
      for (const [metric, expected] of Object.entries(evaluated)) allClose([row[metric]!], [expected], 1e-4, metric);
    }, options);
  });
}

/** Reward of a text in float64: the score head at its last token. */
const reference = (ids: readonly number[], w: Weights, model: LlamaForSequenceClassification): number => referenceLogits(ids, { ...w, "lm_head.weight": w["score.weight"]! }, model.config).at(-1)![0]!;

test("rewards and gradients of a packed batch with margin and centring are PyTorch's, and central differences of the float64 loss", async () => {
  const start = engineMemory();
  const model = await fixtureModel(0);
  const rows = fixture.rows.slice(0, fixture.batch);
  const { coefficient, parameters, ...expected } = fixture.gradients;
  const variables = [...model.parameters.values()];
  const margin = tf.tensor1d(rows.map((row) => row.margin));
  const tensors = scoreTensorList(toScoreTensors(packScores(rows, { padTokenId: 0, lengthMultiple: 8, widthMultiple: 8 })));
  const compiled = jit((margin: Tensor, ...list: Tensor[]) => {
    const { chosen, rejected } = pairRewards(model, scoreTensorsFrom(list));
    const { value, grads } = tf.variableGrads(() => rewardLoss({ ...pairRewards(model, scoreTensorsFrom(list)), margin: margin as never }, { centerRewardsCoefficient: coefficient }), variables);
    return [value, chosen, rejected, ...variables.map(({ name }) => grads[name]!)] as Tensor[];
  });
  const [loss, chosen, rejected, ...gradients] = compiled(margin, ...tensors);
  allClose(await loss!.data(), [expected.loss], 1e-6, "loss");
  allClose(await chosen!.data(), expected.chosen, 1e-5, "chosen");
  allClose(await rejected!.data(), expected.rejected, 1e-5, "rejected");
  const weights = await weightsOf(model);
  const lossOf = (w: Weights): number => rows.reduce((sum, row) => {
    const [c, r] = [reference(row.chosen_ids, w, model), reference(row.rejected_ids, w, model)];
    return sum + (Math.log1p(Math.exp(row.margin + r - c)) + coefficient * (c + r) ** 2) / rows.length;
  }, 0);
  for (const [i, name] of [...model.parameters.keys()].entries()) {
    const values = (await gradients[i]!.data()) as Float32Array;
    const { norm, every, values: some } = parameters[name]!;
    allClose([Math.hypot(...values)], [norm], 1e-5, `norm of ${name}`);
    allClose(values.filter((_, at) => at % every === 0), some, 1e-5, name);
    const largest = values.reduce((best, value, at) => (Math.abs(value) > Math.abs(values[best]!) ? at : best), 0);
    const moved = (by: number): number => lossOf({ ...weights, [name]: weights[name]!.with(largest, weights[name]![largest]! + by) });
    const difference = (moved(1e-4) - moved(-1e-4)) / 2e-4;
    allClose([values[largest]!], [difference], 1e-4, `${name}[${largest}] by differences`);
  }
  compiled.dispose();
  tf.dispose([loss!, chosen!, rejected!, ...gradients, margin, ...tensors]);
  model.dispose();
  assert.deepEqual(engineMemory(), start);
});

test("predict gives each held-out pair's rewards in its order, those of the float64 model, and training moves them", () => withTrainer({ maxSteps: 4, perDeviceEvalBatchSize: 4 }, async (trainer, model) => {
  const weights = await weightsOf(model);
  const before = await trainer.predict();
  allClose(before.chosen, fixture.heldOut.map((row) => reference(row.chosen_ids, weights, model)), 1e-4);
  allClose(before.rejected, fixture.heldOut.map((row) => reference(row.rejected_ids, weights, model)), 1e-4);
  await trainer.train();
  assert.notDeepEqual((await trainer.predict()).chosen, before.chosen);
}, { evalDataset: plain(fixture.heldOut) }));

test("bfloat16 and gradient checkpointing train near float32; the same seed gives the same losses bit for bit", async () => {
  const run = (args: RewardTrainerOptions["args"]) => withTrainer({ maxSteps: 3, shuffle: true, ...args }, async (trainer) => (await trainer.train(), column(trainer, "loss")));
  const wide = await run({});
  assert.deepEqual(await run({}), wide);
  allClose(await run({ gradientCheckpointing: true }), wide, 1e-5);
  const narrow = await run({ precision: "bfloat16" });
  assert.notDeepEqual(narrow, wide);
  allClose(narrow, wide, 0.05);
});

test("head only leaves the body as it is", () => withTrainer({ headOnly: true, weightDecay: 0.1 }, async (trainer, model) => {
  const before = await weightsOf(model);
  await trainer.train();
  const after = await weightsOf(model);
  const changed = Object.keys(before).filter((name) => before[name]!.join() !== after[name]!.join());
  assert.deepEqual(changed, ["score.weight"]);
  assert.equal(trainer.memoryPlan, null);
}));

test("a checkpoint holds the classifier as it was then, loaded with the same rewards", () => inTemporaryFolder((dir) => withTrainer({ outputDir: dir, saveSteps: 3 }, async (trainer) => {
  await trainer.train();
  const folder = path.join(dir, "checkpoint-3");
  const config = JSON.parse(readFileSync(path.join(folder, "config.json"), "utf8")) as Record<string, unknown>;
  assert.deepEqual([config.architectures, config.id2label, config.pad_token_id], [["LlamaForSequenceClassification"], { 0: "LABEL_0" }, 0]);
  assert.ok(existsSync(path.join(folder, "trainer_state.json")) && !existsSync(path.join(folder, "generation_config.json")));
  const { model } = await loadSequenceClassifier(folder);
  const { chosen } = await trainer.predict();
  const again = fixture.heldOut.map((row) => tf.tidy(() => model.forward(tf.tensor2d([row.chosen_ids], undefined, "int32")).dataSync()[0]!));
  allClose(again, chosen, 1e-5);
  model.dispose();
}, { evalDataset: plain(fixture.heldOut) })));

test("what a run takes is planned beforehand, without a vocabulary's logits", () => withTrainer({}, async (trainer) => {
  const plan = trainer.memoryPlan!;
  assert.equal(plan.shapes.predictions, 0);
  assert.ok(plan.bytes > 0);
}));

test("models, rows and settings that cannot be trained on are refused before anything is made", async () => {
  const model = await fixtureModel(0);
  const start = engineMemory();
  const make = (options: Partial<RewardTrainerOptions>, args: object = {}) => () => new RewardTrainer({ model, tokenizer, trainDataset: plain(fixture.rows), ...options, args: args as never });
  const three = await fixtureModel(0, 3);
  assert.throws(make({ model: three }), /gives each text 3 scores; a reward model gives one\. Load it with numLabels: 1/);
  three.dispose();
  assert.throws(make({ trainDataset: [] }), /training set is empty/);
  assert.throws(make({ trainDataset: [{ chosen: "a", rejected: "b" }, { rejected: "b" } as never] }), /Row 1: it has no chosen; its columns are rejected/);
  assert.throws(make({}, { maxLength: 5 }), /Every row of trainDataset has a text of more than maxLength 5 tokens, prompt included; the shortest needs \d+\. Raise maxLength/);
  assert.throws(make({ evalDataset: [{ chosen: "a".repeat(70), rejected: "b" }] }), /evalDataset has a text of 71 tokens, the model has 64 positions\. Lower maxLength/);
  assert.throws(make({}, { maxLength: 0 }), /args\.maxLength is 0/);
  assert.throws(make({}, { centerRewardsCoefficient: -1 }), /centerRewardsCoefficient is -1/);
  assert.throws(make({}, { headOnly: 1 }), /args\.headOnly is 1/);
  assert.throws(make({}, { maxPromptLength: 3 }), /args\.maxPromptLength is not a training argument/);
  const trainer = make({})();
  await assert.rejects(trainer.evaluate(), /evaluate: the trainer was made without evalDataset/);
  await assert.rejects(trainer.predict(), /predict: the trainer was made without evalDataset/);
  trainer.dispose();
  assert.deepEqual(engineMemory(), start);
  model.dispose();
});

test("rows above maxLength are left out, and a line says how many", async (context) => {
  const warn = context.mock.method(console, "warn", () => undefined);
  const lengths = fixture.rows.map((row) => Math.max(row.chosen_ids.length, row.rejected_ids.length));
  const kept = lengths.filter((length) => length <= 14).length;
  assert.ok(kept > 0 && kept < lengths.length);
  await withTrainer({ maxLength: 14 }, async (trainer) => assert.equal(trainer.trainRows.length, kept));
  assert.match(String(warn.mock.calls[0]!.arguments[0]), new RegExp(`^${lengths.length - kept} of ${lengths.length} rows of trainDataset are left out`));
});
