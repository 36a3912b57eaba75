import assert from "node:assert/strict";
import { test } from "node:test";
import { TRACE_BOUND } from "../../src/engine/traceCache";
import { LlamaForCausalLM } from "../../src/model/llama";
import { DPOTrainer } from "../../src/step/dpoTrainer";
import { functionsBytes, stepFunctionBytes } from "../../src/step/memoryCounts";
import { estimateShapes } from "../../src/step/shapeCount";
import { tinyTokenizer } from "./tiny";

const shapesOf = (sizes: readonly number[]) => (rows: readonly number[]) => ({ length: sizes[rows[0]!]!, rows: 1, queryWidth: 32, keyWidth: 32, predictions: 64 });

test("shapes are counted in a short run, and estimated in a long one", () => {
  const batches = Array.from({ length: 60 }, (_, i) => [i % 20]);
  assert.equal(estimateShapes(batches, shapesOf(Array.from({ length: 20 }, (_, i) => i % 7))), 7);
  // 10,000 batches of 40 shapes, some of them rare: shape k has a weight of 1 / (k + 1).
  const sizes = Array.from({ length: 40 }, (_, k) => k);
  const drawn: number[][] = [];
  for (let i = 0; drawn.length < 10_000; i++) sizes.forEach((k) => i % (k + 1) === 0 && drawn.push([k]));
  const estimate = estimateShapes(drawn, shapesOf(sizes));
  assert.ok(estimate > 20 && estimate < 80, `${estimate} shapes`);
});

test("a run that repeats its batches in a fixed order shows all of them, whatever its length", () => {
  for (const epochs of [8, 64, 640, 1000]) {
    const batches = Array.from({ length: 8 * epochs }, (_, i) => [i % 8]);
    assert.equal(estimateShapes(batches, shapesOf([1, 2, 3, 4, 5, 6, 7, 8])), 8, `${epochs} epochs`);
  }
});

test("what compiled functions take is bounded by what jit keeps", () => {
  const most = 2 * TRACE_BOUND.maxBytes;
  assert.ok(functionsBytes(30, 10, "adamw_torch", 0) > 10 * stepFunctionBytes(30, "adamw_torch", 0));
  const [some, many] = [functionsBytes(30, 200, "adamw_torch", 0), functionsBytes(30, 1000, "adamw_torch", 0)];
  assert.ok(some - 200 * 10e6 <= most && many - 1000 * 10e6 === most, `${some} and ${many} bytes`);
});

test("a long run whose shapes would not stay compiled rounds more coarsely", async () => {
  const config = {
    model_type: "llama", vocab_size: 32, hidden_size: 8, intermediate_size: 8, num_attention_heads: 1, num_key_value_heads: 1, head_dim: 8, hidden_act: "silu",
    rms_norm_eps: 1e-5, rope_theta: 10000, max_position_embeddings: 8192, tie_word_embeddings: true, bos_token_id: 1, eos_token_id: 2, pad_token_id: 0,
  };
  const text = (length: number): string => "abcdefghijklmnopqrstuvwxyz".repeat(1 + length / 26).slice(0, length);
  const trainDataset = Array.from({ length: 400 }, (_, i) => ({ prompt: text(5 + ((i * 13) % 50)), chosen: text(20 + ((i * 37) % 301)), rejected: `z${text(20 + ((i * 71) % 299))}` }));
  const multipleOf = async (num_hidden_layers: number): Promise<number> => {
    const model = await LlamaForCausalLM.create({ ...config, num_hidden_layers }, (_, shape) => new Float32Array(shape.reduce((a, b) => a * b, 1)));
    const trainer = new DPOTrainer({ model, tokenizer: tinyTokenizer(), trainDataset, args: { maxSteps: 2000, perDeviceTrainBatchSize: 1, shuffle: false, groupByLength: false } });
    const { lengthMultiple } = (trainer as unknown as { packing: { lengthMultiple: number } }).packing;
    trainer.dispose();
    model.dispose();
    return lengthMultiple;
  };
  assert.equal(await multipleOf(2), 64);
  assert.ok(await multipleOf(30) > 64);
});
