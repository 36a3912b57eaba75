import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { tf } from "../../src/engine/backend";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { saveModel } from "../../src/model/load";
import { loadSequenceClassifier, type SequenceClassifier } from "../../src/model/loadClassifier";
import { allClose } from "../engine/close";
import { inTemporaryFolder } from "../hub/python";

// What a saved classifier is worth outside: Python's transformers loads all of it and computes the same logits, and what it saves is loaded here.

// The second ends in the token that is padding too.
const TEXTS = ["The sea is calm tonight.", "What is 2 + 2?<|im_end|>", "Ein längerer Satz, der mehr Wörter hat als die anderen beiden zusammen 🍂"];
const LABELS = ["joy", "anger", "fear", "love", "surprise", "sadness", "pride", "shame", "envy", "hope"];
const MAKE = "The peers' Python is not there; `npm run bench -- reward` makes it (.venv-peer, 4.6 GB).";

interface FromPython {
  class: string;
  labels: Record<string, string>;
  pad: number;
  missing: string[];
  unexpected: string[];
  batches: Record<string, { ids: number[][]; mask: number[][]; logits: number[][] }>;
}

async function logitsOf(model: SequenceClassifier, ids: number[][], mask: number[][]): Promise<ArrayLike<number>> {
  const logits = tf.tidy(() => model.forward(tf.tensor2d(ids, undefined, "int32"), tf.tensor2d(mask, undefined, "int32")));
  const values = await logits.data();
  logits.dispose();
  return values;
}

test("Python's transformers loads a saved ten-way classifier, gives the same logits, and what it saves loads here", async (context) => {
  const { peerPaths, peerReady } = await import("../../bench/peerVenv.mjs");
  if (!peerReady()) return context.skip(MAKE);
  const id2label = Object.fromEntries(LABELS.entries());
  const { model, tokenizer } = await loadSequenceClassifier(PACKAGED_MODEL, { id2label, seed: 3 });
  await inTemporaryFolder(async (dir) => {
    const [folder, again, texts] = ["classifier", "again", "texts.json"].map((name) => path.join(dir, name)) as [string, string, string];
    await saveModel(folder, { model, tokenizer }, { card: "# A test's classifier\n" });
    writeFileSync(texts, JSON.stringify(TEXTS));
    const output = execFileSync(peerPaths().python, [path.join(__dirname, "classifiers.py"), folder, texts, again], {
      encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, HF_HUB_OFFLINE: "1", HF_HOME: dir, CUDA_VISIBLE_DEVICES: "" },
    });
    const { batches, ...about } = JSON.parse(output.trim().split("\n").at(-1)!) as FromPython;
    assert.deepEqual(about, { class: "LlamaForSequenceClassification", labels: { ...LABELS }, pad: tokenizer.padTokenId, missing: [], unexpected: [] });
    const loaded = await loadSequenceClassifier(again);
    for (const [side, { ids, mask, logits }] of Object.entries(batches)) {
      assert.ok(mask.flat().includes(0));
      assert.ok(Math.max(...logits.flat().map(Math.abs)) > 0.5, "logits must be far from 0 for this test to mean anything");
      allClose(await logitsOf(model, ids, mask), logits.flat(), 1e-4, side);
      allClose(await logitsOf(loaded.model, ids, mask), logits.flat(), 1e-4, `${side}, from Python's folder`);
    }
    assert.deepEqual(loaded.model.labels, LABELS);
    loaded.model.dispose();
  });
  model.dispose();
});
