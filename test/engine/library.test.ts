import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { engineMemory } from "../../src/engine/info";
import { engineFunctions } from "../../src/engine/nativeCounts";
import { generate } from "../../src/generate/generate";
import { disposeGeneration } from "../../src/generate/session";
import { DPOTrainer } from "../../src/step/dpoTrainer";
import { randomPrompts, tinyModel } from "../generate/tinyModel";
import { tinyRows, tinyTokenizer } from "../step/tiny";

test("training and generation give back every function, capture, tensor and handle, and warn of none of their shapes", async () => {
  const folder = mkdtempSync(path.join(tmpdir(), "alignlab-functions-"));
  const givenCache = process.env.ALIGNLAB_CACHE;
  process.env.ALIGNLAB_CACHE = folder;
  const said: unknown[] = [];
  const { warn } = console;
  console.warn = (...words: unknown[]) => said.push(words);
  const before = { ...engineFunctions(), ...engineMemory() };
  try {
    const model = await tinyModel({ vocab: 32, scale: 0.2, positions: 64 });
    const trainer = new DPOTrainer({
      model, tokenizer: tinyTokenizer(), trainDataset: tinyRows(12), evalDataset: tinyRows(4, 40),
      args: { perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 2, maxSteps: 3, evalSteps: 3, loggingSteps: 1 },
    });
    await trainer.train();
    for (const count of [1, 2, 3, 5]) await generate(model, randomPrompts(Array.from({ length: count }, (_, i) => 2 + 5 * i), 32), { maxNewTokens: 6, doSample: true, seed: 1 });
    assert.ok(engineFunctions().functions > before.functions + 5);
    trainer.dispose();
    await disposeGeneration(model);
    model.dispose();
  } finally {
    console.warn = warn;
    if (givenCache === undefined) delete process.env.ALIGNLAB_CACHE;
    else process.env.ALIGNLAB_CACHE = givenCache;
    rmSync(folder, { recursive: true, force: true });
  }
  assert.deepEqual({ ...engineFunctions(), ...engineMemory() }, before);
  assert.deepEqual(said, []);
});
