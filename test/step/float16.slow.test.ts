import assert from "node:assert/strict";
import { test } from "node:test";
import { loadPreferenceRows } from "../../src/data/preference";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { loadModel } from "../../src/model/load";
import { DPOTrainer } from "../../src/step/dpoTrainer";

test("float16 trains the packaged model: the scale falls until steps are taken, and then the loss falls as in float32", async () => {
  const { model, tokenizer } = await loadModel(PACKAGED_MODEL);
  const trainer = new DPOTrainer({
    model, tokenizer, trainDataset: await loadPreferenceRows("human-like", { limit: 2 }),
    args: { precision: "float16", perDeviceTrainBatchSize: 2, maxPromptLength: 32, maxCompletionLength: 32, maxSteps: 8, loggingSteps: 1, learningRate: 2e-5, lrSchedulerType: "constant", shuffle: false, groupByLength: false },
  });
  await trainer.train();
  const rows = trainer.state.logHistory;
  const taken = rows.filter((row) => row.grad_norm !== undefined);
  assert.ok(taken.length >= 5, `${rows.length - taken.length} of ${rows.length} steps were left out, the scale is ${rows.at(-1)!.loss_scale}`);
  assert.ok(rows.slice(0, rows.length - taken.length).every((row) => row.grad_norm === undefined), "only the first steps are left out");
  // The first gradient of the same rows in float32, without a scale, has a norm of 32.76.
  assert.ok(Math.abs(taken[0]!.grad_norm! / 32.76 - 1) < 0.01, `norm ${taken[0]!.grad_norm}`);
  assert.ok(Math.abs(taken[0]!.loss! - Math.LN2) < 1e-3);
  assert.ok(taken.at(-1)!.loss! < 0.01, `losses ${taken.map(({ loss }) => loss)}`);
  trainer.dispose();
  model.dispose();
});
