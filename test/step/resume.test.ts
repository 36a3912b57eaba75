import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import type { LlamaModel } from "../../src/model/llama";
import type { TrainerCallback } from "../../src/step/callbacks";
import { readJsonl } from "../../src/step/jsonl";
import { CheckpointError } from "../../src/step/resume";
import { readSamples, type Sample } from "../../src/step/run/samples";
import type { TrainOptions, TrainOutput } from "../../src/step/trainer";
import { PLACES, type KilledRun } from "./killedRun";
import { caseTrainer, type CaseName, type RunCase } from "./runCases";
import { tinyRows } from "./tiny";

const folder = mkdtempSync(path.join(tmpdir(), "alignlab-resume-"));
const givenCache = process.env.ALIGNLAB_CACHE;
before(() => void (process.env.ALIGNLAB_CACHE = path.join(folder, "cache")));
after(() => {
  rmSync(folder, { recursive: true, force: true });
  if (givenCache === undefined) delete process.env.ALIGNLAB_CACHE;
  else process.env.ALIGNLAB_CACHE = givenCache;
});
const at = (name: string): string => path.join(folder, name);

interface Ended {
  output: TrainOutput;
  /** All that the run left: the log on disk and the bytes of its last checkpoint's tensors. */
  log: unknown[];
  samples: Sample[];
  weights: Record<string, Buffer>;
}

async function run(name: CaseName, what: RunCase, options?: TrainOptions): Promise<Ended> {
  const start = engineMemory();
  const { trainer, dispose } = await caseTrainer(name, what);
  try {
    const output = await trainer.train(options);
    const log = readJsonl(path.join(what.outputDir, "log.jsonl"));
    assert.deepEqual(log, trainer.state.logHistory);
    const samples = name === "reward" ? [] : readSamples(what.outputDir);
    const last = path.join(what.outputDir, `checkpoint-${trainer.state.step}`);
    const tensors = readdirSync(last).filter((file) => file.endsWith(".safetensors"));
    return { output, log, samples, weights: Object.fromEntries(tensors.map((file) => [file, readFileSync(path.join(last, file))])) };
  } finally {
    dispose();
    assert.deepEqual(engineMemory(), start);
  }
}

/** Begins a run in a process of its own, which ends itself with SIGKILL. */
async function killed(what: KilledRun): Promise<void> {
  const child = spawn(process.execPath, ["--import", require.resolve("tsx"), path.join(__dirname, "killedRun.ts"), JSON.stringify(what)], { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (data: Buffer) => (said += data.toString()));
  const signal = await new Promise((resolve) => child.on("close", (_code, signal) => resolve(signal)));
  assert.equal(signal, "SIGKILL", said);
}

/** A step from 3 to 11, another one each time: from 2 on there is a checkpoint, at 12 the run ends. */
const anyStep = (): number => 3 + Math.floor(Math.random() * 9);
const anyPlace = (): KilledRun["place"] => PLACES[Math.floor(Math.random() * PLACES.length)]!;

const cases: [CaseName, () => KilledRun["place"], string[]][] = [
  ["dpo", anyPlace, ["method_state.safetensors", "model.safetensors", "optimizer.safetensors"]],
  ["sft", () => "while saving", ["adapter_model.safetensors", "optimizer.safetensors"]],
  ["reward", anyPlace, ["model.safetensors", "optimizer.safetensors"]],
];
for (const [name, placeOf, files] of cases) {
  test(`${name}: a run that was killed and resumed ends as one that was not, bit for bit`, async () => {
    const whole = await run(name, { outputDir: at(`${name}-whole`) });
    const what: KilledRun = { name, outputDir: at(`${name}-killed`), step: anyStep(), place: name === "reward" ? "onStepEnd" : placeOf() };
    await killed(what);
    const resumed = await run(name, { outputDir: what.outputDir }, { resumeFromCheckpoint: true });
    const context = `killed ${what.place} at step ${what.step}`;
    assert.deepEqual(resumed.log, whole.log, context);
    assert.deepEqual(resumed.samples, whole.samples, context);
    assert.deepEqual(whole.samples.map(({ step, prompt }) => [step, prompt]), name === "reward" ? [] : [0, 3, 6, 9, 12].flatMap((step) => [[step, "abc"], [step, "xyz"]]));
    assert.equal(resumed.output.trainingLoss, whole.output.trainingLoss, context);
    assert.deepEqual(Object.keys(resumed.weights).sort(), files);
    for (const file of files) assert.ok(resumed.weights[file]!.equals(whole.weights[file]!), `${file}, ${context}`);
    assert.deepEqual(readdirSync(what.outputDir).sort(), readdirSync(at(`${name}-whole`)).sort(), "no half-written file is left");
    assert.deepEqual(readdirSync(what.outputDir).filter((file) => file.startsWith("checkpoint-")).sort(), ["checkpoint-10", "checkpoint-12", "checkpoint-8"]);
  });
}

/** Tries to continue from a checkpoint; the trainer must be as it was before. */
async function refused(name: CaseName, what: RunCase, resumeFromCheckpoint: string | true, message: RegExp): Promise<void> {
  const { trainer, dispose } = await caseTrainer(name, what);
  const parameters = [...(trainer as unknown as { options: { model: LlamaModel } }).options.model.trainableParameters.values()];
  const before = await Promise.all(parameters.map((parameter) => parameter.data()));
  try {
    await assert.rejects(trainer.train({ resumeFromCheckpoint }), (error) => error instanceof CheckpointError && message.test(error.message), String(message));
    assert.deepEqual(await Promise.all(parameters.map((parameter) => parameter.data())), before);
    assert.equal(trainer.state.step, 0);
  } finally {
    dispose();
  }
}

test("a checkpoint of another run is refused with what differs, before anything is changed", async () => {
  const dpo = at("dpo-whole/checkpoint-10");
  const outputDir = at("other");
  await refused("dpo", { outputDir, args: { learningRate: 1e-3, seed: 1, saveSteps: 7 } }, dpo, /checkpoint-10 is of another run: learning_rate is 0\.005 there and 0\.001 here; seed is 42 there and 1 here\. Continue it with/);
  await refused("dpo", { outputDir, rows: tinyRows(15) }, dpo, /trainDataset has 16 rows there and 15 here/);
  await refused("dpo", { outputDir, rows: tinyRows(16, 1) }, dpo, /trainDataset has other rows/);
  await refused("dpo", { outputDir, seed: 9 }, dpo, /it was begun from other weights \(give the trainer the model as it was before the run/);
  await refused("sft", { outputDir, seed: 9 }, at("sft-whole/checkpoint-10"), /it was begun from other weights/);
  await refused("sft", { outputDir, peftConfig: { r: 64, loraAlpha: 16, loraDropout: 0.2 } }, at("sft-whole/checkpoint-10"), /the adapter's r is 128 there and 64 here; the adapter's lora_alpha is 8 there and 16 here; .*lora_A\.weight is F32 \[128,32\] in .* and F32 \[64,32\] here/);
  await refused("reward", { outputDir, args: { optim: "adamw_torch", sgdMomentum: 0 } }, at("reward-whole/checkpoint-10"), /optim is "sgd" there and "adamw_torch" here.*optimizer\.safetensors has no step/);
  await refused("reward", { outputDir }, dpo, /it was written by DPOTrainer, this is RewardTrainer/);
  assert.ok(!existsSync(outputDir));
});

test("a torn checkpoint is refused with the one before it; where there is none, that is said", async () => {
  const outputDir = at("reward-killed");
  const last = path.join(outputDir, "checkpoint-12");
  truncateSync(path.join(last, "optimizer.safetensors"), 2000);
  await refused("reward", { outputDir }, true, /checkpoint-12 is no whole checkpoint that a run can be continued from: .*cut short.* The one before it is .*checkpoint-10: give resumeFromCheckpoint its path\./);
  const { output } = await run("reward", { outputDir }, { resumeFromCheckpoint: path.join(outputDir, "checkpoint-10") });
  assert.equal(output.globalStep, 12);
  rmSync(path.join(last, "run_state.json"));
  await refused("reward", { outputDir }, last, /run_state\.json is missing/);
  await refused("reward", { outputDir: at("nowhere") }, true, /nowhere holds no checkpoint\. Train without it; args\.saveSteps/);
  await refused("reward", { outputDir, args: { outputDir: undefined, saveSteps: 0 } }, true, /looks for checkpoints in args\.outputDir, which is not set/);
  await refused("reward", { outputDir }, at("nowhere"), /there is no .*nowhere/);
});

test("a new run takes no other one's place unless it is told to", async () => {
  const outputDir = at("reward-whole");
  const begin = (args: RunCase["args"]) => run("reward", { outputDir, args: { maxSteps: 2, ...args } });
  await assert.rejects(begin({}), /reward-whole holds a run already: it ended at step 12\. .*choose another outputDir, or give args\.overwriteOutputDir: true/);
  assert.equal(readJsonl(path.join(outputDir, "log.jsonl")).at(-1)!.step, 12);
  assert.equal((await begin({ overwriteOutputDir: true })).output.globalStep, 2);
  assert.deepEqual(readdirSync(outputDir).sort(), ["checkpoint-2", "log.jsonl", "run.json", "trainer_state.json", "training_args.json"]);
  rmSync(path.join(outputDir, "trainer_state.json"));
  await assert.rejects(begin({}), /its newest checkpoint is of step 2\. train\(\{ resumeFromCheckpoint: true \}\) continues it\./);
});

test("a run that is stopped keeps a checkpoint, goes on in the same trainer, and can be resumed by another", async () => {
  const args = { saveSteps: 5, loggingSteps: 1 };
  const whole = await run("reward", { outputDir: at("unstopped"), args });
  const outputDir = at("stopped");
  const callbacks: TrainerCallback[] = [{ onStepEnd: (state) => (state.step === 3 || state.step === 7 ? trainer.stop() : undefined) }];
  const { trainer, dispose } = await caseTrainer("reward", { outputDir, args, callbacks });
  assert.equal((await trainer.train()).globalStep, 3);
  assert.equal((await trainer.train()).globalStep, 7);
  dispose();
  assert.deepEqual(readdirSync(outputDir).filter((name) => name.startsWith("checkpoint-")), ["checkpoint-3", "checkpoint-5", "checkpoint-7"]);
  assert.deepEqual((await run("reward", { outputDir, args }, { resumeFromCheckpoint: true })).log, whole.log);
});

test("a run's folder says what it was run with", async () => {
  const read = (name: string) => JSON.parse(readFileSync(path.join(at("sft-whole"), name), "utf8")) as Record<string, any>;
  const args = read("training_args.json");
  assert.deepEqual([args.learning_rate, args.per_device_train_batch_size, args.lr_scheduler_type, args.optim, args.adam_beta1, args.save_total_limit, args.bf16, args.fp16, args.seed], [1e-2, 3, "linear", "adamw_8bit", 0.9, 3, false, false, 42]);
  const about = read("run.json");
  assert.deepEqual([about.trainer, about.seed, about.model.model_type, about.model.adapter.r, about.data.trainDataset.rows], ["SFTTrainer", 42, "llama", 128, 16]);
  assert.deepEqual([about.versions.node, about.versions["@tensorflow/tfjs"]], [process.versions.node, tf.version["tfjs-core"]]);
  const state = read("trainer_state.json");
  assert.deepEqual([state.global_step, state.max_steps, state.log_history.length], [12, 12, readJsonl(path.join(at("sft-whole"), "log.jsonl")).length]);
  const resumed = JSON.parse(readFileSync(path.join(at("sft-killed"), "run.json"), "utf8")) as { resumed: { step: number }[] };
  assert.ok(resumed.resumed.length === 1 && resumed.resumed[0]!.step % 2 === 0);
});
