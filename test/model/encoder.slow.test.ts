import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { tf } from "../../src/engine/backend";
import { PACKAGED_ENCODER } from "../../src/hub/cache";
import { saveModel } from "../../src/model/load";
import { loadSequenceClassifier, type SequenceClassifier } from "../../src/model/loadClassifier";
import { pipeline, type LabelScore } from "../../src/model/pipeline";
import type { Tokenizer } from "../../src/tokens/tokenizer";
import { allClose } from "../engine/close";
import { inTemporaryFolder } from "../hub/python";
import { FAMILIES, fixtureEncoder, fixtureTokenizer } from "./encoderFixture";

// What a saved encoder is worth outside: Python's transformers loads all of it and computes the same logits, its pipeline says
// the same of the same folder, and what it saves is loaded here. The packaged encoder is fetched if it is not there yet.

const TEXTS = ["The sea is calm tonight.", "What a splendid day; wasn't it?", "Ein längerer Satz, der mehr Wörter hat als die anderen beiden zusammen 🍂, und naïve Cafés.", "x", "One hundred and twenty-three (123) e-mails @ 5 % off: https://example.org/a_b?c=d"];
const MAKE = "The peers' Python is not there; `npm run bench -- reward` makes it (.venv-peer, 4.6 GB).";
const LABELS = ["joy", "anger", "fear"];

interface FromPython {
  class: string;
  labels: Record<string, string>;
  missing: string[];
  unexpected: string[];
  ids: number[][];
  mask: number[][];
  logits: number[][];
  best: LabelScore[];
  all: LabelScore[][];
}

function sameScores(found: LabelScore[], expected: LabelScore[], what: string): void {
  assert.deepEqual(found.map(({ label }) => label), expected.map(({ label }) => label), what);
  allClose(found.map(({ score }) => score), expected.map(({ score }) => score), 1e-4, what);
}

/** Makes a classifier of a folder's weights whose logits are far apart: a fresh head is too small to tell anything. */
function spread(model: SequenceClassifier): void {
  for (const name of model.headParameters) tf.tidy(() => model.parameters.get(name)!.assign(tf.mul(model.parameters.get(name)!, 20) as never));
}

test("Python's transformers loads the packaged encoder with a head, and each family, saved here: equal logits, equal pipelines, and back", async (context) => {
  const { peerPaths, peerReady } = await import("../../bench/peerVenv.mjs");
  if (!peerReady()) return context.skip(MAKE);
  const packaged = await loadSequenceClassifier(PACKAGED_ENCODER, { id2label: Object.fromEntries(LABELS.entries()), seed: 3 });
  assert.deepEqual([packaged.hasFreshHead, packaged.model.maxTokens, packaged.model.parameters.size], [true, 512, 105]);
  spread(packaged.model);
  const cases: { model: SequenceClassifier; tokenizer: Tokenizer; class: string }[] = [{ ...packaged, class: "BertForSequenceClassification" }];
  const classes = { bert: "BertForSequenceClassification", distilbert: "DistilBertForSequenceClassification", roberta: "RobertaForSequenceClassification" };
  for (const family of FAMILIES) cases.push({ model: await fixtureEncoder(family, 3), tokenizer: fixtureTokenizer(family), class: classes[family] });
  await inTemporaryFolder(async (dir) => {
    const texts = path.join(dir, "texts.json");
    // The tiny models have 40 positions.
    const asked = TEXTS.map((text) => text.slice(0, 30));
    writeFileSync(texts, JSON.stringify(asked));
    const folders = cases.map((_, i) => [path.join(dir, `saved${i}`), path.join(dir, `again${i}`)] as const);
    for (const [i, { model, tokenizer }] of cases.entries()) await saveModel(folders[i]![0], { model, tokenizer }, { card: "# A test's classifier\n" });
    const output = execFileSync(peerPaths().python, [path.join(__dirname, "encoders.py"), texts, ...folders.flat()], {
      encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26, env: { ...process.env, HF_HUB_OFFLINE: "1", HF_HOME: dir, CUDA_VISIBLE_DEVICES: "" },
    });
    const results = JSON.parse(output.trim().split("\n").at(-1)!) as FromPython[];
    for (const [i, { model, tokenizer, class: expected }] of cases.entries()) {
      const { ids, mask, logits, best, all, ...about } = results[i]!;
      assert.deepEqual(about, { class: expected, labels: { ...model.labels }, missing: [], unexpected: [] });
      assert.deepEqual(asked.map((text) => tokenizer.encode(text, { addSpecialTokens: true })), ids.map((row, text) => row.filter((_, at) => mask[text]![at] === 1)));
      assert.ok(Math.max(...logits.flat().map(Math.abs)) > 0.5, "logits must be far from 0 for this test to mean anything");
      const loaded = await loadSequenceClassifier(folders[i]![1]);
      for (const each of [model, loaded.model]) {
        const values = tf.tidy(() => each.forward(tf.tensor2d(ids, undefined, "int32"), tf.tensor2d(mask, undefined, "int32")).dataSync());
        allClose(values, logits.flat(), 1e-4, expected);
      }
      loaded.model.dispose();
      const classify = await pipeline("text-classification", folders[i]![0]);
      sameScores(await classify(asked), best, `${expected}, best`);
      sameScores((await classify(asked, { topK: null })).flat(), all.flat(), `${expected}, all`);
      classify.dispose();
    }
  });
  for (const { model } of cases) model.dispose();
});

test("the packaged encoder's ids and its scores of longer texts are Python's", async (context) => {
  const { peerPaths, peerReady } = await import("../../bench/peerVenv.mjs");
  if (!peerReady()) return context.skip(MAKE);
  const { model, tokenizer } = await loadSequenceClassifier(PACKAGED_ENCODER, { numLabels: 1, seed: 5 });
  spread(model);
  await inTemporaryFolder(async (dir) => {
    const [texts, folder, again] = ["texts.json", "saved", "again"].map((name) => path.join(dir, name)) as [string, string, string];
    const long = [...TEXTS, Array.from({ length: 60 }, (_, i) => TEXTS[i % 3]).join(" ").slice(0, 1500)];
    writeFileSync(texts, JSON.stringify(long));
    await saveModel(folder, { model, tokenizer }, { card: "" });
    const output = execFileSync(peerPaths().python, [path.join(__dirname, "encoders.py"), texts, folder, again], {
      encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26, env: { ...process.env, HF_HUB_OFFLINE: "1", HF_HOME: dir, CUDA_VISIBLE_DEVICES: "" },
    });
    const [{ ids, mask, best }] = JSON.parse(output.trim().split("\n").at(-1)!) as [FromPython];
    assert.deepEqual(long.map((text) => tokenizer.encode(text, { addSpecialTokens: true })), ids.map((row, text) => row.filter((_, at) => mask[text]![at] === 1)));
    const classify = await pipeline("text-classification", { model, tokenizer });
    sameScores(await classify(long), best, "sigmoid of one label");
    classify.dispose();
  });
  model.dispose();
});
