import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { generate } from "../../src/generate/generate";
import { disposeGeneration } from "../../src/generate/session";
import { generateText } from "../../src/generate/text";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { loadModel, type LoadedModel } from "../../src/model/load";
import { greedyChoices } from "./tinyModel";

interface Figures {
  source: string;
  questions: string[];
  new_tokens: number;
  prompts: number[][];
  sequences: number[][];
}

/** Made by make_greedy.py; the file names the versions. */
const figures = JSON.parse(readFileSync(join(__dirname, "..", "fixtures", "greedy.json"), "utf8")) as Figures;
let loaded: LoadedModel;
before(async () => {
  loaded = await loadModel(PACKAGED_MODEL);
});
after(async () => {
  await disposeGeneration(loaded.model);
  loaded.model.dispose();
});

test("greedy continuations of the packaged model are those of transformers, token for token", async () => {
  const { sequences, finishedBy } = await generate(loaded.model, figures.prompts, { maxNewTokens: figures.new_tokens });
  assert.deepEqual(sequences, figures.sequences);
  assert.deepEqual(finishedBy, figures.sequences.map((tokens) => (tokens.length < figures.new_tokens ? "eos" : "length")));
});

test("they are the likeliest tokens of a full pass without a cache", () => {
  const [tokens] = figures.sequences as [number[]];
  assert.deepEqual(greedyChoices(loaded.model, figures.prompts[0]!, tokens), tokens);
});

test("generateText renders the chat as transformers does and gives the same answers, whole and in pieces", async () => {
  const pieces = figures.questions.map(() => "");
  const answers = await generateText(loaded.model, loaded.tokenizer, figures.questions, { maxNewTokens: figures.new_tokens, onText: (piece, prompt) => (pieces[prompt] += piece) });
  assert.deepEqual(answers, loaded.tokenizer.batchDecode(figures.sequences, { skipSpecialTokens: true }));
  assert.deepEqual(pieces, answers);
});
