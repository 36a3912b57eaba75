import assert from "node:assert/strict";
import { test } from "node:test";
import { binding, tf } from "../../src/engine/backend";
import { generate } from "../../src/generate/generate";
import { disposeGeneration } from "../../src/generate/session";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { shareTinyModel } from "./sharedModel";
import { fullPass, greedyChoices, randomPrompts, tinyModel } from "./tinyModel";

let model: LlamaForCausalLM;
shareTinyModel({}, (made) => (model = made));

const counts = (): number[] => [tf.memory().numTensors, binding.getNumOfTensors(), binding.getNumOfHandles()];

/** `tokens` up to the first of `ends`, which stays. */
function cutAfter(tokens: number[], ends: number[]): number[] {
  const at = tokens.findIndex((token) => ends.includes(token));
  return at < 0 ? tokens : tokens.slice(0, at + 1);
}

test("greedy with the cache gives, token for token, what full passes give, for prompts of differing lengths at once", async () => {
  const prompts = randomPrompts([1, 5, 16, 17, 33], 40);
  const { sequences, finishedBy } = await generate(model, prompts, { maxNewTokens: 24 });
  sequences.forEach((tokens, i) => assert.deepEqual(tokens, greedyChoices(model, prompts[i]!, tokens)));
  assert.deepEqual(sequences.map((tokens) => tokens.length), prompts.map(() => 24));
  assert.deepEqual(finishedBy, prompts.map(() => "length"));
  assert.ok(sequences.some((tokens) => new Set(tokens).size > 8), "the model's answers must vary for this test to mean anything");
});

test("a batch gives what its prompts give one by one, greedy and sampled: a sequence's draws are its own", async () => {
  const prompts = randomPrompts([3, 20, 8], 40, 11);
  const greedy = await generate(model, prompts, { maxNewTokens: 12 });
  for (const [i, prompt] of prompts.entries()) assert.deepEqual((await generate(model, [prompt], { maxNewTokens: 12 })).sequences[0], greedy.sequences[i]);
  const sampling = { maxNewTokens: 12, doSample: true, topP: 0.9, seed: 3 };
  const three = await generate(model, prompts, sampling);
  const two = await generate(model, [prompts[0]!, prompts[1]!], sampling);
  assert.deepEqual(two.sequences, three.sequences.slice(0, 2));
});

test("long runs that end at different times move to smaller and longer caches without a change in their tokens", async () => {
  const prompts = randomPrompts([4, 9, 2, 12, 7, 5, 3, 8], 40, 5);
  const whole = (await generate(model, prompts, { maxNewTokens: 200 })).sequences;
  whole.forEach((tokens, i) => assert.deepEqual(tokens, greedyChoices(model, prompts[i]!, tokens)));
  // Tokens that stand late in some answers and nowhere in others end the batch piece by piece.
  const ends = [3, 17];
  const { sequences, finishedBy } = await generate(model, prompts, { maxNewTokens: 200, eosTokenId: ends });
  const expected = whole.map((tokens) => cutAfter(tokens, ends));
  assert.deepEqual(sequences, expected);
  assert.deepEqual(finishedBy, expected.map((tokens) => (ends.includes(tokens.at(-1)!) ? "eos" : "length")));
  const lengths = expected.map((tokens) => tokens.length);
  assert.ok(lengths.filter((length) => length < 100).length >= 4 && lengths.includes(200), `half must end early and one not at all; the lengths are ${lengths}`);
});

test("an end token ends its sequence and is part of it; the others go on", async () => {
  const prompts = randomPrompts([5, 9], 40, 21);
  const [first, second] = (await generate(model, prompts, { maxNewTokens: 10 })).sequences as [number[], number[]];
  const eos = first.find((token) => !second.includes(token))!;
  const { sequences, finishedBy } = await generate(model, prompts, { maxNewTokens: 10, eosTokenId: eos });
  assert.deepEqual(sequences, [cutAfter(first, [eos]), second]);
  assert.deepEqual(finishedBy, ["eos", "length"]);
});

test("the end tokens of config.json hold unless others are given, or null for none", async () => {
  const ending = await tinyModel({ eos: [5, 39] });
  const [prompt] = randomPrompts([6], 40, 2) as [number[]];
  const none = await generate(ending, [prompt], { maxNewTokens: 60, eosTokenId: null });
  assert.deepEqual(none.finishedBy, ["length"]);
  assert.ok(none.sequences[0]!.slice(0, -1).some((token) => token === 5 || token === 39), "this seed's answer must come to one of its end tokens");
  const own = await generate(ending, [prompt], { maxNewTokens: 60 });
  assert.deepEqual(own, { sequences: [cutAfter(none.sequences[0]!, [5, 39])], finishedBy: ["eos"] });
  await disposeGeneration(ending);
  ending.dispose();
});

test("a sequence ends where the model's positions end", async () => {
  const short = await tinyModel({ positions: 24 });
  const prompts = randomPrompts([20, 23, 4], 40);
  const { sequences, finishedBy } = await generate(short, prompts, { maxNewTokens: 10 });
  assert.deepEqual(sequences.map((tokens) => tokens.length), [4, 1, 10]);
  assert.deepEqual(finishedBy, ["length", "length", "length"]);
  await disposeGeneration(short);
  short.dispose();
});

test("Stop keeps what was generated", async () => {
  const prompts = randomPrompts([4, 7], 40);
  const stop = new AbortController();
  const seen: [number, number, number][] = [];
  const stopped = await generate(model, prompts, {
    maxNewTokens: 30, signal: stop.signal,
    onToken: (token, sequence, position) => {
      seen.push([token, sequence, position]);
      if (position === 4) stop.abort();
    },
  });
  const whole = await generate(model, prompts, { maxNewTokens: 30 });
  assert.deepEqual(stopped.sequences, whole.sequences.map((tokens) => tokens.slice(0, 5)));
  assert.deepEqual(stopped.finishedBy, ["stopped", "stopped"]);
  assert.deepEqual(seen, stopped.sequences[0]!.flatMap((_, position) => [0, 1].map((sequence) => [stopped.sequences[sequence]![position]!, sequence, position])));
  assert.deepEqual(await generate(model, prompts, { maxNewTokens: 3, signal: stop.signal }), { sequences: [[], []], finishedBy: ["stopped", "stopped"] });
});

test("the event loop turns while tokens are computed", async () => {
  let turns = 0;
  let running = true;
  const turn = (): void => {
    turns++;
    if (running) setImmediate(turn);
  };
  setImmediate(turn);
  await generate(model, randomPrompts([4], 40), { maxNewTokens: 20 });
  running = false;
  assert.ok(turns >= 20, `${turns} turns in 20 tokens`);
});

test("the model's weights are read at each call: a change shows in the next", async () => {
  const changing = await tinyModel({ seed: 4 });
  const [prompt] = randomPrompts([6], 40) as [number[]];
  const first = await generate(changing, [prompt], { maxNewTokens: 10 });
  for (const parameter of changing.parameters.values()) tf.tidy(() => parameter.assign(tf.mul(parameter, -1.3) as never));
  const second = await generate(changing, [prompt], { maxNewTokens: 10 });
  assert.notDeepEqual(second, first);
  assert.deepEqual(second.sequences[0], greedyChoices(changing, prompt, second.sequences[0]!));
  await disposeGeneration(changing);
  changing.dispose();
});

test("no tensor and no handle stays behind, and disposeGeneration frees the rest", async () => {
  const fresh = await tinyModel({ seed: 9 });
  const empty = counts();
  const prompts = randomPrompts([4, 30, 8], 40);
  const work = async (): Promise<void> => {
    await generate(fresh, prompts, { maxNewTokens: 40 });
    await generate(fresh, prompts.slice(1), { maxNewTokens: 9, doSample: true, topK: 5, topP: 0.8, temperature: 0.7, seed: 2 });
    await assert.rejects(generate(fresh, prompts, { maxNewTokens: 9, onToken: () => { throw new Error("from onToken"); } }), /from onToken/);
  };
  await work();
  const warm = counts();
  for (let i = 0; i < 3; i++) await work();
  assert.deepEqual(counts(), warm);
  await disposeGeneration(fresh);
  assert.deepEqual(counts(), empty);
  const again = await generate(fresh, prompts, { maxNewTokens: 2 });
  assert.equal(again.sequences[0]!.length, 2);
  await disposeGeneration(fresh);
  fresh.dispose();
});

test("of many sizes of cache the sixteen used last are kept, and a size given up is made anew", async () => {
  const fresh = await tinyModel({ seed: 12 });
  const before = tf.memory().numTensors;
  const [prompt] = randomPrompts([6], 40) as [number[]];
  const run = (batch: number, maxNewTokens: number): Promise<{ sequences: number[][] }> => generate(fresh, new Array<number[]>(batch).fill(prompt), { maxNewTokens, eosTokenId: [...Array(40).keys()] });
  const first = await run(1, 30);
  for (const batch of [1, 2, 3, 4, 6, 8]) for (const tokens of [30, 80, 128]) await run(batch, tokens);
  const variablesOfOne = 2 * fresh.config.numHiddenLayers;
  assert.equal(tf.memory().numTensors - before, 16 * variablesOfOne);
  assert.deepEqual(await run(1, 30), first);
  await disposeGeneration(fresh);
  assert.equal(tf.memory().numTensors, before);
  fresh.dispose();
});

test("with the prompts computed in bfloat16 each token is the likeliest up to that precision", async () => {
  const prompts = randomPrompts([12, 30], 40, 8);
  const { sequences } = await generate(model, prompts, { maxNewTokens: 12, precision: "bfloat16" });
  let deviations = 0;
  sequences.forEach((tokens, i) => {
    const logits = fullPass(model, [...prompts[i]!, ...tokens]).slice(prompts[i]!.length - 1, -1);
    // The logits span tens of units; bfloat16 has eight bits.
    tokens.forEach((token, t) => {
      const short = Math.max(...logits[t]!) - logits[t]![token]!;
      assert.ok(short < 0.3, `token ${t} of answer ${i} lies ${short} below the best`);
      if (short > 0) deviations++;
    });
  });
  assert.ok(deviations <= 4, `${deviations} of 24 tokens differ from float32`);
});

test("calls at the same time wait for one another", async () => {
  const prompts = randomPrompts([4, 7], 40);
  const alone = await generate(model, prompts, { maxNewTokens: 15 });
  const both = await Promise.all([generate(model, prompts, { maxNewTokens: 15 }), generate(model, [...prompts].reverse(), { maxNewTokens: 15 })]);
  assert.deepEqual(both[0], alone);
  assert.deepEqual(both[1].sequences, [...alone.sequences].reverse());
});

test("bad input is refused with what is wrong and what to do", async () => {
  const ok = [[1, 2]];
  const refuses = (prompts: number[][], options: object, message: RegExp): Promise<void> => assert.rejects(generate(model, prompts, { maxNewTokens: 3, ...options }), message);
  await refuses([[1], []], {}, /prompt 1 is empty/);
  await refuses([new Array<number>(512).fill(1)], {}, /prompt 0 has 512 tokens; the model has 512 positions/);
  await refuses([[1, 40]], {}, /a token of prompt 0 is 40; the model's token ids go from 0 to 39/);
  await refuses([1, 2] as never, {}, /array of arrays/);
  await refuses(ok, { maxNewTokens: 0 }, /maxNewTokens is 0/);
  await refuses(ok, { maxNewTokens: 1.5 }, /maxNewTokens is 1.5/);
  await refuses(ok, { doSample: true, temperature: 0 }, /temperature is 0.*leave doSample off/);
  await refuses(ok, { doSample: true, topP: 0 }, /topP is 0/);
  await refuses(ok, { doSample: true, topP: 1.2 }, /topP is 1.2/);
  await refuses(ok, { doSample: true, topK: -1 }, /topK is -1/);
  await refuses(ok, { seed: -1 }, /seed is -1/);
  await refuses(ok, { eosTokenId: 99 }, /eosTokenId is 99/);
  assert.deepEqual(await generate(model, [], { maxNewTokens: 3 }), { sequences: [], finishedBy: [] });
  const gone = await tinyModel();
  gone.dispose();
  await assert.rejects(generate(gone, ok, { maxNewTokens: 3 }), /disposed/);
});
