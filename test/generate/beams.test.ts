import assert from "node:assert/strict";
import { test } from "node:test";
import { binding, tf } from "../../src/engine/backend";
import { generate } from "../../src/generate/generate";
import type { GenerateOptions } from "../../src/generate/options";
import { GenerationSession, disposeGeneration } from "../../src/generate/session";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { chiSquare, logSoftmax } from "./chiSquare";
import { shareTinyModel } from "./sharedModel";
import { fullPass, nextLogits, randomPrompts, tinyModel } from "./tinyModel";

let model: LlamaForCausalLM;
shareTinyModel({ scale: 0.2 }, (made) => (model = made));

const counts = (): number[] => [tf.memory().numTensors, binding.getNumOfTensors(), binding.getNumOfHandles()];

/** Σ log p of an answer's tokens, by one full pass in which nothing is cached. */
function logProbability(prompt: readonly number[], tokens: readonly number[]): number {
  const logits = fullPass(model, [...prompt, ...tokens]).slice(prompt.length - 1, -1);
  return logits.reduce((sum, row, t) => sum + logSoftmax(row)[tokens[t]!]!, 0);
}

const hasRepeatedBigram = (tokens: readonly number[]): boolean => {
  const bigrams = tokens.slice(1).map((token, i) => `${tokens[i]} ${token}`);
  return new Set(bigrams).size < bigrams.length;
};

test("with as many beams as tokens, two steps find the likeliest of all pairs, in order", async () => {
  const [prompt] = randomPrompts([7], 40, 3) as [number[]];
  const first = logSoftmax(nextLogits(model, prompt));
  const pairs = first.flatMap((p, a) => logSoftmax(nextLogits(model, [...prompt, a])).map((q, b) => ({ tokens: [a, b], score: (p + q) / 2 })));
  pairs.sort((a, b) => b.score - a.score);
  const { sequences, sequencesScores } = await generate(model, [prompt], { maxNewTokens: 2, numBeams: 40, numReturnSequences: 12 });
  assert.deepEqual(sequences, pairs.slice(0, 12).map(({ tokens }) => tokens));
  // Log-probabilities near 3 in float32, by another order of summation.
  sequencesScores!.forEach((score, i) => assert.ok(Math.abs(score - pairs[i]!.score) < 2e-5, `${score} for ${pairs[i]!.score}`));
});

test("scores are the answers' log-probabilities by their length; beams find better ones than greedy", async () => {
  const prompts = randomPrompts([5, 19, 11], 40, 9);
  const greedy = await generate(model, prompts, { maxNewTokens: 30 });
  for (const lengthPenalty of [1, 0, 2]) {
    const { sequences, sequencesScores } = await generate(model, prompts, { maxNewTokens: 30, numBeams: 5, lengthPenalty });
    const gains = sequences.map((tokens, i) => {
      const exact = logProbability(prompts[i]!, tokens);
      assert.ok(Math.abs(sequencesScores![i]! - exact / tokens.length ** lengthPenalty) < 1e-4 * Math.max(1, Math.abs(exact)), `${sequencesScores![i]} for ${exact}`);
      return exact - logProbability(prompts[i]!, greedy.sequences[i]!);
    });
    assert.ok(gains.reduce((sum, gain) => sum + gain, 0) > 1, `log-probabilities gained over greedy: ${gains}`);
  }
});

test("a batch of searches gives what each gives alone, also when they end at different times and the cache grows", async () => {
  const prompts = randomPrompts([4, 21, 9, 13], 40, 15);
  const ends = [3, 8, 17, 30];
  for (const options of [{ maxNewTokens: 12 }, { maxNewTokens: 140, eosTokenId: ends }, { maxNewTokens: 140, eosTokenId: ends, earlyStopping: true, noRepeatNgramSize: 2 }, { maxNewTokens: 12, doSample: true, temperature: 2, seed: 4 }] as GenerateOptions[]) {
    const together = await generate(model, prompts, { numBeams: 4, numReturnSequences: 2, ...options });
    if (!options.doSample) {
      for (const [i, prompt] of prompts.entries()) {
        const alone = await generate(model, [prompt], { numBeams: 4, numReturnSequences: 2, ...options });
        assert.deepEqual(alone.sequences, together.sequences.slice(2 * i, 2 * i + 2), JSON.stringify(options));
        assert.deepEqual(alone.finishedBy, together.finishedBy.slice(2 * i, 2 * i + 2));
      }
    }
    assert.deepEqual((await generate(model, prompts, { numBeams: 4, numReturnSequences: 2, ...options })).sequences, together.sequences);
  }
});

test("no bigram comes twice in prompt and answer, in any beam", async () => {
  const prompts = randomPrompts([6, 10], 40, 2);
  const free = await generate(model, prompts, { maxNewTokens: 60, numBeams: 6, numReturnSequences: 6 });
  assert.ok(free.sequences.some(hasRepeatedBigram), "without the ban there must be some");
  const { sequences } = await generate(model, prompts, { maxNewTokens: 60, numBeams: 6, numReturnSequences: 6, noRepeatNgramSize: 2 });
  sequences.forEach((tokens, i) => assert.ok(!hasRepeatedBigram([...prompts[Math.floor(i / 6)]!, ...tokens])));
});

test("the beams of a prompt are computed as one row until they part, and equal prompts too", async () => {
  const [a, b] = randomPrompts([9, 14], 40, 31) as [number[], number[]];
  const session = GenerationSession.of(model);
  const before = session.prefilledRows;
  const { sequences } = await generate(model, [a, b, a], { maxNewTokens: 10, numBeams: 4 });
  assert.equal(session.prefilledRows - before, 2);
  assert.deepEqual(sequences[2], sequences[0]);
  assert.deepEqual(sequences[1], (await generate(model, [b], { maxNewTokens: 10, numBeams: 4 })).sequences[0]);
});

test("Stop keeps the best hypotheses so far", async () => {
  const prompts = randomPrompts([4, 7], 40);
  const stop = new AbortController();
  let shown: readonly (readonly number[])[] = [];
  const stopped = await generate(model, prompts, {
    maxNewTokens: 30, numBeams: 4, numReturnSequences: 2, signal: stop.signal,
    onStep: ({ done, total, sequences }) => {
      assert.equal(total, 30);
      shown = sequences().map((tokens) => [...tokens]);
      if (done === 6) stop.abort();
    },
  });
  assert.deepEqual(stopped.finishedBy, ["stopped", "stopped", "stopped", "stopped"]);
  assert.deepEqual(stopped.sequences, shown);
  const short = await generate(model, prompts, { maxNewTokens: 6, numBeams: 4, numReturnSequences: 2 });
  assert.deepEqual(stopped.sequences, short.sequences);
  assert.deepEqual(stopped.sequencesScores, short.sequencesScores);
  assert.deepEqual((await generate(model, prompts, { maxNewTokens: 6, numBeams: 4, signal: stop.signal })).sequences, [[], []]);
});

test("beam-sample: the answer of one token follows its distribution in closed form", async () => {
  const temperature = 1.5;
  const [prompt] = randomPrompts([9], 40, 13) as [number[]];
  const p = logSoftmax(nextLogits(model, prompt).map((x) => x)).map((x) => x / temperature);
  const total = Math.log(p.reduce((sum, x) => sum + Math.exp(x), 0));
  const q = p.map((x) => Math.exp(x - total));
  // Of two beams' draws the first two, made without replacement, may end; the likelier of them is the answer.
  const expected = new Array<number>(40).fill(0);
  q.forEach((first, a) => q.forEach((second, b) => {
    if (a !== b) expected[q[a]! > q[b]! ? a : b]! += (first * second) / (1 - first);
  }));
  const drawn = new Array<number>(40).fill(0);
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8]) {
    const { sequences } = await generate(model, new Array<number[]>(256).fill(prompt), { maxNewTokens: 1, numBeams: 2, doSample: true, temperature, seed });
    for (const [token] of sequences) drawn[token!]!++;
  }
  const { value, critical } = chiSquare(drawn, expected);
  assert.ok(value < critical, `χ² is ${value}, the critical value ${critical}`);
  const wrong = chiSquare(drawn, q);
  assert.ok(wrong.value > wrong.critical, "plain draws would be told apart");
});

test("beam-sample as for film reviews: 5 beams, no repeated bigram, temperature 4, 50 tokens", async () => {
  const [prompt] = randomPrompts([5], 40, 23) as [number[]];
  const run = (seed: number): Promise<{ sequences: number[][] }> => generate(model, [prompt], { maxNewTokens: 50, numBeams: 5, doSample: true, temperature: 4, noRepeatNgramSize: 2, seed });
  const first = await run(1);
  assert.equal(first.sequences[0]!.length, 50);
  assert.ok(!hasRepeatedBigram([...prompt, ...first.sequences[0]!]));
  assert.deepEqual(await run(1), first);
  assert.notDeepEqual(await run(2), first);
});

test("cuts keep one token more than there are end tokens, so that a hypothesis can go on", async () => {
  const [prompt] = randomPrompts([9], 40, 13) as [number[]];
  const seen = new Set<number>();
  for (let seed = 0; seed < 40; seed++) {
    const { sequences } = await generate(model, [prompt], { maxNewTokens: 1, numBeams: 2, doSample: true, topK: 1, eosTokenId: 39, seed });
    seen.add(sequences[0]![0]!);
  }
  const order = [...nextLogits(model, prompt)].map((value, token) => ({ value, token })).sort((a, b) => b.value - a.value);
  assert.deepEqual([...seen].sort(), [order[0]!.token], "of the two tokens kept the likelier is the answer");
});

test("top-p among beams sorts more tokens where the first are too few", async () => {
  const wide = await tinyModel({ vocab: 3000, scale: 0.02 });
  const { sequences } = await generate(wide, [[5, 6, 7]], { maxNewTokens: 3, numBeams: 2, doSample: true, topP: 0.95, seed: 1 });
  assert.equal(sequences[0]!.length, 3);
  assert.ok(sequences[0]!.every((token) => token >= 0 && token < 3000));
  await disposeGeneration(wide);
  wide.dispose();
});

test("no tensor and no handle stays behind after searches", async () => {
  const prompts = randomPrompts([4, 30, 8], 40);
  const work = async (): Promise<void> => {
    await generate(model, prompts, { maxNewTokens: 20, numBeams: 3, repetitionPenalty: 1.2, minNewTokens: 4, eosTokenId: 5 });
    await generate(model, prompts, { maxNewTokens: 9, numBeams: 3, doSample: true, topK: 5, topP: 0.8, seed: 2 });
    await assert.rejects(generate(model, prompts, { maxNewTokens: 9, numBeams: 3, onStep: () => { throw new Error("from onStep"); } }), /from onStep/);
  };
  await work();
  const warm = counts();
  for (let i = 0; i < 3; i++) await work();
  assert.deepEqual(counts(), warm);
});

test("what does not go together is refused", async () => {
  const refuses = (options: Partial<GenerateOptions>, message: RegExp): Promise<void> => assert.rejects(generate(model, [[1, 2]], { maxNewTokens: 3, ...options }), message);
  await refuses({ numBeams: 0 }, /numBeams is 0/);
  await refuses({ numBeams: 2, numReturnSequences: 3 }, /numReturnSequences is 3, numBeams 2/);
  await refuses({ numReturnSequences: 2 }, /greedy answers of one prompt are all the same/);
  await refuses({ lengthPenalty: 2 }, /lengthPenalty is set.*set numBeams/);
  await refuses({ earlyStopping: true }, /earlyStopping is set.*set numBeams/);
  await refuses({ numBeams: 2, earlyStopping: "soon" as never }, /earlyStopping is "soon"/);
  await refuses({ numBeams: 2, lengthPenalty: NaN }, /lengthPenalty is NaN/);
  await refuses({ numBeams: 2, onToken: () => undefined }, /onToken.*Use onStep/);
});
