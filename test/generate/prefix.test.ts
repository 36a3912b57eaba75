import assert from "node:assert/strict";
import { test } from "node:test";
import { generate } from "../../src/generate/generate";
import type { GenerateOptions } from "../../src/generate/options";
import { GenerationSession } from "../../src/generate/session";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { shareTinyModel } from "./sharedModel";
import { randomPrompts } from "./tinyModel";

let model: LlamaForCausalLM;
shareTinyModel({ scale: 0.2 }, (made) => (model = made));

/** What a call gives, and how many rows of prompts it computed. */
async function counted(prompts: number[][], options: GenerateOptions): Promise<{ sequences: number[][]; rows: number }> {
  const session = GenerationSession.of(model);
  const before = session.prefilledRows;
  const { sequences } = await generate(model, prompts, options);
  return { sequences, rows: session.prefilledRows - before };
}

test("many answers to one prompt compute it once, and are those of separate computation", async () => {
  const [prompt] = randomPrompts([21], 40, 3) as [number[]];
  const sampling = { maxNewTokens: 20, doSample: true, temperature: 0.9, seed: 5 };
  const shared = await counted([prompt], { ...sampling, numReturnSequences: 8 });
  assert.equal(shared.rows, 1);
  assert.equal(shared.sequences.length, 8);
  assert.equal(new Set(shared.sequences.map(String)).size, 8);
  // A prompt that differs in one token only is computed apart: the first eight sequences' draws stay the same.
  const other = [...prompt.slice(0, -1), prompt.at(-1)! === 5 ? 6 : 5];
  const apart = await counted([prompt, other], { ...sampling, numReturnSequences: 8 });
  assert.equal(apart.rows, 2);
  assert.deepEqual(apart.sequences.slice(0, 8), shared.sequences);
  assert.notDeepEqual(apart.sequences.slice(8), shared.sequences);
  // In a batch of its own the prompt meets its cache directly, without any rows being copied.
  const alone = await counted([prompt], sampling);
  assert.equal(alone.rows, 1);
  assert.deepEqual(alone.sequences[0], shared.sequences[0]);
});

test("equal prompts among others are found, whatever their order; left padding and growth of the cache included", async () => {
  const [a, b, c] = randomPrompts([21, 4, 12], 40, 8) as [number[], number[], number[]];
  const { sequences, rows } = await counted([a, b, a, c, b, a, a, c], { maxNewTokens: 150 });
  assert.equal(rows, 3);
  const single = new Map<number[], number[]>();
  for (const prompt of [a, b, c]) single.set(prompt, (await generate(model, [prompt], { maxNewTokens: 150 })).sequences[0]!);
  assert.deepEqual(sequences, [a, b, a, c, b, a, a, c].map((prompt) => single.get(prompt)));
});
