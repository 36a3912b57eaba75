import assert from "node:assert/strict";
import { test } from "node:test";
import { tf } from "../../src/engine/backend";
import { generate } from "../../src/generate/generate";
import type { GenerateOptions } from "../../src/generate/options";
import { processScores } from "../../src/generate/processors";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { shareTinyModel } from "./sharedModel";
import { nextLogits, randomPrompts } from "./tinyModel";

let model: LlamaForCausalLM;
shareTinyModel({ scale: 0.2 }, (made) => (model = made));

/** Logits after `tokens` as transformers' processors leave them, token by token in JavaScript. */
function processed(logits: ArrayLike<number>, tokens: readonly number[], { repetitionPenalty = 1, noRepeatNgramSize: n = 0 }: Partial<GenerateOptions>): number[] {
  const result = Array.from(logits);
  for (const token of new Set(tokens)) result[token] = result[token]! < 0 ? result[token]! * repetitionPenalty : result[token]! / repetitionPenalty;
  const suffix = n > 0 ? tokens.slice(tokens.length - n + 1) : [];
  for (let i = 0; n > 0 && i + n <= tokens.length; i++) {
    if (suffix.every((token, k) => tokens[i + k] === token)) result[tokens[i + n - 1]!] = -Infinity;
  }
  return result;
}

/** Greedy by full passes, the processors written out above. */
function greedyBy(prompt: readonly number[], length: number, options: Partial<GenerateOptions>): number[] {
  const tokens: number[] = [];
  while (tokens.length < length) {
    const scores = processed(nextLogits(model, [...prompt, ...tokens]), [...prompt, ...tokens], options);
    tokens.push(scores.indexOf(Math.max(...scores)));
  }
  return tokens;
}

for (const options of [{ repetitionPenalty: 1.4 }, { repetitionPenalty: 0.7 }, { noRepeatNgramSize: 1 }, { noRepeatNgramSize: 2 }, { noRepeatNgramSize: 3 }, { repetitionPenalty: 1.2, noRepeatNgramSize: 2 }] as Partial<GenerateOptions>[]) {
  test(`greedy with ${JSON.stringify(options)} is what full passes and the processors written out give, for prompts of differing lengths`, async () => {
    const length = options.noRepeatNgramSize === 1 ? 15 : 24;
    const prompts = randomPrompts([1, 4, 17], 40, 19);
    const free = await generate(model, prompts, { maxNewTokens: length });
    const { sequences } = await generate(model, prompts, { maxNewTokens: length, ...options });
    assert.deepEqual(sequences, prompts.map((prompt) => greedyBy(prompt, length, options)));
    assert.notDeepEqual(sequences, free.sequences);
  });
}

test("padding is not part of a text: the padding token is neither penalised nor part of an n-gram", () => {
  const scores = tf.tidy(() => processScores(tf.tensor2d([[1, 1, -1, 1]]), {
    tokens: tf.tensor2d([[0, 0, 1, 2, 1, 3, 3]], [1, 7], "int32"), last: tf.scalar(4, "int32"), padding: tf.tensor1d([2], "int32"), tooShort: tf.tensor1d([1]),
  }, { repetitionPenalty: 2, noRepeatNgramSize: 2 }, [0]).arraySync());
  // The text is 1 2 1: both are penalised, 2 has followed 1; 3 lies after the end, 0 is an end token.
  assert.deepEqual(scores, [[-Infinity, 0.5, -Infinity, 1]]);
});

test("an end token is not chosen before the least number of new tokens, or of tokens in all", async () => {
  const prompts = randomPrompts([5, 9], 40, 21);
  const whole = (await generate(model, prompts, { maxNewTokens: 20 })).sequences as [number[], number[]];
  const eos = whole[0]![2]!;
  const free = await generate(model, prompts, { maxNewTokens: 20, eosTokenId: eos });
  assert.ok(free.sequences[0]!.length <= 3);
  const forced = await generate(model, prompts, { maxNewTokens: 20, eosTokenId: eos, minNewTokens: 12 });
  for (const tokens of forced.sequences) assert.ok(tokens.length >= 13 && !tokens.slice(0, 12).includes(eos));
  // Up to its least length the answer is the one in which that token has no score.
  const without = greedyWithout(prompts[0]!, 12, eos);
  assert.deepEqual(forced.sequences[0]!.slice(0, 12), without);
  const inAll = await generate(model, prompts, { maxNewTokens: 20, eosTokenId: eos, minLength: 15 });
  assert.ok(inAll.sequences[0]!.length > 15 - 5 && !inAll.sequences[0]!.slice(0, 10).includes(eos));
  assert.deepEqual(inAll.sequences[0]!.slice(0, 10), without.slice(0, 10));
  const beams = await generate(model, prompts, { maxNewTokens: 20, eosTokenId: eos, minNewTokens: 12, numBeams: 3 });
  for (const tokens of beams.sequences) assert.ok(tokens.length >= 13);
});

function greedyWithout(prompt: readonly number[], length: number, banned: number): number[] {
  const tokens: number[] = [];
  while (tokens.length < length) {
    const logits = nextLogits(model, [...prompt, ...tokens]).map((value, token) => (token === banned ? -Infinity : value));
    tokens.push(logits.indexOf(Math.max(...logits)));
  }
  return tokens;
}

test("maxLength counts the prompt, and maxNewTokens takes precedence", async () => {
  const prompts = randomPrompts([5, 9], 40, 21);
  assert.deepEqual((await generate(model, prompts, { maxLength: 12 })).sequences.map((tokens) => tokens.length), [7, 3]);
  assert.deepEqual((await generate(model, prompts, { maxLength: 12, maxNewTokens: 4 })).sequences.map((tokens) => tokens.length), [4, 4]);
});

test("what cannot be is refused with what is wrong and what to do", async () => {
  const refuses = (options: object, message: RegExp): Promise<void> => assert.rejects(generate(model, [[1, 2]], { maxNewTokens: 3, ...options }), message);
  await refuses({ repetitionPenalty: 0 }, /repetitionPenalty is 0/);
  await refuses({ noRepeatNgramSize: -1 }, /noRepeatNgramSize is -1/);
  await refuses({ doSample: true, minP: 1.5 }, /minP is 1.5/);
  await refuses({ minNewTokens: 4 }, /minNewTokens is 4, more than maxNewTokens, 3/);
  await refuses({ minLength: 0.5 }, /minLength is 0.5/);
  await refuses({ temperature: 0.7 }, /temperature is 0.7, but nothing is drawn without doSample: true/);
  await refuses({ topk: 4 }, /there is no option topk/);
  await refuses({ stopStrings: ["x"] }, /pass tokenizer too/);
  await refuses({ stopStrings: [""] }, /none of them empty/);
  await refuses({ decodeWeights: "int4" }, /decodeWeights is "int4"/);
  await assert.rejects(generate(model, [[1, 2]], { maxLength: 2 }), /prompt 0 has 2 tokens, which leaves none/);
  await assert.rejects(generate(model, [[1, 2]], {}), /maxNewTokens is missing/);
});
