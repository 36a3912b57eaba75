import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { LlamaForSequenceClassification } from "../../src/model/classification";
import { loadModel, saveModel } from "../../src/model/load";
import { loadSequenceClassifier } from "../../src/model/loadClassifier";
import { allClose } from "../engine/close";
import { tinyModel } from "../generate/tinyModel";
import { inTemporaryFolder } from "../hub/python";
import { fixture, fixtureModel } from "../step/rewardFixture";
import { tinyTokenizer } from "../step/tiny";
import { weightsOf } from "./reference";

const tokenizer = tinyTokenizer();

for (const { padTokenId, side, ids, mask, logits } of fixture.logits) {
  test(`logits are transformers': padding token ${padTokenId}, padding: ${side}`, async () => {
    const start = engineMemory();
    const model = await fixtureModel(padTokenId, 3);
    const inputs = [ids, mask].map((rows) => tf.tensor2d(rows, undefined, "int32"));
    const forward = jit((ids, mask) => model.forward(ids as never, mask as never));
    for (const result of [forward(inputs[0]!, inputs[1]!), tf.tidy(() => model.forward(inputs[0] as never, inputs[1] as never))]) {
      assert.deepEqual(result.shape, [ids.length, 3]);
      allClose(await result.data(), logits.flat(), 1e-5);
      result.dispose();
    }
    forward.dispose();
    tf.dispose(inputs);
    model.dispose();
    assert.deepEqual(engineMemory(), start);
  });
}

test("several texts without a padding token are refused", async () => {
  const model = await fixtureModel(null, 3);
  tf.tidy(() => assert.throws(() => model.forward(tf.ones([2, 3], "int32")), /no padding token.*Set model\.padTokenId/));
  model.dispose();
});

test("a fresh head is drawn from its seed on a copy of the body, normal with deviation initializer_range", async () => {
  const causal = await tinyModel({ vocab: 30 });
  const [one, same, other] = [await LlamaForSequenceClassification.fromCausalLM(causal, { numLabels: 10, seed: 4 }), await LlamaForSequenceClassification.fromCausalLM(causal, { numLabels: 10, seed: 4 }), await LlamaForSequenceClassification.fromCausalLM(causal, { numLabels: 10, seed: 5 })];
  const { "score.weight": score, ...body } = await weightsOf(one);
  assert.deepEqual(body, await weightsOf(causal));
  assert.equal(score!.length, 10 * 32);
  assert.deepEqual((await weightsOf(same))["score.weight"], score);
  assert.notDeepEqual((await weightsOf(other))["score.weight"], score);
  const deviation = Math.sqrt(score!.reduce((sum, w) => sum + w * w, 0) / score!.length);
  // Of 320 draws the deviation is known to about 4 %.
  assert.ok(Math.abs(deviation / 0.02 - 1) < 0.12, `${deviation}`);
  assert.deepEqual([one.numLabels, one.labels[9]], [10, "LABEL_9"]);
  for (const model of [causal, one, same, other]) model.dispose();
});

test("labels must fit their number", async () => {
  const causal = await tinyModel({ vocab: 30 });
  const make = (head: object) => LlamaForSequenceClassification.fromCausalLM(causal, head);
  await assert.rejects(make({ numLabels: 0 }), /numLabels is 0/);
  await assert.rejects(make({ numLabels: 2, id2label: { 0: "bad" } }), /id2label names \["0"\]; each label from 0 to 1 needs a name/);
  await assert.rejects(make({ id2label: { 1: "a", 2: "b" } }), /each label from 0 to 1/);
  causal.dispose();
});

test("saved in transformers' layout and loaded again: names, padding token, no causal head, equal weights and logits", () => inTemporaryFolder(async (dir) => {
  const start = engineMemory();
  const causal = await tinyModel({ vocab: 30 });
  const model = await LlamaForSequenceClassification.fromCausalLM(causal, { id2label: { 0: "bad", 1: "good" }, seed: 1 });
  const folder = path.join(dir, "classifier");
  await saveModel(folder, { model, tokenizer }, { card: "" });
  const config = JSON.parse(readFileSync(path.join(folder, "config.json"), "utf8")) as Record<string, unknown>;
  assert.deepEqual([config.architectures, config.id2label, config.label2id, config.pad_token_id], [["LlamaForSequenceClassification"], { 0: "bad", 1: "good" }, { bad: 0, good: 1 }, 0]);
  const again = await loadSequenceClassifier(folder);
  assert.deepEqual(await weightsOf(again.model), await weightsOf(model));
  assert.deepEqual(again.model.labels, ["bad", "good"]);
  assert.match(again.model.fingerprint ?? "", /^[0-9a-f]{64}$/);
  await assert.rejects(loadSequenceClassifier(folder, { numLabels: 3 }), /has a head for 2 labels, numLabels is 3/);
  await assert.rejects(loadModel(folder), /is a classifier.*Load it with loadSequenceClassifier/);
  for (const each of [causal, model, again.model]) each.dispose();
  assert.deepEqual(engineMemory(), start);
}));

test("a causal model's folder gives its body with a fresh head; the padding token is the tokenizer's where the config names none", () => inTemporaryFolder(async (dir) => {
  const causal = await tinyModel({ vocab: 30 });
  (causal.hfConfig as { pad_token_id: number | null }).pad_token_id = null;
  const folder = path.join(dir, "causal");
  await saveModel(folder, { model: causal, tokenizer }, { card: "" });
  const { model } = await loadSequenceClassifier(folder, { seed: 3 });
  assert.deepEqual([model.numLabels, model.padTokenId, model.config.padTokenId, model.fingerprint], [1, tokenizer.padTokenId, null, null]);
  const { "score.weight": _, ...body } = await weightsOf(model);
  assert.deepEqual(body, await weightsOf(causal));
  for (const each of [causal, model]) each.dispose();
}));

test("scores are float32 in every precision", async () => {
  const model = await fixtureModel(0, 3);
  const states = tf.randomNormal([5, 32], 0, 1, "float32", 2) as Tensor2D;
  const scored = jit((states: Tensor2D) => model.scores(states), { precision: "bfloat16" })(states);
  const expected = tf.matMul(states, model.score, false, true);
  allClose(await scored.data(), await expected.data(), 1e-6);
  tf.dispose([states, scored, expected]);
  model.dispose();
});
