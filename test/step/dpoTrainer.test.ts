import assert from "node:assert/strict";
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, beforeEach, test } from "node:test";
import type { Variable } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { kernelKey, type KernelBridge } from "../../src/engine/host";
import { engineMemory } from "../../src/engine/info";
import { BFLOAT16_VARIABLE } from "../../src/engine/precision";
import type { Precision } from "../../src/engine/recorder";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { loadModel } from "../../src/model/load";
import type { LogRow, TrainerCallback } from "../../src/step/callbacks";
import { DPOTrainer, type DPOTrainerOptions } from "../../src/step/dpoTrainer";
import { TrainingDivergedError } from "../../src/step/trainer";
import { allClose } from "../engine/close";
import { tinyModel } from "../generate/tinyModel";
import { referenceLogp, weightsOf } from "../model/reference";
import { tinyRows, tinyTokenizer } from "./tiny";
import { column, withDisposed } from "./withDisposed";

const tokenizer = tinyTokenizer();
const rows = tinyRows(16);
const folder = mkdtempSync(path.join(tmpdir(), "alignlab-dpo-"));
const givenCache = process.env.ALIGNLAB_CACHE;
// bfloat16 is tested on processors without its instructions too.
process.env[BFLOAT16_VARIABLE] = "1";
let original: LlamaForCausalLM;
before(async () => {
  process.env.ALIGNLAB_CACHE = path.join(folder, "cache");
  original = await tinyModel({ vocab: 32, scale: 0.2, positions: 64 });
});
beforeEach(() => rmSync(path.join(folder, "cache"), { recursive: true, force: true }));
after(() => {
  original.dispose();
  rmSync(folder, { recursive: true, force: true });
  if (givenCache === undefined) delete process.env.ALIGNLAB_CACHE;
  else process.env.ALIGNLAB_CACHE = givenCache;
});

type Work<T> = (trainer: DPOTrainer, model: LlamaForCausalLM) => Promise<T>;

/** A trainer on a fresh copy of the model, everything disposed afterwards; counts must be as before. */
function withTrainer<T>(args: DPOTrainerOptions["args"], work: Work<T>, options: Partial<DPOTrainerOptions> = {}, fingerprint: string | null = null): Promise<T> {
  return withDisposed(async () => {
    const model = await original.clone();
    model.fingerprint = fingerprint;
    const trainer = new DPOTrainer({ model, tokenizer, trainDataset: rows, ...options, args: { learningRate: 1e-3, loggingSteps: 1, maxSteps: 2, ...args } });
    return { trainer, model };
  }, work);
}

const losses = (trainer: DPOTrainer): number[] => column(trainer, "loss");

test("the loss begins at ln 2 and falls; rows of the log carry TRL's names", () => withTrainer({ maxSteps: 6, learningRate: 5e-3 }, async (trainer) => {
  const output = await trainer.train();
  const history = trainer.state.logHistory;
  assert.ok(Math.abs(history[0]!.loss! - Math.LN2) < 1e-6);
  assert.deepEqual(Object.keys(history[0]!).sort(), ["step", "epoch", "loss", "grad_norm", "learning_rate", "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins", "logps/chosen", "logps/rejected"].sort());
  assert.deepEqual(history.map((row) => row.step), [1, 2, 3, 4, 5, 6]);
  allClose(history.map((row) => row.learning_rate!), [6, 5, 4, 3, 2, 1].map((n) => (5e-3 * n) / 6), 1e-9);
  allClose(history.map((row) => row.epoch), [0.5, 1, 1.5, 2, 2.5, 3], 1e-12);
  assert.ok(history.at(-1)!.loss! < 0.6 && history.at(-1)!["rewards/margins"]! > 0.1);
  assert.deepEqual([output.globalStep, output.stopped, trainer.state.stopped], [6, false, false]);
  assert.ok(Math.abs(output.trainingLoss - losses(trainer).reduce((a, b) => a + b) / 6) < 1e-9);
  assert.ok(output.metrics.train_tokens_per_second! > 0 && output.metrics.train_samples_per_second! > 0);
}));

test("the first row's log-probabilities and the margin of a shifted reference are those of the float64 model", async () => {
  const weights = await weightsOf(original);
  const refModel = await tinyModel({ vocab: 32, scale: 0.2, seed: 9 });
  const other = await weightsOf(refModel);
  await withTrainer({ maxSteps: 1, perDeviceTrainBatchSize: 16 }, async (trainer) => {
    await trainer.train();
    const logp = (side: "chosen" | "rejected", w: typeof weights, model: LlamaForCausalLM): number[] => trainer.trainRows.map((row) => referenceLogp(row.prompt_input_ids, row[`${side}_input_ids`], w, model.config));
    const mean = (x: number[]): number => x.reduce((a, b) => a + b) / x.length;
    const [chosen, rejected, refChosen, refRejected] = [logp("chosen", weights, original), logp("rejected", weights, original), logp("chosen", other, refModel), logp("rejected", other, refModel)];
    const margins = chosen.map((c, i) => 0.1 * (c - refChosen[i]! - rejected[i]! + refRejected[i]!));
    const [row] = trainer.state.logHistory;
    allClose([row!["logps/chosen"]!, row!["logps/rejected"]!, row!["rewards/margins"]!, row!["rewards/accuracies"]!, row!.loss!],
      [mean(chosen), mean(rejected), mean(margins), mean(margins.map((m) => (m > 0 ? 1 : 0))), mean(margins.map((m) => Math.log1p(Math.exp(-m))))], 2e-5);
  }, { refModel });
  refModel.dispose();
});

test("the same seed gives the same losses bit for bit, another seed others", async () => {
  const run = (seed: number) => withTrainer({ seed, maxSteps: 4, perDeviceTrainBatchSize: 2 }, async (trainer) => (await trainer.train(), losses(trainer)));
  const first = await run(1);
  assert.deepEqual(await run(1), first);
  assert.notDeepEqual(await run(2), first);
});

test("two batches of four accumulated train as one of eight", async () => {
  const run = (args: object) => withTrainer({ maxSteps: 3, shuffle: false, groupByLength: false, ...args }, async (trainer, model) => {
    await trainer.train();
    return [...losses(trainer), ...trainer.state.logHistory.map((row) => row.grad_norm!), ...(await model.finalNorm.data())];
  });
  allClose(await run({ perDeviceTrainBatchSize: 4, gradientAccumulationSteps: 2 }), await run({ perDeviceTrainBatchSize: 8 }), 1e-5);
});

test("bfloat16 trains near float32", async () => {
  const run = (precision: "float32" | "bfloat16") => withTrainer({ precision, maxSteps: 4, learningRate: 5e-3 }, async (trainer) => (await trainer.train(), losses(trainer)));
  const [wide, narrow] = [await run("float32"), await run("bfloat16")];
  assert.ok(Math.abs(narrow[0]! - Math.LN2) < 1e-6);
  assert.notDeepEqual(narrow, wide);
  wide.forEach((loss, i) => assert.ok(Math.abs(loss - narrow[i]!) < 0.03, `${narrow} for ${wide}`));
});

test("float16 trains near float32 and logs its scale", async () => {
  const run = (precision: Precision) => withTrainer({ precision, maxSteps: 4, learningRate: 5e-3, gradientAccumulationSteps: 2, perDeviceTrainBatchSize: 4 }, async (trainer) => (await trainer.train(), trainer.state.logHistory));
  const [wide, narrow] = [await run("float32"), await run("float16")];
  assert.ok(Math.abs(narrow[0]!.loss! - Math.LN2) < 1e-6);
  // Half precision has 11 bits where bfloat16 has 8.
  allClose(narrow.map((row) => row.loss!), wide.map((row) => row.loss!), 4e-3);
  allClose(narrow.map((row) => row.grad_norm!), wide.map((row) => row.grad_norm!), 2e-2);
  assert.notDeepEqual(narrow.map((row) => row.loss), wide.map((row) => row.loss));
  assert.ok(narrow.every((row) => row.loss_scale === 2 ** 16) && wide.every((row) => !("loss_scale" in row)));
});

test("gradient checkpointing changes no number", async () => {
  for (const precision of ["float32", "bfloat16"] as const) {
    const run = (gradientCheckpointing: boolean) => withTrainer({ precision, gradientCheckpointing, maxSteps: 3, learningRate: 5e-3 }, async (trainer, model) => {
      assert.equal(model.gradientCheckpointing, gradientCheckpointing);
      await trainer.train();
      return trainer.state.logHistory.flatMap((row) => [row.loss!, row.grad_norm!]);
    });
    allClose(await run(true), await run(false), 1e-6, precision);
  }
});

test("every optimiser and schedule learns, each in its own way", async () => {
  const run = (args: DPOTrainerOptions["args"]) => withTrainer({ maxSteps: 5, learningRate: 5e-3, ...args }, async (trainer) => (await trainer.train(), losses(trainer)));
  const runs = [
    await run({}), await run({ optim: "adamw_8bit", lrSchedulerType: "cosine" }), await run({ optim: "sgd", learningRate: 0.5, lrSchedulerType: "constant" }),
    await run({ optim: "sgd", sgdMomentum: 0.9, sgdNesterov: true, learningRate: 0.2, lrSchedulerType: "constant_with_warmup", warmupSteps: 2 }),
  ];
  for (const run of runs) assert.ok(run.at(-1)! < run[0]! - 0.03, `${run}`);
  assert.equal(new Set(runs.map((run) => run.join())).size, runs.length);
});

test("a parameter group with a rate of 0 stays as it is", () => withTrainer({ maxSteps: 2 }, async (trainer, model) => {
  const [embedding, norm] = [await model.embedTokens.data(), await model.finalNorm.data()];
  await trainer.train();
  assert.deepEqual(await model.embedTokens.data(), embedding);
  assert.notDeepEqual(await model.finalNorm.data(), norm);
}, { parameterGroups: [{ parameters: ["model.embed_tokens.weight"], learningRateScale: 0 }, { parameters: (name) => name !== "model.embed_tokens.weight" }] }));

test("evaluation rows have eval_ names, at evalSteps and when asked for", () => withTrainer({ maxSteps: 3, evalSteps: 2 }, async (trainer) => {
  const first = (await trainer.evaluate())!;
  assert.ok(Math.abs(first.eval_loss! - Math.LN2) < 1e-6);
  assert.deepEqual(Object.keys(first).sort(), ["step", "epoch", "eval_loss", "eval_rewards/chosen", "eval_rewards/rejected", "eval_rewards/accuracies", "eval_rewards/margins", "eval_logps/chosen", "eval_logps/rejected"].sort());
  await trainer.train();
  assert.deepEqual(trainer.state.logHistory.filter((row) => "eval_loss" in row).map((row) => row.step), [0, 2, 3]);
}, { evalDataset: tinyRows(5, 30) }));

test("evaluate without rows says so; callbacks are called in order", async () => {
  const calls: string[] = [];
  const callback: TrainerCallback = {
    onTrainBegin: () => void calls.push("begin"), onStepBegin: (state) => void calls.push(`step ${state.step}`), onLog: (_, row: LogRow) => void calls.push(`log ${row.step}`),
    onStepEnd: async (state) => { await new Promise((resolve) => setTimeout(resolve, 5)); calls.push(`end ${state.step}`); }, onTrainEnd: () => void calls.push("over"),
  };
  await withTrainer({ loggingSteps: 2, maxSteps: 3 }, async (trainer) => {
    await assert.rejects(trainer.evaluate(), /without evalDataset/);
    await trainer.train();
  }, { callbacks: [callback] });
  assert.deepEqual(calls, ["begin", "step 0", "log 1", "end 1", "step 1", "log 2", "end 2", "step 2", "log 3", "end 3", "over"]);
});

test("stop() keeps history and model", async () => {
  let trainer: DPOTrainer | null = null;
  await withTrainer({ maxSteps: 50, loggingSteps: 10 }, async (own, model) => {
    trainer = own;
    const output = await own.train();
    assert.deepEqual([output.globalStep, output.stopped, own.state.stopped], [2, true, true]);
    assert.deepEqual(own.state.logHistory.map((row) => row.step), [1, 2]);
    tf.tidy(() => assert.ok(Number.isFinite(model.forward(tf.tensor2d([[5, 6]], undefined, "int32")).dataSync()[0]!)));
  }, { callbacks: [{ onStepEnd: (state) => (state.step === 2 ? trainer!.stop() : undefined) }] });
});

test("the notebook's Stop ends training after the step being computed", async () => {
  const controller = new AbortController();
  const bridge: KernelBridge = { display: () => undefined, clearOutput: () => undefined, bundleOf: () => ({}), signal: controller.signal };
  const host = globalThis as { [kernelKey]?: KernelBridge };
  host[kernelKey] = bridge;
  try {
    await withTrainer({ maxSteps: 50 }, async (trainer) => {
      const output = await trainer.train();
      assert.deepEqual([output.globalStep, output.stopped], [3, true]);
      assert.equal(await trainer.evaluate(), null);
    }, { evalDataset: rows.slice(0, 2), callbacks: [{ onStepBegin: (state) => (state.step === 2 ? controller.abort() : undefined) }] });
  } finally {
    delete host[kernelKey];
  }
});

test("a loss that is no number ends training with the step and its rows", async () => {
  let norm: Variable | null = null;
  await withTrainer({ maxSteps: 5, shuffle: false, groupByLength: false, perDeviceTrainBatchSize: 4 }, async (trainer, model) => {
    norm = model.parameters.get("model.norm.weight")!;
    await assert.rejects(trainer.train(), (error) => error instanceof TrainingDivergedError && /^Step 2: the loss is NaN.*on the rows 4, 5, 6, 7\. Look at these rows/.test(error.message));
    assert.equal(trainer.state.step, 1);
    assert.equal(losses(trainer).length, 1);
  }, { callbacks: [{ onStepEnd: () => tf.tidy(() => norm!.assign(tf.fill([32], NaN) as never)) }] });
});

test("rows that cannot be trained on are refused with their number, before anything is made", async () => {
  const start = engineMemory();
  const make = (change: object, args: object = {}) => () => new DPOTrainer({ model: original, tokenizer, trainDataset: [rows[0]!, { ...rows[1]!, ...change }], args: args as never });
  assert.throws(make({ chosen: "" }), /Row 1: chosen is empty/);
  assert.throws(make({ rejected: "x".repeat(80) }), /Row 1 of trainDataset: prompt and answer take \d+ tokens, the model has 64 positions\. Lower maxPromptLength or maxCompletionLength/);
  make({ rejected: "x".repeat(80) }, { maxCompletionLength: 20 })().dispose();
  assert.throws(make({}, { beta: 0 }), /beta is 0/);
  assert.throws(make({}, { lossType: "ppo" }), /lossType is "ppo"; known are sigmoid/);
  assert.throws(() => new DPOTrainer({ model: original, tokenizer, trainDataset: [] }), /training set is empty/);
  assert.throws(() => new DPOTrainer({ model: original, tokenizer, trainDataset: rows, evalDataset: [{ ...rows[0]!, prompt: 3 as never }] }), /prompt is number/);
  assert.deepEqual(engineMemory(), start);
});

test("without refModel the policy's first weights stay the reference, computed before, while and after training", async () => {
  const weights = await weightsOf(original);
  const evalDataset = tinyRows(4, 40);
  await withTrainer({ maxSteps: 4, learningRate: 5e-3, perDeviceTrainBatchSize: 4 }, async (trainer) => {
    await trainer.train();
    // The evaluation rows meet the reference for the first time here.
    const row = (await trainer.evaluate())!;
    const reference = trainer.evalRows.map((r) => referenceLogp(r.prompt_input_ids, r.chosen_input_ids, weights, original.config));
    const expected = row["eval_logps/chosen"]! - reference.reduce((a, b) => a + b) / 4;
    assert.ok(Math.abs(row["eval_rewards/chosen"]! - 0.1 * expected) < 2e-5);
    assert.ok(Math.abs(expected) > 0.05, "training must have moved the policy");
  }, { evalDataset });
});

test("reference log-probabilities come from the disk the second time, and only for the same weights, precision and rows", async () => {
  const cache = path.join(folder, "cache/reference-logps");
  const files = (): string[] => (existsSync(cache) ? readdirSync(cache) : []);
  const lines = (file: string): string[] => readFileSync(path.join(cache, file), "utf8").trim().split("\n");
  const run = (fingerprint: string | null, options: Partial<DPOTrainerOptions> = {}, args: object = {}) =>
    withTrainer({ maxSteps: 2, shuffle: false, groupByLength: false, ...args }, async (trainer) => (await trainer.train(), losses(trainer)), options, fingerprint);
  const first = await run("weights-one");
  assert.equal(files().length, 1);
  const [file] = files();
  assert.equal(lines(file!).length, 2, "a line for each batch");

  // Numbers that no model gives show whether they were taken from the file.
  const forged = lines(file!).map((line) => JSON.stringify({ ...(JSON.parse(line) as object), chosen: new Array(8).fill(-3), rejected: new Array(8).fill(-1) }));
  writeFileSync(path.join(cache, file!), `${forged.join("\n")}\n`);
  const fromDisk = await run("weights-one");
  assert.notDeepEqual(fromDisk, first);
  assert.equal(lines(file!).length, 2);

  assert.deepEqual(await run("weights-two"), first);
  assert.equal(files().length, 2);
  await run("weights-one", {}, { precision: "bfloat16" });
  assert.equal(files().length, 3);
  assert.deepEqual(await run(null), first);
  assert.equal(files().length, 3);

  await run("weights-one", { trainDataset: rows.with(3, { ...rows[3]!, chosen: "zzz" }) });
  assert.equal(lines(file!).length, 3, "only the batch of the row that differs");
  await run("weights-one", {}, { maxPromptLength: 3 });
  assert.equal(lines(file!).length, 5);
});

test("a line cut short is computed again, and what follows it is kept", async () => {
  const cache = path.join(folder, "cache/reference-logps");
  const run = () => withTrainer({ maxSteps: 2 }, async (trainer) => (await trainer.train(), losses(trainer)), {}, "cut");
  const first = await run();
  const file = path.join(cache, readdirSync(cache)[0]!);
  const whole = readFileSync(file, "utf8");
  writeFileSync(file, whole.slice(0, -25));
  assert.deepEqual(await run(), first);
  const keys = new Set(readFileSync(file, "utf8").split("\n").flatMap((line) => { try { return [(JSON.parse(line) as { batch: string }).batch]; } catch { return []; } }));
  assert.equal(keys.size, 2, "the batch after the cut line must be readable");
  appendFileSync(file, "{}\nnonsense\n");
  assert.deepEqual(await run(), first);
});

test("in bfloat16 a run begins at exactly ln 2, and gives the same numbers whatever earlier runs left on the disk", async () => {
  const run = (args: object, prepare = false) => withTrainer({ precision: "bfloat16", maxSteps: 3, ...args }, async (trainer) => {
    if (prepare) await trainer.precomputeReference();
    await trainer.train();
    return trainer.state.logHistory;
  }, {}, "layouts");
  const alone = await run({});
  assert.equal(alone[0]!.loss, Math.fround(Math.LN2));
  assert.equal(alone[0]!["rewards/margins"], 0);
  for (const args of [{ perDeviceTrainBatchSize: 3 }, { seed: 7, perDeviceTrainBatchSize: 5 }, { shuffle: false, groupByLength: false }]) {
    assert.equal((await run(args, true))[0]!.loss, Math.fround(Math.LN2));
  }
  assert.deepEqual(await run({}), alone);
  assert.deepEqual(await run({}, true), alone);
});

test("precomputeReference computes what the run will need once, with progress", () => withTrainer({ perDeviceTrainBatchSize: 6, maxSteps: 3, shuffle: false }, async (trainer) => {
  const progress: number[][] = [];
  await trainer.precomputeReference((done, total) => progress.push([done, total]));
  assert.deepEqual(progress, [[6, 16], [12, 16], [16, 16]]);
  await trainer.precomputeReference(() => assert.fail("nothing is left to compute"));
  await trainer.train();
  assert.ok(Math.abs(losses(trainer)[0]! - Math.LN2) < 1e-5);
}));

test("checkpoints every saveSteps load again; saveTotalLimit keeps the newest", () => withTrainer({ maxSteps: 5, saveSteps: 2, saveTotalLimit: 2, outputDir: path.join(folder, "run") }, async (trainer, model) => {
  await trainer.train();
  assert.deepEqual(readdirSync(path.join(folder, "run")).sort(), ["checkpoint-4", "checkpoint-5", "log.jsonl", "run.json", "trainer_state.json", "training_args.json"]);
  const last = path.join(folder, "run/checkpoint-5");
  const state = JSON.parse(readFileSync(path.join(last, "trainer_state.json"), "utf8")) as { global_step: number; max_steps: number; log_history: LogRow[] };
  assert.deepEqual([state.global_step, state.max_steps, state.log_history.length], [5, 5, 5]);
  assert.match(readFileSync(path.join(last, "README.md"), "utf8"), /^---\nlibrary_name: transformers\n[\s\S]*Step 5 of 5\./);
  const loaded = await loadModel(last);
  assert.deepEqual(await weightsOf(loaded.model), await weightsOf(model));
  loaded.model.dispose();
}));

test("after train and dispose the model's fingerprint is gone, and its weights differ", () => withTrainer({}, async (trainer, model) => {
  await trainer.train();
  assert.equal(model.fingerprint, null);
  assert.notDeepEqual(await weightsOf(model), await weightsOf(original));
}, {}, "first"));
