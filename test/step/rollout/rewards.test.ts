import assert from "node:assert/strict";
import { test } from "node:test";
import { expectedRating } from "../../../src/loss/ratings";
import { LlamaForSequenceClassification } from "../../../src/model/classification";
import { rewardScorer, type AnsweredPrompt } from "../../../src/step/rollout/rewards";
import { allClose } from "../../engine/close";
import { referenceLogits, weightsOf } from "../../model/reference";
import { classifier, policy, tokenizer, withoutLeaks } from "./rolloutCase";

const settings = { precision: "float32" as const, batchSize: 4 };
const chat = [{ role: "user", content: "cd" }];
const answers: AnsweredPrompt[] = [
  { prompt: "ab", text: "cde", ids: [7, 8, 9, 3] }, { prompt: "ab", text: "", ids: [3] }, { prompt: "hgf", text: "ba", ids: [6, 5] },
  { prompt: chat, text: "ef", ids: [9, 10, 3] }, { prompt: chat, text: "efg", ids: [9, 10, 11, 3] }, { prompt: "z", text: "zz", ids: [30, 30] },
];
/** Texts as training has them: plain ones with the end token, chats by the template. */
const texts = ["abcde<end>", "ab<end>", "hgfba<end>", "<user>cd<bot>ef<end>", "<user>cd<bot>efg<end>", "zzz<end>"].map((text) => tokenizer.encode(text));

test("a reward model scores answers as it was trained to read texts, in batches", () => withoutLeaks(async () => {
  const model = await classifier(3);
  const weights = await weightsOf(model);
  const scorer = rewardScorer({ model, tokenizer }, settings);
  const scores = await scorer.score(answers, 2);
  allClose(scores, texts.map((ids) => referenceLogits(ids, { ...weights, "lm_head.weight": weights["score.weight"]! }, model.config).at(-1)![0]!), 1e-4);
  assert.ok(new Set(scores.map((score) => score.toFixed(3))).size === scores.length);
  scorer.dispose();
  model.dispose();
}));

test("a model of several scores needs scoreOf, such as the expected rating", () => withoutLeaks(async () => {
  const base = await policy();
  const model = await LlamaForSequenceClassification.fromCausalLM(base, { numLabels: 10 });
  base.dispose();
  assert.throws(() => rewardScorer({ model, tokenizer }, settings), /gives each text 10 scores.*scoreOf/);
  const scorer = rewardScorer({ model, tokenizer, scoreOf: expectedRating }, settings);
  const scores = await scorer.score(answers, 1);
  assert.ok(scores.every((score) => score > 1 && score < 10) && new Set(scores).size > 1);
  scorer.dispose();
  model.dispose();
}));

test("a function gets what was said, the answer's text and its ids; it may take its time", async () => {
  const met: unknown[] = [];
  const scorer = rewardScorer(async (prompt, text, ids) => {
    met.push([prompt, text, ids]);
    await new Promise((resolve) => setTimeout(resolve, 5 - text.length));
    return text.length;
  }, settings);
  assert.deepEqual(await scorer.score(answers, 1), answers.map(({ text }) => text.length));
  assert.deepEqual(met[3], ["cd", "ef", [9, 10, 3]]);
});

test("a reward that is no finite number names prompt and answer; what is neither is refused", async () => {
  for (const bad of [NaN, Infinity, undefined, "1"]) {
    const scorer = rewardScorer((_, text) => (text === "ba" ? bad : 1) as number, settings);
    await assert.rejects(scorer.score(answers, 1), /reward of an answer is .*finite number is needed\. The prompt is "hgf", the answer "ba"/);
  }
  assert.throws(() => rewardScorer({} as never, settings), /must be a function of \(prompt, text, ids\)/);
});

test("a text that the reward model has no positions for is named", () => withoutLeaks(async () => {
  const model = await classifier(3);
  const scorer = rewardScorer({ model, tokenizer }, settings);
  await assert.rejects(scorer.score([{ prompt: "ab", text: "c".repeat(80), ids: [3] }], 1), /has 64 positions; the prompt "ab" with its answer takes 83/);
  scorer.dispose();
  model.dispose();
}));
