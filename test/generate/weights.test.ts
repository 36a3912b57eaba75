import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor2D } from "@tensorflow/tfjs";
import { binding, tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { BFLOAT16_PER_INT, INT8_PER_INT, bfloat16Product, columnProduct, decodedProduct, toBfloat16, toColumns } from "../../src/engine/narrow";
import { RandomSource } from "../../src/engine/random";
import { generate } from "../../src/generate/generate";
import { compareDecodeWeights, perplexity } from "../../src/generate/perplexity";
import { disposeGeneration } from "../../src/generate/session";
import { DECODE_WEIGHTS } from "../../src/generate/weights";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { logSoftmax } from "./chiSquare";
import { shareTinyModel } from "./sharedModel";
import { fullPass, greedyChoices, randomPrompts, tinyModel } from "./tinyModel";

let model: LlamaForCausalLM;
shareTinyModel({}, (made) => (model = made));

const counts = (): number[] => [tf.memory().numTensors, binding.getNumOfTensors(), binding.getNumOfHandles()];

const random = new RandomSource(3);
const matrix = (rows: number, columns: number): number[][] => Array.from({ length: rows }, () => Array.from({ length: columns }, () => random.normal()));

/** To the nearest number of eight significant bits, ties to even. */
function asBfloat16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0]!;
  const rounded = ((bits + 0x7fff + ((bits >>> 16) & 1)) & 0xffff0000) >>> 0;
  return new Float32Array(Uint32Array.of(rounded).buffer)[0]!;
}

const times = (x: number[][], w: number[][]): number[][] => x.map((row) => w.map((other) => row.reduce((sum, value, i) => sum + value * other[i]!, 0)));

function close(actual: number[][], expected: number[][], tolerance: number): void {
  const most = Math.max(...expected.flat().map(Math.abs));
  actual.forEach((row, i) => row.forEach((value, j) => assert.ok(Math.abs(value - expected[i]![j]!) < tolerance * most, `[${i}, ${j}] is ${value}, expected ${expected[i]![j]}`)));
}

/** Each row to 255 steps between its largest absolute values. */
const asInt8 = (m: number[][]): number[][] => m.map((row) => {
  // In float32, or a value halfway between two steps might go the other way.
  const scale = Math.fround(Math.max(...row.map((value) => Math.abs(Math.fround(value)))) / 127);
  return row.map((value) => Math.round(Math.fround(Math.fround(value) / scale)) * scale);
});
const narrowed = (m: number[][]): number[][] => m.map((row) => row.map(asBfloat16));

// 3,080 columns stand in three blocks; 88 rows of codes are added up in steps of 8 (bfloat16) and of 4 (int8).
for (const [rows, depth, width] of [[1, 24, 12], [3, 24, 12], [5, 24, 13], [16, 24, 12], [1, 176, 3080], [2, 352, 5]] as const) {
  test(`products of ${rows} × ${depth} with a matrix of ${width} rows in bfloat16 and int8 are those with its rounded values`, () => {
    const [x, w] = [matrix(rows, depth), matrix(width, depth)];
    const functions = {
      rows: jit((x: Tensor2D, w: Tensor2D) => bfloat16Product(x, toBfloat16(w))),
      columns: jit((x: Tensor2D, w: Tensor2D) => columnProduct(x, toColumns(w, BFLOAT16_PER_INT), BFLOAT16_PER_INT)),
      int8: jit((x: Tensor2D, w: Tensor2D) => columnProduct(x, toColumns(w, INT8_PER_INT), INT8_PER_INT)),
      decoded: jit((x: Tensor2D, w: Tensor2D) => decodedProduct(x, toColumns(w, INT8_PER_INT), INT8_PER_INT)),
    };
    const run = (name: keyof typeof functions): number[][] => tf.tidy(() => functions[name](tf.tensor2d(x), tf.tensor2d(w)).arraySync() as number[][]);
    // Products of rounded factors are rounded to bfloat16 themselves, half of 2⁻⁸.
    close(run("rows"), times(narrowed(x), narrowed(w)), 0.003);
    close(run("columns"), times(x, narrowed(w)), 1e-5);
    // Among many values one may stand so near the middle of two steps that float32 takes the other one.
    close(run("int8"), times(x, asInt8(w)), width * depth > 1000 ? 1e-3 : 1e-5);
    // Here int8's values with their scales are rounded too.
    close(run("decoded"), times(narrowed(x), narrowed(asInt8(w))), 0.004);
    for (const fn of Object.values(functions)) fn.dispose();
  });
}

test("greedy under bfloat16 and int8 weights keeps to the likeliest tokens up to their precision", async () => {
  const prompts = randomPrompts([12, 30, 3], 40, 8);
  for (const decodeWeights of ["bfloat16", "int8"] as const) {
    const { sequences } = await generate(model, prompts, { maxNewTokens: 12, decodeWeights });
    let deviations = 0;
    sequences.forEach((tokens, i) => {
      const best = greedyChoices(model, prompts[i]!, tokens);
      const logits = fullPass(model, [...prompts[i]!, ...tokens]).slice(prompts[i]!.length - 1, -1);
      tokens.forEach((token, t) => {
        if (token === best[t]) return;
        deviations++;
        // Logits of this model span tens of units.
        assert.ok(Math.max(...logits[t]!) - logits[t]![token]! < 0.6, `${decodeWeights}: token ${t} of answer ${i}`);
      });
    });
    assert.ok(deviations <= 5, `${decodeWeights}: ${deviations} of 36 tokens differ from float32`);
  }
});

test("a single row under bfloat16 weights keeps to the likeliest tokens up to their precision", async () => {
  const [prompt] = randomPrompts([9], 40, 5) as [number[]];
  const options = { maxNewTokens: 16, decodeWeights: "bfloat16" } as const;
  const alone = await generate(model, [prompt], options);
  const best = greedyChoices(model, prompt, alone.sequences[0]!);
  const logits = fullPass(model, [...prompt, ...alone.sequences[0]!]).slice(prompt.length - 1, -1);
  alone.sequences[0]!.forEach((token, t) => assert.ok(token === best[t] || Math.max(...logits[t]!) - logits[t]![token]! < 0.6, `token ${t}`));
});

test("beams run with bfloat16 weights, and changed weights show in the next call", async () => {
  const changing = await tinyModel({ seed: 4 });
  const [prompt] = randomPrompts([6], 40) as [number[]];
  const options = { maxNewTokens: 10, numBeams: 3, decodeWeights: "bfloat16" } as const;
  const first = await generate(changing, [prompt], options);
  assert.equal(first.sequences[0]!.length, 10);
  for (const parameter of changing.parameters.values()) tf.tidy(() => parameter.assign(tf.mul(parameter, -1.3) as never));
  assert.notDeepEqual((await generate(changing, [prompt], options)).sequences, first.sequences);
  await disposeGeneration(changing);
  changing.dispose();
});

test("perplexity is that of full passes, and each way to hold weights has its own beside it", async () => {
  const texts = randomPrompts([20, 2, 33], 40, 6);
  const exact = Math.exp(
    texts.reduce((sum, text) => sum - fullPass(model, text).slice(0, -1).reduce((part, row, t) => part + logSoftmax(row)[text[t + 1]!]!, 0), 0) / texts.reduce((sum, text) => sum + text.length - 1, 0),
  );
  const rows = await compareDecodeWeights(model, texts);
  assert.deepEqual(rows.map(({ decodeWeights }) => decodeWeights), [...DECODE_WEIGHTS]);
  assert.ok(Math.abs(rows[0]!.perplexity / exact - 1) < 1e-4, `${rows[0]!.perplexity} for ${exact}`);
  for (const { decodeWeights, perplexity: value, ratio } of rows.slice(1)) {
    assert.ok(value !== rows[0]!.perplexity && Math.abs(ratio - 1) < 0.2, `${decodeWeights}: ${ratio}`);
    assert.equal(ratio, value / rows[0]!.perplexity);
  }
  assert.ok(rows[0]!.megabytes === 2 * rows[1]!.megabytes && rows[2]!.megabytes < rows[1]!.megabytes);
  await assert.rejects(perplexity(model, []), /no texts/);
  await assert.rejects(perplexity(model, [[1, 2], [3]]), /text 1 has one token only/);
});

test("no copy of weights stays behind a call", async () => {
  const work = async (): Promise<void> => {
    for (const decodeWeights of ["bfloat16", "int8"] as const) {
      await generate(model, [[1, 2, 3]], { maxNewTokens: 4, decodeWeights });
      await generate(model, [[1, 2, 3], [4, 5]], { maxNewTokens: 4, decodeWeights });
    }
    await perplexity(model, [[1, 2, 3]], { decodeWeights: "int8" });
  };
  await work();
  const warm = counts();
  await work();
  assert.deepEqual(counts(), warm);
});

test("a model whose depths do not fill 32 bits says so", async () => {
  const odd = await tinyModel({ intermediate: 46 });
  const before = counts();
  await assert.rejects(generate(odd, [[1, 2]], { maxNewTokens: 3, decodeWeights: "int8" }), /32 × 46, which does not fill whole numbers of 32 bits/);
  await disposeGeneration(odd);
  assert.deepEqual(counts(), before);
  odd.dispose();
});
