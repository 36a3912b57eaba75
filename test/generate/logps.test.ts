import assert from "node:assert/strict";
import { test } from "node:test";
import { tf } from "../../src/engine/backend";
import { generate } from "../../src/generate/generate";
import type { GenerateOptions } from "../../src/generate/options";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { allClose } from "../engine/close";
import { shareTinyModel } from "./sharedModel";
import { fullPass, randomPrompts } from "./tinyModel";

let model: LlamaForCausalLM;
shareTinyModel({ scale: 0.3 }, (made) => (model = made));
const prompts = randomPrompts([3, 17, 8], 40, 21);

/** log softmax(logits / temperature) in float64. */
function logSoftmax(logits: ArrayLike<number>, temperature: number): number[] {
  const scaled = Array.from(logits, (value) => value / temperature);
  const most = Math.max(...scaled);
  const total = most + Math.log(scaled.reduce((sum, value) => sum + Math.exp(value - most), 0));
  return scaled.map((value) => value - total);
}

/** Log-probabilities of an answer by one pass over prompt and answer without a cache. */
function byFullPass(prompt: readonly number[], answer: readonly number[], temperature: number): number[] {
  const logits = fullPass(model, [...prompt, ...answer]).slice(prompt.length - 1, -1);
  return answer.map((token, i) => logSoftmax(logits[i]!, temperature)[token]!);
}

const cases: Partial<GenerateOptions>[] = [
  {}, { doSample: true }, { doSample: true, temperature: 0.7, numReturnSequences: 2 }, { doSample: true, temperature: 1.4, topK: 5, topP: 0.8, minP: 0.1 },
  { doSample: true, repetitionPenalty: 1.4, noRepeatNgramSize: 2, minNewTokens: 3, eosTokenId: 7 },
];
for (const options of cases) {
  test(`logps are those of a full pass under the whole distribution: ${JSON.stringify(options)}`, async () => {
    // The first call of a size makes a cache, which stays.
    const plain = await generate(model, prompts, { maxNewTokens: 20, seed: 3, ...options });
    const before = tf.memory().numTensors;
    const { sequences, logps } = await generate(model, prompts, { maxNewTokens: 20, returnLogps: true, seed: 3, ...options });
    const each = options.numReturnSequences ?? 1;
    assert.equal(logps!.length, prompts.length * each);
    logps!.forEach((own, i) => allClose(own, byFullPass(prompts[Math.floor(i / each)]!, sequences[i]!, options.temperature ?? 1), 2e-5, `sequence ${i}`));
    assert.deepEqual(plain.sequences, sequences, "asking for them changes no token");
    assert.ok(!("logps" in plain));
    assert.equal(tf.memory().numTensors, before);
  });
}

test("answers that end at different times each have a log-probability for each of their tokens, the end token's too", async () => {
  const ends = [3, 17, 20, 21, 22];
  const { sequences, logps, finishedBy } = await generate(model, randomPrompts([4, 9, 2, 12, 7, 5], 40, 5), { maxNewTokens: 40, doSample: true, seed: 1, eosTokenId: ends, returnLogps: true });
  assert.deepEqual(logps!.map((own) => own.length), sequences.map((own) => own.length));
  assert.ok(new Set(sequences.map((own) => own.length)).size > 3 && finishedBy.includes("eos"));
});

test("they are refused with beams and for what is no switch", async () => {
  await assert.rejects(generate(model, prompts, { maxNewTokens: 2, returnLogps: true, numBeams: 2 }), /returnLogps .* sequencesScores/);
  await assert.rejects(generate(model, prompts, { maxNewTokens: 2, returnLogps: 1 as never }), /returnLogps is 1; it must be true or false/);
});
