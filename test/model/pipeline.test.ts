import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { engineMemory } from "../../src/engine/info";
import { LlamaForSequenceClassification } from "../../src/model/classification";
import { saveModel } from "../../src/model/load";
import { pipeline, type ClassificationOptions, type LabelScore, type TextToClassify } from "../../src/model/pipeline";
import { allClose } from "../engine/close";
import { tinyModel } from "../generate/tinyModel";
import { inTemporaryFolder } from "../hub/python";
import { fixtureModel } from "../step/rewardFixture";
import { tinyTokenizer } from "../step/tiny";
import { FAMILIES, fixture, fixtureEncoder, fixtureTokenizer, type EncoderCase } from "./encoderFixture";

type Call = EncoderCase["pipelines"][number];

const ours = (text: string | { text: string; text_pair: string }): TextToClassify => (typeof text === "string" ? text : { text: text.text, textPair: text.text_pair });
const optionsOf = ({ top_k: topK, function_to_apply: functionToApply, truncation }: Call["options"]): ClassificationOptions => ({ ...(topK !== undefined && { topK }), ...(functionToApply && { functionToApply: functionToApply as never }), ...(truncation && { truncation }) });

function sameScores(found: LabelScore[] | LabelScore[][], expected: LabelScore[] | LabelScore[][], what: string): void {
  const [a, b] = [found.flat(), expected.flat()];
  assert.deepEqual(found.map((each) => (Array.isArray(each) ? each.length : 1)), expected.map((each) => (Array.isArray(each) ? each.length : 1)), what);
  assert.deepEqual(a.map(({ label }) => label), b.map(({ label }) => label), what);
  allClose(a.map(({ score }) => score), b.map(({ score }) => score), 1e-5, what);
}

for (const family of FAMILIES) {
  test(`${family}: labels and scores of a folder are those of Python's pipeline on it`, () => inTemporaryFolder(async (dir) => {
    const start = engineMemory();
    const model = await fixtureEncoder(family);
    const { pipelines } = fixture[family];
    const configs = [...new Set(pipelines.map(({ config }) => JSON.stringify(config)))];
    for (const [i, config] of configs.entries()) {
      const folder = path.join(dir, String(i));
      Object.assign(model.hfConfig, { problem_type: null }, JSON.parse(config));
      await saveModel(folder, { model, tokenizer: fixtureTokenizer(family) }, { card: "" });
      const classify = await pipeline("text-classification", folder);
      for (const { options, texts, scores } of pipelines.filter((call) => JSON.stringify(call.config) === config)) {
        const input = Array.isArray(texts) ? texts.map(ours) : ours(texts);
        sameScores(await classify(input as TextToClassify[], optionsOf(options)), scores, `${config} ${JSON.stringify(options)}`);
      }
      classify.dispose();
    }
    model.dispose();
    assert.deepEqual(engineMemory(), start);
  }));
}

test("a causal classifier: each text as it is scored alone, in batches or not, with a padding token or without", async () => {
  const tokenizer = tinyTokenizer();
  const texts = ["abc", "a b c d e f", "k", "hello there", "zz"];
  for (const padTokenId of [0, null]) {
    const start = engineMemory();
    const model = await fixtureModel(padTokenId, 3);
    const classify = await pipeline("text-classification", { model, tokenizer });
    const together = await classify(texts, { topK: null, functionToApply: "none", batchSize: 3 });
    for (const [i, text] of texts.entries()) sameScores(await classify(text, { topK: null, functionToApply: "none" }), together[i]!, text);
    assert.deepEqual(await classify([]), []);
    classify.dispose();
    model.dispose();
    assert.deepEqual(engineMemory(), start);
  }
});

test("what cannot be classified is refused with the text's number", () => inTemporaryFolder(async (dir) => {
  const model = await fixtureEncoder("bert");
  const classify = await pipeline("text-classification", { model, tokenizer: fixtureTokenizer("bert") });
  await assert.rejects(classify(["a", 3 as never]), /Text 1 is 3; a string, or \{ text, textPair \}/);
  await assert.rejects(classify(["a", "sea ".repeat(60)]), /Text 1 has 62 tokens, the model takes 40\. Cut it, or pass truncation: true/);
  await assert.rejects(classify([{ text: "sea ".repeat(60), textPair: "calm" }], { truncation: true }), /Text 0 is a pair of 64 tokens, 32 are taken; pairs are not cut/);
  await assert.rejects(classify("a", { topK: 0 }), /topK is 0/);
  await assert.rejects(classify("a", { functionToApply: "relu" as never }), /functionToApply is "relu"; known are sigmoid, softmax, none/);
  await assert.rejects(classify("a", { batchSize: 0 }), /batchSize is 0/);
  await assert.rejects(pipeline("summarization" as never, dir), /the task is "summarization"; "text-classification" is known/);
  const causal = await tinyModel({ vocab: 30 });
  await saveModel(path.join(dir, "causal"), { model: causal, tokenizer: tinyTokenizer() }, { card: "" });
  const before = engineMemory();
  await assert.rejects(pipeline("text-classification", path.join(dir, "causal")), /causal has no classification head, so its labels would be chance/);
  assert.deepEqual(engineMemory(), before);
  const empty = await pipeline("text-classification", { model: await LlamaForSequenceClassification.fromCausalLM(causal), tokenizer: tinyTokenizer() });
  await assert.rejects(empty(["a", ""]), /Text 1 has no tokens/);
  empty.dispose();
  empty.model.dispose();
  for (const each of [causal, model]) each.dispose();
  classify.dispose();
}));
