import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { tf } from "../../src/engine/backend";
import { type KernelBridge, kernelKey, type MimeBundle } from "../../src/engine/host";
import { engineMemory } from "../../src/engine/info";
import { store, StoreError } from "../../src/exercises/store";
import { missing } from "../../src/exercises/storedItems";
import { LlamaForSequenceClassification } from "../../src/model/classification";
import { withFreshHead, withLabels } from "../../src/model/classifierHead";
import { addLora } from "../../src/model/lora";
import { tinyModel } from "../generate/tinyModel";
import { weightsOf } from "../model/reference";
import { tinyTokenizer } from "../step/tiny";

const folder = mkdtempSync(path.join(tmpdir(), "alignlab-store-"));
const given = { ...process.env };
const shown: string[] = [];
const host = globalThis as { [kernelKey]?: KernelBridge };
before(() => {
  process.env.ALIGNLAB_STORE_DIR = folder;
  host[kernelKey] = { display: (bundle: MimeBundle) => void shown.push(String(bundle["text/plain"])), clearOutput: () => undefined, bundleOf: () => ({}), signal: new AbortController().signal };
});
beforeEach(() => void shown.splice(0));
after(() => {
  for (const name of ["ALIGNLAB_STORE_DIR", "JPY_SESSION_NAME", "ALIGNLAB_PROFILE"]) {
    if (given[name] === undefined) delete process.env[name];
    else process.env[name] = given[name];
  }
  delete host[kernelKey];
  rmSync(folder, { recursive: true, force: true });
});

test("a model and a classifier come back as they were put, an adapter's updates in the weights", async () => {
  const start = engineMemory();
  const tokenizer = tinyTokenizer();
  const model = await tinyModel({ vocab: 32 });
  const lora = addLora(model, { r: 2 });
  tf.tidy(() => lora.parameters.forEach((parameter) => parameter.assign(tf.add(parameter, 0.1) as never)));
  const merged = Object.fromEntries(await Promise.all([...model.parameters.keys()].map(async (name) => [name, await model.read(name)] as const)));
  await store.put("policy", { model, tokenizer, generationConfig: { max_new_tokens: 7 } });
  const policy = await store.get("policy", "model");
  assert.deepEqual(Object.fromEntries(await Promise.all([...policy.model.parameters].map(async ([name, parameter]) => [name, await parameter.data()] as const))), merged);
  assert.deepEqual([policy.generationConfig.max_new_tokens, policy.tokenizer.encode("abc")], [7, tokenizer.encode("abc")]);

  const config = withLabels(model.hfConfig, { numLabels: 1 });
  const classifier = await LlamaForSequenceClassification.create(config, withFreshHead(config, (name) => model.read(name), 4));
  await store.put("scorer", { model: classifier, tokenizer });
  const scorer = await store.get("scorer", "classifier");
  assert.deepEqual(await weightsOf(scorer.model as never), await weightsOf(classifier as never));
  await assert.rejects(store.get("scorer", "model"), (error) => error instanceof StoreError && error.message === '"scorer" is a classifier; it was asked for as a language model. Call store.get("scorer", "classifier").');
  await assert.rejects(store.put("bare", { model }), /a model is stored with its tokenizer/);
  assert.ok(!store.has("bare"));
  lora.unload();
  for (const { model } of [policy, scorer]) model.dispose();
  model.dispose();
  classifier.dispose();
  assert.deepEqual(engineMemory(), start);
});

test("rows and values come back exactly, with numbers that JSON lacks and typed arrays", async () => {
  const rows = [{ step: 1, loss: NaN, text: "zwei\nZeilen" }, { step: 2, loss: -Infinity, $array: "no array" }];
  await store.put("log", rows);
  assert.deepEqual(await store.get("log", "rows"), rows);
  assert.deepEqual(await store.get<typeof rows>("log", "value"), rows);
  const value = { logps: Float32Array.of(0.1, -3, NaN), nested: [[1, -0], []], none: null, name: "é", yes: true };
  await store.put("figures", value);
  assert.deepEqual(await store.get("figures", "value"), value);
  await store.put("empty", []);
  assert.deepEqual(await store.get("empty", "rows"), []);
  await assert.rejects(store.get("figures", "rows"), /"figures" is a value; it was asked for as rows/);
  await store.put("figures", 3);
  assert.equal(await store.get("figures", "value"), 3);
});

test("what a file cannot hold is refused with its place, and what was there stays", async () => {
  await store.put("kept", { a: 1 });
  await assert.rejects(store.put("kept", { a: [1, { b: () => 1 }] }), /value\.a\[1\]\.b is of type function, which a file cannot hold/);
  await assert.rejects(store.put("kept", [{ when: new Date(0) }]), /row 0\.when is a Date/);
  await assert.rejects(store.put("kept", new Map()), /value is a Map/);
  const model = await tinyModel({ vocab: 32 });
  await assert.rejects(store.put("kept", { model, tokenizer: { save: () => Promise.reject(new Error("disk")) } }), /disk/);
  model.dispose();
  assert.deepEqual(await store.get("kept", "value"), { a: 1 });
  assert.deepEqual(readdirSync(folder).filter((name) => /^\.kept/.test(name)), [], "nothing half written is left");
  for (const name of ["../x", "", "a/b", ".hidden"]) await assert.rejects(store.put(name, 1), /is no name/);
});

test("what is missing: one message names the notebook that makes it, or the stand-in is taken and said so", async () => {
  const sources = path.join(folder, ".sources");
  mkdirSync(sources);
  writeFileSync(path.join(sources, "02-reward-model.ts"), 'await store.put("reward-model-2", 1);\nawait store.put(\n  "reward-model", { model, tokenizer });\n');
  assert.equal(missing("reward-model", sources), 'There is no "reward-model" yet: notebook 02 makes it. Run notebooks/02-reward-model.ipynb to its end, then this cell again.');
  await store.put("there", 1);
  const nobodys = /^There is no "nobodys", and no notebook of the course makes it\. The store holds .*there/;
  assert.match(missing("nobodys", sources), nobodys);
  await assert.rejects(store.get("nobodys", "model"), (error) => error instanceof StoreError && nobodys.test(error.message));
  assert.deepEqual(await store.get("nobodys", "value", { standIn: [4, 5] }), [4, 5]);
  const rows = await store.get("nobodys", "rows", { standIn: "human-like" });
  assert.ok(rows.length > 100);
  assert.match(shown[0]!, / Until then a stand-in stands in\.$/);
  assert.match(shown[1]!, / Until then "human-like" stands in\.$/);
  assert.equal(shown.length, 2);
});

test("the list says what is there and where it is from; a thing can be removed", async () => {
  process.env.JPY_SESSION_NAME = "notebooks/02-reward-model.ipynb";
  process.env.ALIGNLAB_PROFILE = "quick";
  await store.put("listed", 1);
  assert.match(store.list().text, /listed\s+value\s+02-reward-model\.ipynb\s+quick\s+20\d\d-/);
  assert.ok(store.remove("listed") && !store.has("listed") && !existsSync(path.join(folder, "listed")));
  assert.ok(!store.remove("listed"));
});
