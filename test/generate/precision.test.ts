import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { binding, tf } from "../../src/engine/backend";
import { generate } from "../../src/generate/generate";
import { fasterPrecision, measurePrecision } from "../../src/generate/precision";
import { disposeGeneration } from "../../src/generate/session";
import { cacheDir } from "../../src/hub/cache";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { randomPrompts, tinyModel } from "./tinyModel";

let model: LlamaForCausalLM;
const folder = mkdtempSync(join(tmpdir(), "alignlab-precision-"));
const kept = process.env.ALIGNLAB_CACHE;
before(async () => {
  process.env.ALIGNLAB_CACHE = folder;
  model = await tinyModel();
});
after(async () => {
  if (kept === undefined) delete process.env.ALIGNLAB_CACHE;
  else process.env.ALIGNLAB_CACHE = kept;
  rmSync(folder, { recursive: true });
  await disposeGeneration(model);
  model.dispose();
});

test("the faster of both is taken, by the number of rows nearest to those measured", () => {
  const table = [{ rows: 1, float32: 1, bfloat16: 2 }, { rows: 16, float32: 4, bfloat16: 5 }, { rows: 256, float32: 60, bfloat16: 30 }];
  assert.deepEqual([1, 3, 8, 16, 60, 70, 256, 4096].map((rows) => fasterPrecision(table, rows)), ["float32", "float32", "float32", "float32", "float32", "bfloat16", "bfloat16", "bfloat16"]);
});

test("the table is measured once, kept in the cache folder, and leaves nothing on the device", async () => {
  assert.equal(cacheDir(), folder);
  const before = [tf.memory().numTensors, binding.getNumOfHandles()];
  const table = await measurePrecision(model);
  assert.deepEqual([tf.memory().numTensors, binding.getNumOfHandles()], before);
  assert.deepEqual(table.map(({ rows }) => rows), [1, 4, 16, 64, 256]);
  assert.ok(table.every(({ float32, bfloat16 }) => float32 > 0 && bfloat16 > 0));
  const file = JSON.parse(readFileSync(join(folder, "precision.json"), "utf8")) as Record<string, unknown>;
  assert.deepEqual(Object.values(file), [table]);
  assert.match(Object.keys(file)[0]!, /TensorFlow 2\.\d+.*32×32 16×32 16×32 32×32 48×32 48×32 32×48/);
  assert.equal(await measurePrecision(model), table);
});

test("generate takes what the table says", async () => {
  const prompts = randomPrompts([12, 30], 40, 8);
  const [auto, float32, bfloat16] = [await generate(model, prompts, { maxNewTokens: 12, precision: "auto" }), await generate(model, prompts, { maxNewTokens: 12 }), await generate(model, prompts, { maxNewTokens: 12, precision: "bfloat16" })];
  assert.deepEqual(auto, fasterPrecision(await measurePrecision(model), 2 * 32) === "float32" ? float32 : bfloat16);
  await assert.rejects(generate(model, prompts, { maxNewTokens: 2, precision: "int8" as never }), /precision is "int8"/);
});
