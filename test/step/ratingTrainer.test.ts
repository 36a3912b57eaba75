import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { reliability } from "../../src/loss/calibration";
import { rateTexts } from "../../src/loss/textRater";
import type { LlamaForSequenceClassification } from "../../src/model/classification";
import { loadSequenceClassifier } from "../../src/model/loadClassifier";
import { RatingTrainer, type RatingTrainerOptions } from "../../src/step/ratingTrainer";
import { allClose } from "../engine/close";
import { inTemporaryFolder } from "../hub/python";
import { fixtureEncoder, fixtureTokenizer } from "../model/encoderFixture";
import { weightsOf } from "../model/reference";
import { fixture as rewardFixture, fixtureModel } from "./rewardFixture";
import { tinyTokenizer } from "./tiny";
import { withDisposed } from "./withDisposed";

interface Training {
  rows: number;
  log: Record<string, number[]>;
  evaluated: Record<string, number>;
  chosen: number[][];
  rejected: number[][];
}

/** Figures of PyTorch in float64; `make_rating.py` writes them. */
const fixture = JSON.parse(readFileSync(path.join(__dirname, "../fixtures/rating.json"), "utf8")) as { steps: number; ratings: number; trainings: Record<string, Training> };
const tokenizer = tinyTokenizer();
const withoutMargin = ({ chosen_ids, rejected_ids }: (typeof rewardFixture.rows)[number]) => ({ chosen_ids, rejected_ids });
const trainDataset = rewardFixture.rows.map(withoutMargin);
const evalDataset = rewardFixture.heldOut.map(withoutMargin);

type Work = (trainer: RatingTrainer, model: LlamaForSequenceClassification) => Promise<unknown>;

/** A trainer on the fixture's model, everything disposed afterwards; counts must be as before. */
async function withTrainer(args: RatingTrainerOptions["args"], work: Work, options: Partial<RatingTrainerOptions> = {}): Promise<void> {
  await withDisposed(async () => {
    const model = await fixtureModel(0, fixture.ratings);
    const trainer = new RatingTrainer({
      model, tokenizer, trainDataset, evalDataset, ...options,
      args: { learningRate: rewardFixture.learningRate, loggingSteps: 1, maxSteps: 3, perDeviceTrainBatchSize: rewardFixture.batch, perDeviceEvalBatchSize: 4, shuffle: false, groupByLength: false, ...args },
    });
    return { trainer, model };
  }, work);
}

const trainings: Record<string, RatingTrainerOptions["args"]> = { "whole": {}, "head only": { headOnly: true }, "cut": { maxLength: 9 } };

for (const [name, args] of Object.entries(trainings)) {
  test(`from the same start on the same rows every logged number and held-out distribution is PyTorch's in float64: ${name}`, async (context) => {
    context.mock.method(console, "warn", () => undefined);
    const expected = fixture.trainings[name]!;
    await withTrainer({ maxSteps: fixture.steps, ...args }, async (trainer, model) => {
      const before = await weightsOf(model);
      await trainer.train();
      assert.equal(trainer.trainRows.length, expected.rows);
      const rows = trainer.state.logHistory.filter((row) => "loss" in row);
      // Ours rounds to float32 at every step, which 20 steps of Adam carry to some 1e-5.
      for (const [metric, values] of Object.entries(expected.log)) allClose(rows.map((row) => row[metric]!), values, 1e-4, metric);
      const measured = (await trainer.evaluate())!;
      for (const [metric, value] of Object.entries(expected.evaluated)) allClose([measured[`eval_${metric}`]!], [value], 1e-4, metric);
      const held = await trainer.predict();
      allClose(held.chosen.flat(), expected.chosen.flat(), 1e-4, "chosen");
      allClose(held.rejected.flat(), expected.rejected.flat(), 1e-4, "rejected");
      const after = await weightsOf(model);
      const changed = Object.keys(before).filter((parameter) => before[parameter]!.join() !== after[parameter]!.join());
      if (name === "head only") assert.deepEqual(changed, ["score.weight"]);
      else assert.equal(changed.length, Object.keys(before).length);
    });
  });
}

test("predict's chances and margins are those of its distributions, as reliability takes them", () => withTrainer({}, async (trainer) => {
  const { chosen, rejected, pWin, margins } = await trainer.predict();
  const above = (p: number[], q: number[]): number => p.reduce((sum, x, i) => sum + x * q.slice(0, i).reduce((a, b) => a + b, 0), 0);
  allClose(pWin, chosen.map((p, i) => above(p, rejected[i]!)), 1e-5);
  allClose(margins, chosen.map((p, i) => Math.log(above(p, rejected[i]!) / above(rejected[i]!, p))), 1e-4);
  const right = pWin.filter((win, i) => win > above(rejected[i]!, chosen[i]!)).length / pWin.length;
  const { bins } = reliability(margins, 1);
  allClose([bins[0]!.accuracy], [right], 1e-9);
}));

test("a checkpoint is a transformers classifier of ten labels, which rates the held-out texts as predict did", () => inTemporaryFolder((dir) => {
  const pairs = [{ chosen: "abc d", rejected: "xyz" }, { chosen: "k l", rejected: "k m n o p" }];
  return withTrainer({ outputDir: dir, saveSteps: 3 }, async (trainer) => {
    await trainer.train();
    const { chosen, rejected } = await trainer.predict();
    const { model } = await loadSequenceClassifier(path.join(dir, "checkpoint-3"));
    assert.equal(model.hfConfig.architectures?.[0], "LlamaForSequenceClassification");
    assert.equal(model.numLabels, 10);
    const ratings = await rateTexts(pairs.flatMap((pair) => [pair.chosen, pair.rejected]), { model, tokenizer });
    allClose(ratings.flatMap(({ probabilities }) => probabilities), [0, 1].flatMap((i) => [...chosen[i]!, ...rejected[i]!]), 1e-5);
    model.dispose();
  }, { evalDataset: pairs });
}));

test("an encoder of ten labels is trained too: predict and TextRater give what its own forward pass gives", async () => {
  const start = engineMemory();
  const model = await fixtureEncoder("bert", 10);
  const encoderTokenizer = fixtureTokenizer("bert");
  const pairs = [{ chosen: "the sea is calm", rejected: "the sea" }, { chosen: "calm", rejected: "the dreadful sea" }];
  const trainer = new RatingTrainer({ model, tokenizer: encoderTokenizer, trainDataset: pairs, evalDataset: pairs, args: { maxSteps: 4, learningRate: 2e-3, loggingSteps: 1, shuffle: false } });
  await trainer.train();
  const losses = trainer.state.logHistory.filter((row) => "loss" in row).map((row) => row.loss!);
  assert.ok(losses.at(-1)! < losses[0]!, String(losses));
  const { chosen, rejected } = await trainer.predict();
  const texts = pairs.flatMap((pair) => [pair.chosen, pair.rejected]);
  const forward = texts.flatMap((text) => tf.tidy(() => [...tf.softmax(model.forward(tf.tensor2d([encoderTokenizer.encode(text, { addSpecialTokens: true })], undefined, "int32"))).dataSync()]));
  allClose([0, 1].flatMap((i) => [...chosen[i]!, ...rejected[i]!]), forward, 1e-5);
  allClose((await rateTexts(texts, { model, tokenizer: encoderTokenizer })).flatMap(({ probabilities }) => probabilities), forward, 1e-5);
  trainer.dispose();
  model.dispose();
  assert.deepEqual(engineMemory(), start);
});

test("pairs that differ only behind the cut are left out, and a line says how many", async (context) => {
  const warn = context.mock.method(console, "warn", () => undefined);
  await withTrainer({ maxLength: 3 }, async (trainer) => {
    assert.deepEqual(trainer.trainRows.map(({ chosen_ids, rejected_ids }) => [chosen_ids, rejected_ids]), [[[5, 6, 7], [5, 6, 8]]]);
  }, { trainDataset: [{ chosen_ids: [5, 6, 7, 9], rejected_ids: [5, 6, 8] }, { chosen_ids: [5, 6, 7, 9], rejected_ids: [5, 6, 7] }], evalDataset: [] });
  assert.match(String(warn.mock.calls[0]!.arguments[0]), /^1 of 2 rows of trainDataset are left out: both texts begin with the same maxLength 3 tokens/);
});

test("models, rows and settings that cannot be trained on are refused before anything is made", async () => {
  const model = await fixtureModel(0, 10);
  const start = engineMemory();
  const make = (options: Partial<RatingTrainerOptions>, args: object = {}) => () => new RatingTrainer({ model, tokenizer, trainDataset, ...options, args: args as never });
  const one = await fixtureModel(0, 1);
  assert.throws(make({ model: one }), /gives each text one score; a model of ratings gives one for each rating\. Load it with numLabels: 10/);
  one.dispose();
  assert.throws(make({ trainDataset: rewardFixture.rows }), /Row 0 of trainDataset has a margin, which the loss of ratings does not have/);
  assert.throws(make({}, { maxLength: 1 }), /In every row of trainDataset both texts begin with the same maxLength 1 tokens, prompt included\. Raise maxLength/);
  assert.throws(make({ evalDataset: [{ chosen: "a".repeat(70), rejected: "b" }] }), /evalDataset has a text of 71 tokens, the model has 64 positions\. Lower maxLength/);
  assert.throws(make({}, { centerRewardsCoefficient: 0.01 }), /args\.centerRewardsCoefficient is not a training argument/);
  const trainer = make({})();
  await assert.rejects(trainer.predict(), /predict: the trainer was made without evalDataset/);
  trainer.dispose();
  assert.deepEqual(engineMemory(), start);
  model.dispose();
});
