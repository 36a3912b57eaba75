import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { tf } from "../../src/engine/backend";
import { BFLOAT16_VARIABLE } from "../../src/engine/precision";
import type { EncoderForSequenceClassification } from "../../src/model/encoderClassification";
import { loadSequenceClassifier } from "../../src/model/loadClassifier";
import { RewardTrainer, type RewardTrainerOptions } from "../../src/step/rewardTrainer";
import { tokenizeRewardRows } from "../../src/tokens/rewardRows";
import { allClose } from "../engine/close";
import { inTemporaryFolder } from "../hub/python";
import { fixture, fixtureEncoder, fixtureTokenizer } from "../model/encoderFixture";
import { weightsOf } from "../model/reference";
import { column, withDisposed } from "./withDisposed";

// bfloat16 is tested on processors without its instructions too.
process.env[BFLOAT16_VARIABLE] = "1";

type Family = "bert" | "roberta";

/** A trainer of one label on the fixture's model, everything disposed afterwards; counts must be as before. */
function withTrainer<T>(family: Family, args: RewardTrainerOptions["args"], work: (trainer: RewardTrainer, model: EncoderForSequenceClassification) => Promise<T>, options: Partial<RewardTrainerOptions> = {}): Promise<T> {
  return withDisposed(async () => {
    const model = await fixtureEncoder(family, 1);
    const { learningRate, weightDecay, batch: perDeviceTrainBatchSize, steps: maxSteps } = fixture;
    const trainer = new RewardTrainer({
      model, tokenizer: fixtureTokenizer(family), trainDataset: fixture[family].rows!, ...options,
      args: { learningRate, weightDecay, maxSteps, perDeviceTrainBatchSize, loggingSteps: 1, shuffle: false, groupByLength: false, ...args },
    });
    return { trainer, model };
  }, work);
}

for (const family of ["bert", "roberta"] as const) {
  for (const [name, { headOnly, log }] of Object.entries(fixture[family].trainings!)) {
    test(`${family}, ${name}: from the same start on the same rows every logged number is that of TRL's RewardTrainer`, () => withTrainer(family, { headOnly }, async (trainer, model) => {
      const before = await weightsOf(model);
      await trainer.train();
      // Both sides round to float32 at every step.
      for (const metric of ["loss", "grad_norm", "accuracy", "margin", "num_tokens"]) allClose(column(trainer, metric), log[metric]!, 5e-5, metric);
      // No difference of rewards depends on the last bias, whose gradient is rounding alone: Adam makes steps of it, of up to the rate each.
      const steps = log.loss!.map((_, i) => i);
      for (const [metric, sign] of [["min_reward", 1], ["max_reward", -1]] as const) {
        const spread = (rewards: readonly number[], means: readonly number[]): number[] => rewards.map((reward, i) => sign * (means[i]! - reward));
        allClose(spread(column(trainer, metric), column(trainer, "mean_reward")), spread(log[metric]!, log.mean_reward!), 5e-5, metric);
      }
      const drift = column(trainer, "mean_reward").map((mean, i) => Math.abs(mean - log.mean_reward![i]!));
      assert.ok(steps.every((i) => drift[i]! <= 1e-5 + 2 * i * fixture.learningRate), `${drift}`);
      if (!headOnly) return;
      const after = await weightsOf(model);
      const changed = Object.keys(before).filter((each) => before[each]!.join() !== after[each]!.join());
      const lastBias = model.headParameters.at(-1)!;
      assert.deepEqual([...changed.filter((each) => each !== lastBias), lastBias], model.headParameters);
    }));
  }
}

test("bfloat16 and gradient checkpointing train near float32; the same seed gives the same losses bit for bit", async () => {
  const run = (args: RewardTrainerOptions["args"]) => withTrainer("bert", { maxSteps: 3, shuffle: true, ...args }, async (trainer) => (await trainer.train(), column(trainer, "loss")));
  const wide = await run({});
  assert.deepEqual(await run({}), wide);
  allClose(await run({ gradientCheckpointing: true }), wide, 1e-5);
  const narrow = await run({ precision: "bfloat16" });
  assert.notDeepEqual(narrow, wide);
  allClose(narrow, wide, 0.05);
});

test("held-out rewards are the model's own of each text; a checkpoint holds the classifier, and a run continues from it to the same numbers", () => inTemporaryFolder(async (dir) => {
  const evalDataset = fixture.bert.rows!.slice(0, 5);
  const outputDir = path.join(dir, "run");
  const whole = await withTrainer("bert", { outputDir, saveSteps: 2, maxSteps: 4, perDeviceEvalBatchSize: 2 }, async (trainer, model) => {
    await trainer.train();
    assert.equal(trainer.memoryPlan, null);
    const { chosen } = await trainer.predict();
    const alone = evalDataset.map(({ chosen_ids: ids }) => tf.tidy(() => model.forward(tf.tensor2d([ids], undefined, "int32")).dataSync()[0]!));
    allClose(chosen, alone, 1e-5);
    const loaded = await loadSequenceClassifier(path.join(outputDir, "checkpoint-4"));
    assert.deepEqual(await weightsOf(loaded.model), await weightsOf(model));
    loaded.model.dispose();
    return column(trainer, "loss");
  }, { evalDataset });
  await withTrainer("bert", { outputDir: path.join(dir, "again"), saveSteps: 2, maxSteps: 4, perDeviceEvalBatchSize: 2 }, async (trainer) => {
    await trainer.train({ resumeFromCheckpoint: path.join(outputDir, "checkpoint-2") });
    assert.deepEqual(column(trainer, "loss"), whole);
  }, { evalDataset });
}));

test("texts become ids between an encoder's special tokens; what it has no positions for is refused", async () => {
  const tokenizer = fixtureTokenizer("bert");
  const [row] = tokenizeRewardRows([{ prompt: "the sea ", chosen: "is calm", rejected: "was dreadful" }], tokenizer);
  assert.deepEqual(row!.chosen_ids, tokenizer.encode("the sea is calm", { addSpecialTokens: true }));
  assert.deepEqual([row!.chosen_ids[0], row!.chosen_ids.at(-1)], [2, 3]);
  const model = await fixtureEncoder("bert", 1);
  assert.throws(() => new RewardTrainer({ model, tokenizer, trainDataset: [{ chosen: "sea ".repeat(60), rejected: "calm" }] }), /trainDataset has a text of 62 tokens, the model has 40 positions\. Lower maxLength/);
  model.dispose();
  const three = await fixtureEncoder("bert");
  assert.throws(() => new RewardTrainer({ model: three, tokenizer, trainDataset: fixture.bert.rows! }), /gives each text 3 scores/);
  three.dispose();
});
