import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { engineMemory } from "../../src/engine/info";
import { readJsonl } from "../../src/step/jsonl";
import { readSamples, type Sample } from "../../src/step/run/samples";
import type { TrainOptions, TrainOutput } from "../../src/step/trainer";
import { PLACES, type KilledRun } from "./killedRun";
import { caseTrainer, type CaseName, type RunCase } from "./runCases";

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
