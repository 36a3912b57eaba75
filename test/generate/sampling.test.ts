import assert from "node:assert/strict";
import { test } from "node:test";
import { tf } from "../../src/engine/backend";
import { generate } from "../../src/generate/generate";
import type { GenerateOptions } from "../../src/generate/options";
import { NOT_COVERED, kindOf, nextToken } from "../../src/generate/sampling";
import { GenerationSession, disposeGeneration } from "../../src/generate/session";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { chiSquare } from "./chiSquare";
import { shareTinyModel } from "./sharedModel";
import { nextLogits, randomPrompts, tinyModel } from "./tinyModel";

let model: LlamaForCausalLM;
const [prompt] = randomPrompts([9], 40, 13) as [number[]];
shareTinyModel({ scale: 0.2 }, (made) => (model = made));

/** softmax(logits / temperature), penalised before for the prompt's tokens and cut as transformers' TopK-, TopP- and MinPLogitsWarper do, in float64. */
function probabilities(logits: ArrayLike<number>, { temperature = 1, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 }: Partial<GenerateOptions>): number[] {
  const softmax = (x: number[]): number[] => {
    const most = Math.max(...x);
    const e = x.map((value) => Math.exp(value - most));
    const total = e.reduce((sum, value) => sum + value, 0);
    return e.map((value) => value / total);
  };
  const met = new Set(prompt);
  const penalised = Array.from(logits, (value, token) => (!met.has(token) ? value : value < 0 ? value * repetitionPenalty : value / repetitionPenalty));
  let x = penalised.map((value) => value / temperature);
  if (topK > 0) {
    const kth = [...x].sort((a, b) => b - a)[topK - 1]!;
    x = x.map((value) => (value < kth ? -Infinity : value));
  }
  const p = softmax(x);
  let sum = 0;
  // In ascending order, tokens go while the sum of theirs and all below is at most 1 − topP; the likeliest stays.
  const ascending = [...p.keys()].sort((a, b) => p[a]! - p[b]!);
  for (const token of ascending.slice(0, -1)) {
    sum += p[token]!;
    if (sum <= 1 - topP) x[token] = -Infinity;
  }
  const cut = softmax(x);
  const least = minP * Math.max(...cut);
  return softmax(x.map((value, token) => (cut[token]! < least ? -Infinity : value)));
}

async function drawnCounts(options: Partial<GenerateOptions>): Promise<number[]> {
  const counts = new Array<number>(40).fill(0);
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const { sequences } = await generate(model, new Array<number[]>(256).fill(prompt), { maxNewTokens: 1, doSample: true, seed, ...options });
    for (const [token] of sequences) counts[token!]!++;
  }
  return counts;
}

const settings: Partial<GenerateOptions>[] = [
  { temperature: 1 }, { temperature: 0.5 }, { temperature: 1.7 }, { topK: 1 }, { topK: 6 }, { temperature: 1.4, topK: 12 },
  { topP: 0.5 }, { topP: 0.9 }, { temperature: 0.7, topP: 0.95 }, { temperature: 1.3, topK: 10, topP: 0.8 },
  { minP: 0.1 }, { temperature: 1.8, minP: 0.3 }, { minP: 1 }, { topK: 12, minP: 0.05 }, { temperature: 1.5, topK: 20, topP: 0.9, minP: 0.1 }, { topP: 0.7, minP: 0.2 },
  { repetitionPenalty: 1.5, temperature: 1.3 }, { repetitionPenalty: 1.3, temperature: 0.8, topP: 0.9 }, { repetitionPenalty: 0.6, topK: 15, minP: 0.02 },
];
for (const options of settings) {
  test(`first tokens are drawn from the distribution of a full pass: ${JSON.stringify(options)}`, async () => {
    const { value, critical } = chiSquare(await drawnCounts(options), probabilities(nextLogits(model, prompt), options));
    assert.ok(value < critical, `χ² is ${value}, the critical value ${critical}`);
  });
}

test("that test tells a wrong temperature and a wrong cut", async () => {
  const counts = await drawnCounts({ temperature: 1 });
  const { value, critical } = chiSquare(counts, probabilities(nextLogits(model, prompt), { temperature: 1.25 }));
  assert.ok(value > critical, `χ² is ${value}, the critical value ${critical}`);
  assert.throws(() => chiSquare(counts, probabilities(nextLogits(model, prompt), { topP: 0.95 })), /probability 0 and was drawn/);
});

test("later tokens of a sequence are drawn afresh: pairs of tokens follow the product of both distributions", async () => {
  const options = { temperature: 0.8, topK: 4 };
  const first = probabilities(nextLogits(model, prompt), options);
  const expected = new Array<number>(1600).fill(0);
  first.forEach((p, a) => {
    if (p > 0) probabilities(nextLogits(model, [...prompt, a]), options).forEach((q, b) => (expected[a * 40 + b] = p * q));
  });
  const counts = new Array<number>(1600).fill(0);
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const { sequences } = await generate(model, new Array<number[]>(256).fill(prompt), { maxNewTokens: 2, doSample: true, seed, ...options });
    for (const [a, b] of sequences) counts[a! * 40 + b!]!++;
  }
  const { value, critical } = chiSquare(counts, expected);
  assert.ok(value < critical, `χ² is ${value}, the critical value ${critical}`);
});

test("the same seed gives the same tokens, another seed others, and so do the sequences of one call", async () => {
  const prompts = new Array<number[]>(3).fill(prompt);
  const run = (seed: number): Promise<{ sequences: number[][] }> => generate(model, prompts, { maxNewTokens: 16, doSample: true, seed });
  const first = await run(5);
  assert.deepEqual(await run(5), first);
  for (const seed of [6, 5 + 2 ** 32]) assert.notDeepEqual((await run(seed)).sequences, first.sequences);
  assert.equal(new Set(first.sequences.map(String)).size, 3);
});

test("top-p over more tokens than are sorted at first says so, and the session sorts them all", async () => {
  const wide = await tinyModel({ vocab: 3000, scale: 0.05 });
  const session = GenerationSession.of(wide);
  const flat = Float32Array.from({ length: 3000 }, (_, token) => -token / 3000);
  const rows = 256;
  const logits = tf.tidy(() => tf.tile(tf.tensor2d(flat, [1, 3000]), [rows, 1]) as ReturnType<typeof tf.tensor2d>);
  const seeds = Int32Array.from({ length: 2 * rows }, (_, i) => i);
  const sampling = { temperature: 1, topK: null, topP: 0.9, minP: null, minTokensToKeep: 1 };
  const few = tf.tidy(() => nextToken(logits, tf.tensor2d(seeds, [rows, 2], "int32"), kindOf(sampling), { temperature: tf.scalar(1), topP: tf.scalar(0.9), logMinP: tf.scalar(0) }, 1024).dataSync());
  assert.ok(few.every((token) => token === NOT_COVERED));
  const { tokens } = await session.chooser.choose(logits, { sampling, processing: { repetitionPenalty: null, noRepeatNgramSize: null }, eosTokenIds: [], withLogps: false }, null, seeds);
  const p = probabilities(flat, { topP: 0.9 });
  const counts = new Array<number>(6).fill(0);
  for (const token of tokens) {
    assert.ok(p[token]! > 0, `token ${token} lies beyond the cut`);
    counts[Math.floor(token / 500)]!++;
  }
  const cells = counts.map((_, cell) => p.slice(cell * 500, (cell + 1) * 500).reduce((sum, value) => sum + value, 0));
  const { value, critical } = chiSquare(counts, cells);
  assert.ok(value < critical, `χ² is ${value}, the critical value ${critical}`);
  logits.dispose();
  await disposeGeneration(wide);
  wide.dispose();
});
