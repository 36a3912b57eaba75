import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import type { Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { BFLOAT16_VARIABLE } from "../../src/engine/precision";
import { sftLoss, sftSums, toSequenceTensors } from "../../src/loss/sft";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { loadAdapter } from "../../src/model/loraFiles";
import type { LogRow } from "../../src/step/callbacks";
import { SFTTrainer, type SFTTrainerOptions } from "../../src/step/sftTrainer";
import { packSequences } from "../../src/tokens/packSequences";
import { tokenizeSFTRows } from "../../src/tokens/sft";
import { allClose } from "../engine/close";
import { referenceLogits, weightsOf } from "../model/reference";
import { sftAdapter, sftModel, sftRows } from "./sftCase";
import { tinyTokenizer } from "./tiny";

interface Fixture {
  gradients: { form: keyof typeof sftRows; loss: number; metrics: { entropy: number; mean_token_accuracy: number }; gradients: Record<string, number[]> };
  training: { form: keyof typeof sftRows; log: Record<string, number>[] }[];
}

const fixture = JSON.parse(readFileSync(path.join(__dirname, "../fixtures/sft.json"), "utf8")) as Fixture;
const tokenizer = tinyTokenizer();
const folder = mkdtempSync(path.join(tmpdir(), "alignlab-sft-"));
// bfloat16 is tested on processors without its instructions too.
process.env[BFLOAT16_VARIABLE] = "1";
let original: LlamaForCausalLM;
before(async () => (original = await sftModel()));
after(() => {
  original.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** A trainer on a fresh copy of the model, everything disposed afterwards; counts must be as before. */
async function withTrainer<T>(args: SFTTrainerOptions["args"], work: (trainer: SFTTrainer, model: LlamaForCausalLM) => Promise<T>, options: Partial<SFTTrainerOptions> = {}, adapted = false): Promise<T> {
  const start = engineMemory();
  const model = await original.clone();
  const lora = adapted ? sftAdapter(model) : null;
  const trainer = new SFTTrainer({ model, tokenizer, trainDataset: sftRows.chatCompletion, ...options, args: { learningRate: 5e-3, loggingSteps: 1, maxSteps: 3, shuffle: false, groupByLength: false, ...args } });
  try {
    return await work(trainer, model);
  } finally {
    trainer.dispose();
    trainer.lora?.unload();
    lora?.unload();
    model.dispose();
    assert.deepEqual(engineMemory(), start, "tensors and handles");
  }
}

const trained = (trainer: SFTTrainer): LogRow[] => trainer.state.logHistory.filter((row) => "loss" in row);
const losses = (args: SFTTrainerOptions["args"], options: Partial<SFTTrainerOptions> = {}, adapted = false): Promise<number[]> =>
  withTrainer(args, async (trainer) => {
    await trainer.train();
    return trained(trainer).map((row) => row.loss!);
  }, options, adapted);

test("loss, metrics and gradients of A and B are PyTorch's under PEFT", async () => {
  const { form, loss, metrics, gradients } = fixture.gradients;
  const model = await original.clone();
  const lora = sftAdapter(model);
  const rows = tokenizeSFTRows(sftRows[form], tokenizer);
  tf.tidy(() => {
    const batch = toSequenceTensors(packSequences(rows, { padTokenId: 0 }));
    const sums = sftSums(model, batch);
    const count = sums.tokens.dataSync()[0]!;
    allClose([sums.loss, sums.entropy, sums.correct].map((sum) => sum.dataSync()[0]! / count), [loss, metrics.entropy, metrics.mean_token_accuracy], 1e-5);
    const { grads } = tf.variableGrads(() => tf.div(sftSums(model, batch).loss, count), [...lora.parameters.values()]);
    assert.deepEqual([...lora.parameters.keys()].sort(), Object.keys(gradients).sort());
    for (const [name, parameter] of lora.parameters) allClose(grads[parameter.name]!.dataSync(), gradients[name]!, 1e-5, name);
  });
  lora.unload();
  model.dispose();
});

for (const { form, log } of fixture.training) {
  test(`20 accumulated steps with LoRA go as TRL's SFTTrainer with PEFT: ${form}`, () => withTrainer(
    { perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 2, maxSteps: 20, learningRate: 5e-3, lrSchedulerType: "cosine", warmupSteps: 2, weightDecay: 0.01 },
    async (trainer, model) => {
      const before = await weightsOf(model);
      await trainer.train();
      const rows = trained(trainer);
      assert.deepEqual(Object.keys(rows[0]!).sort(), [...Object.keys(log[0]!)].sort());
      assert.deepEqual(rows.map((row) => row.num_tokens), log.map((row) => row.num_tokens));
      for (const [name, tolerance] of [["loss", 1e-3], ["grad_norm", 1e-3], ["entropy", 1e-3], ["learning_rate", 1e-8], ["epoch", 1e-9]] as const) {
        allClose(rows.map((row) => row[name]!), log.map((row) => row[name]!), tolerance, name);
      }
      // One token more or less among some 30 is a tie decided otherwise.
      allClose(rows.map((row) => row.mean_token_accuracy!), log.map((row) => row.mean_token_accuracy!), 0.02, "mean_token_accuracy");
      assert.deepEqual(await weightsOf(model), before, "the base model's weights, bit for bit");
    },
    { trainDataset: sftRows[form] }, true,
  ));
}

test("the loss is that of the float64 model, and sftLoss of whole logits", async () => {
  const weights = await weightsOf(original);
  const rows = tokenizeSFTRows(sftRows.messages, tokenizer, { assistantOnlyLoss: true });
  const logps = rows.flatMap(({ input_ids, labels }) => referenceLogits(input_ids, weights, original.config).flatMap((logits, t) => {
    const target = labels[t + 1] ?? -100;
    return target === -100 ? [] : [logits[target]! - Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0))];
  }));
  const expected = -logps.reduce((a, b) => a + b) / logps.length;
  const [first] = await losses({ maxSteps: 1, perDeviceTrainBatchSize: 12, assistantOnlyLoss: true }, { trainDataset: sftRows.messages });
  allClose([first!], [expected], 1e-6);
  const length = Math.max(...rows.map(({ input_ids }) => input_ids.length));
  const padded = (values: (row: (typeof rows)[number]) => number[], filler: number): Tensor2D =>
    tf.tensor2d(rows.map((row) => [...values(row), ...new Array<number>(length - row.input_ids.length).fill(filler)]), [rows.length, length], "int32");
  tf.tidy(() => {
    const logits = original.forward(padded(({ input_ids }) => input_ids, 0), padded(({ input_ids }) => input_ids.map(() => 1), 0));
    const labels = padded((row) => row.labels, -100);
    allClose(sftLoss(logits, labels).dataSync(), [expected], 1e-6);
    allClose(sftLoss(logits, labels, 2 * logps.length).dataSync(), [expected / 2], 1e-6);
  });
});

test("full fine-tuning moves every weight; its gradient is that of finite differences", () => withTrainer({ maxSteps: 1, perDeviceTrainBatchSize: 12, lrSchedulerType: "constant", optim: "sgd", learningRate: 1, maxGradNorm: 0, completionOnlyLoss: false }, async (trainer, model) => {
  const before = await weightsOf(model);
  const rows = trainer.trainRows;
  const loss = (weights: typeof before): number => {
    const terms = rows.flatMap(({ input_ids }) => referenceLogits(input_ids.slice(0, -1), weights, model.config).map((logits, t) => Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0)) - logits[input_ids[t + 1]!]!));
    return terms.reduce((a, b) => a + b) / terms.length;
  };
  await trainer.train();
  const after = await weightsOf(model);
  for (const name of ["model.layers.0.self_attn.k_proj.weight", "model.layers.1.mlp.down_proj.weight", "model.norm.weight"]) {
    const place = 7;
    const moved = (by: number): typeof before => ({ ...before, [name]: before[name]!.map((value, i) => (i === place ? value + by : value)) });
    const slope = (loss(moved(1e-4)) - loss(moved(-1e-4))) / 2e-4;
    assert.ok(Math.abs(before[name]![place]! - after[name]![place]! - slope) < 2e-6, `${name}: ${before[name]![place]! - after[name]![place]!} and ${slope}`);
  }
  for (const [name, values] of Object.entries(before)) assert.notDeepEqual(after[name], values, name);
}));

test("accumulated batches of unequal size train as one batch; packed rows as rows apart", async () => {
  const whole = await losses({ perDeviceTrainBatchSize: 12, completionOnlyLoss: false });
  allClose(await losses({ perDeviceTrainBatchSize: 5, gradientAccumulationSteps: 3, completionOnlyLoss: false }), whole, 2e-6);
  allClose(await losses({ perDeviceTrainBatchSize: 12, packing: true, maxLength: 30, completionOnlyLoss: false }), whole, 2e-6);
});

test("every optimiser, precision and way to spend memory trains an adapter", async () => {
  const peftConfig = { r: 4, loraAlpha: 16, targetModules: "all-linear" } as const;
  const plain = await losses({}, { peftConfig });
  assert.ok(plain[2]! < plain[0]!);
  assert.deepEqual(await losses({}, { peftConfig }), plain);
  assert.notDeepEqual(await losses({ seed: 43 }, { peftConfig }), plain);
  allClose(await losses({ gradientCheckpointing: true }, { peftConfig }), plain, 1e-6);
  allClose(await losses({ optim: "adamw_8bit" }, { peftConfig }), plain, 1e-2);
  allClose(await losses({ precision: "bfloat16" }, { peftConfig }), plain, 2e-2);
  const dropped = await losses({}, { peftConfig: { ...peftConfig, loraDropout: 0.5 } });
  assert.ok(dropped[1] !== plain[1] && dropped[2]! < dropped[0]!);
  assert.deepEqual(await losses({}, { peftConfig: { ...peftConfig, loraDropout: 0.5 } }), dropped);
  allClose(await losses({ gradientCheckpointing: true }, { peftConfig: { ...peftConfig, loraDropout: 0.5 } }), dropped, 1e-6);
});

test("held-out rows are measured; a checkpoint of an adapter is PEFT's folder; a merged adapter is not trained", () => withTrainer({ outputDir: folder, saveSteps: 3, evalSteps: 3 }, async (trainer, model) => {
  await trainer.train();
  const evaluation = trainer.state.logHistory.find((row) => "eval_loss" in row)!;
  assert.deepEqual(Object.keys(evaluation).sort(), ["epoch", "eval_entropy", "eval_loss", "eval_mean_token_accuracy", "eval_num_tokens", "step"]);
  const saved = path.join(folder, "checkpoint-3");
  assert.ok(["adapter_config.json", "adapter_model.safetensors", "tokenizer.json", "trainer_state.json", "README.md"].every((name) => existsSync(path.join(saved, name))) && !existsSync(path.join(saved, "model.safetensors")));
  const other = await original.clone();
  const loaded = loadAdapter(other, saved);
  for (const [name, parameter] of trainer.lora!.parameters) assert.deepEqual(await loaded.parameters.get(name)!.data(), await parameter.data());
  loaded.unload();
  other.dispose();
  trainer.lora!.merge();
  await assert.rejects(trainer.train(), /merged into the model/);
  assert.equal(model.adapter, trainer.lora);
}, { peftConfig: { r: 2 }, evalDataset: sftRows.chatCompletion.slice(0, 5) }));

test("bad rows and settings are refused before anything is made", async () => {
  const start = engineMemory();
  const refused = (args: Record<string, unknown>, message: RegExp, options: Partial<SFTTrainerOptions> = {}): void => {
    assert.throws(() => new SFTTrainer({ model: original, tokenizer, trainDataset: sftRows.text, ...options, args }), message);
  };
  refused({ packing: "yes" }, /packing is yes/);
  refused({ packing: true, maxLength: null }, /maxLength is null/);
  refused({ completionOnlyLoss: true }, /Row 0: completionOnlyLoss/);
  refused({ maxLength: 2 }, /None of the 12 rows/, { trainDataset: sftRows.chatCompletion });
  refused({}, /The training set is empty/, { trainDataset: [] });
  refused({ maxlength: 3 }, /args.maxlength is not a training argument/);
  refused({}, /The longest row of trainDataset takes 8\d tokens, the model has 64 positions/, { trainDataset: [{ text: "abcd".repeat(20) }] });
  assert.deepEqual(engineMemory(), start);
  const trainer = new SFTTrainer({ model: original, tokenizer, trainDataset: sftRows.chatCompletion, args: { maxLength: 6 } });
  assert.ok(trainer.droppedRows.length > 0 && trainer.droppedRows.length + trainer.trainRows.length === 12);
  trainer.dispose();
});
