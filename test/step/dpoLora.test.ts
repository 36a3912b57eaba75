import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { engineMemory } from "../../src/engine/info";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { DPOTrainer, type DPOTrainerOptions } from "../../src/step/dpoTrainer";
import { allClose } from "../engine/close";
import { weightsOf } from "../model/reference";
import { pairs, sftAdapter, sftModel } from "./sftCase";
import { tinyTokenizer } from "./tiny";
import { column, withDisposed } from "./withDisposed";

interface Fixture {
  training: { reference: "policy" | "base"; log: Record<string, number[]> }[];
}

// Figures of TRL's DPOTrainer on a PeftModel; make_dpo_lora.py writes them.
const fixture = JSON.parse(readFileSync(path.join(__dirname, "../fixtures/dpoLora.json"), "utf8")) as Fixture;
const tokenizer = tinyTokenizer();
const folder = mkdtempSync(path.join(tmpdir(), "alignlab-dpo-lora-"));
let original: LlamaForCausalLM;
before(async () => (original = await sftModel()));
after(() => {
  original.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** A trainer on a fresh copy of the model, everything disposed afterwards; counts must be as before. */
function withTrainer<T>(args: DPOTrainerOptions["args"], work: (trainer: DPOTrainer, model: LlamaForCausalLM) => Promise<T>, options: Partial<DPOTrainerOptions> = {}): Promise<T> {
  return withDisposed(async () => {
    const model = await original.clone();
    if (!options.peftConfig) sftAdapter(model);
    const trainer = new DPOTrainer({ model, tokenizer, trainDataset: pairs, ...options, args: { learningRate: 5e-3, loggingSteps: 1, maxSteps: 3, shuffle: false, groupByLength: false, ...args } });
    return { trainer, model };
  }, work, (trainer) => trainer.lora!.unload());
}

const losses = (args: DPOTrainerOptions["args"], options: Partial<DPOTrainerOptions> = {}): Promise<number[]> =>
  withTrainer(args, async (trainer) => {
    await trainer.train();
    return column(trainer, "loss");
  }, options);

for (const { reference, log } of fixture.training) {
  test(`20 accumulated steps with LoRA go as TRL's DPOTrainer with PEFT, the reference the ${reference}`, () => withTrainer(
    { perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 2, maxSteps: 20, lrSchedulerType: "cosine", warmupSteps: 2, weightDecay: 0.01 },
    async (trainer, model) => {
      const before = await weightsOf(model);
      // A copy of the adapter, and not of the model, serves as the reference.
      const { parts } = trainer.memoryPlan;
      assert.equal(parts.referenceCopy, reference === "policy" ? 4 * trainer.lora!.parameterCount : 0);
      await trainer.train();
      const rows = trainer.state.logHistory;
      for (const [name, values] of Object.entries(log)) {
        // Rewards are differences of log-probabilities of some 30 nats, each off by a millionth; relative to the largest.
        allClose(rows.map((row) => row[name]!), values, name === "learning_rate" ? 1e-8 : 1e-3, name);
      }
      assert.deepEqual(await weightsOf(model), before, "the base model's weights, bit for bit");
    },
    reference === "base" ? { refModel: original } : {},
  ));
}

test("a new adapter begins at ln 2, whether the reference is computed beforehand or while training; every way to train it goes", async () => {
  const peftConfig = { r: 4, loraAlpha: 16, targetModules: "all-linear" } as const;
  const plain = await losses({}, { peftConfig });
  assert.ok(Math.abs(plain[0]! - Math.LN2) < 1e-6 && plain[2]! < plain[0]!);
  assert.deepEqual(await losses({}, { peftConfig }), plain);
  const precomputed = await withTrainer({}, async (trainer) => {
    await trainer.precomputeReference();
    assert.equal(trainer.memoryPlan.parts.referenceCopy, 0);
    await trainer.train();
    return trainer.state.logHistory.map((row) => row.loss!);
  }, { peftConfig });
  assert.deepEqual(precomputed, plain);
  allClose(await losses({ gradientCheckpointing: true }, { peftConfig }), plain, 1e-6);
  allClose(await losses({ precision: "bfloat16" }, { peftConfig }), plain, 2e-2);
  const dropped = await losses({}, { peftConfig: { ...peftConfig, loraDropout: 0.5 } });
  assert.ok(Math.abs(dropped[0]! - Math.LN2) < 1e-6 && dropped[1] !== plain[1] && dropped[2]! < dropped[0]!);
});

test("an adapter's dropout is not in evaluation; its checkpoint is PEFT's folder; a merged adapter is not trained", () => withTrainer({ outputDir: folder, saveSteps: 3, evalSteps: 3 }, async (trainer) => {
  await trainer.train();
  const evaluated = (): Promise<number> => trainer.evaluate().then((row) => row!.eval_loss!);
  assert.equal(await evaluated(), await evaluated());
  const saved = path.join(folder, "checkpoint-3");
  assert.ok(existsSync(path.join(saved, "adapter_model.safetensors")) && !existsSync(path.join(saved, "model.safetensors")));
  trainer.lora!.merge();
  await assert.rejects(trainer.train(), /merged into the model/);
  trainer.lora!.unmerge();
}, { peftConfig: { r: 2, loraDropout: 0.3 }, evalDataset: pairs.slice(0, 5) }));

test("a run that cannot be made leaves no adapter behind", () => {
  const start = engineMemory();
  assert.throws(() => new DPOTrainer({ model: original, tokenizer, trainDataset: [], peftConfig: {} }), /The training set is empty/);
  assert.equal(original.adapter, null);
  assert.deepEqual(engineMemory(), start);
});
