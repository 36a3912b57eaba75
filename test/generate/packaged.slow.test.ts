import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { generate } from "../../src/generate/generate";
import { disposeGeneration } from "../../src/generate/session";
import { compareDecodeWeights } from "../../src/generate/perplexity";
import type { GenerateOptions } from "../../src/generate/options";
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

test("bfloat16 and int8 weights cost at most some hundredths of the perplexity", async () => {
  const rows = await compareDecodeWeights(loaded.model, figures.prompts.map((prompt, i) => [...prompt, ...figures.sequences[i]!]));
  assert.deepEqual(rows.map(({ megabytes }) => Math.round(megabytes)), [538, 269, 135]);
  for (const { decodeWeights, ratio } of rows) assert.ok(Math.abs(ratio - 1) < 0.04, `${decodeWeights}: ${ratio} times float32's`);
});

interface Cases {
  cases: {
    name: string;
    prompts: number[][];
    /** As transformers names them. */
    options: Record<string, unknown>;
    sequences: number[][];
    sequences_scores?: number[];
    smallest_gaps?: number[];
  }[];
}

/** Made by make_generate.py; the file names the versions. */
const { cases } = JSON.parse(readFileSync(join(__dirname, "..", "fixtures", "generate.json"), "utf8")) as Cases;

/** Two candidates whose scores differ by less are a tie: either may come first. */
const TIE = 1e-4;

const inCamelCase = (options: Record<string, unknown>): GenerateOptions => Object.fromEntries(Object.entries(options).map(([name, value]) => [name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()), value]));

for (const { name, prompts, options, sequences: theirs, sequences_scores: theirScores, smallest_gaps: gaps } of cases) {
  test(`as transformers generates it, token for token: ${name}`, async (t) => {
    const { sequences, sequencesScores } = await generate(loaded.model, prompts, { ...inCamelCase(options), tokenizer: loaded.tokenizer });
    assert.equal(sequences.length, theirs.length);
    let ties = 0;
    sequences.forEach((tokens, i) => {
      // Float32 sums of up to some thirty log-probabilities in another order; scores lie near 1, or near 50 without a length penalty.
      if (theirScores) assert.ok(Math.abs(sequencesScores![i]! - theirScores[i]!) < TIE * Math.max(1, Math.abs(theirScores[i]!)), `score ${sequencesScores![i]}, transformers' ${theirScores[i]}`);
      if (tokens.join() === theirs[i]!.join()) return;
      const gap = theirScores ? Math.abs(sequencesScores![i]! - theirScores[i]!) : gaps![i]!;
      assert.ok(gap < TIE, `sequence ${i} differs: ${tokens} for ${theirs[i]}`);
      ties++;
    });
    if (ties > 0) t.diagnostic(`${ties} of ${theirs.length} sequences differ by ties`);
  });
}
