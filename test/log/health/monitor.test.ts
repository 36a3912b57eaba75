import assert from "node:assert/strict";
import path from "node:path";
import { afterEach, beforeEach, mock, test } from "node:test";
import type { Variable } from "@tensorflow/tfjs";
import { tf } from "../../../src/engine/backend";
import { type DisplayOptions, kernelKey, type MimeBundle } from "../../../src/engine/host";
import { healthBundle, healthMonitor } from "../../../src/log/health/monitor";
import { readJsonl } from "../../../src/step/jsonl";
import type { LogRow, TrainerCallback, TrainerState } from "../../../src/step/callbacks";
import { DPOTrainer } from "../../../src/step/dpoTrainer";
import { tinyModel } from "../../generate/tinyModel";
import { tinyRows, tinyTokenizer } from "../../step/tiny";

const holder = globalThis as { [kernelKey]?: unknown };
const curve = (name: string): LogRow[] => readJsonl(path.join(__dirname, "../../fixtures/health", `${name}.jsonl`));
let sent: { bundle: MimeBundle; options: DisplayOptions }[];

beforeEach(() => {
  sent = [];
  holder[kernelKey] = { display: (bundle: MimeBundle, options: DisplayOptions) => sent.push({ bundle, options }), signal: new AbortController().signal };
});
afterEach(() => {
  mock.timers.reset();
  delete holder[kernelKey];
});

const wordsOf = (at = -1): string => String(sent.at(at)!.bundle["text/plain"]);

function follow(callback: TrainerCallback, rows: LogRow[], logHistory: LogRow[] = []): TrainerState {
  const state: TrainerState = { step: logHistory.at(-1)?.step ?? 0, maxSteps: 100, epoch: 0, numTrainEpochs: 1, logHistory, startedAt: 0, stopped: false };
  void callback.onTrainBegin!(state);
  for (const row of rows) {
    state.step = row.step;
    state.logHistory.push(row);
    void callback.onLog!(state, row);
    mock.timers.tick(300);
  }
  return state;
}

test("the monitor is one output from a run's begin to its end, updated in place, and says each thing once", () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const monitor = healthMonitor();
  const state = follow(monitor, curve("dpo-chosen-falls"));
  assert.equal(String(sent[0]!.bundle["text/plain"]), "Health: 8 rules, nothing to remark up to step 0");
  void monitor.onTrainEnd!(state);
  assert.equal(new Set(sent.map(({ options }) => options.displayId)).size, 1);
  assert.deepEqual(sent.map(({ options }) => options.update), [false, ...sent.slice(1).map(() => true)]);
  assert.match(wordsOf(), /^Health: 1 remark up to step 48\n  Step 11: The chosen reward falls with the rejected one\. .*\[Razin et al\./);
  assert.match(String(sent.at(-1)!.bundle["text/html"]), /<strong>Step 11: The chosen reward falls/);
  assert.equal(sent.findIndex((_, at) => wordsOf(at).includes("Step 11")), 11, "it is said at the row that shows it");
  follow(monitor, []);
  assert.notEqual(sent.at(-1)!.options.displayId, sent[0]!.options.displayId, "a second run has its own");
  assert.match(wordsOf(), /nothing to remark/);
});

test("a run that goes on from a checkpoint is judged with its earlier rows", () => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const rows = curve("dpo-chosen-falls");
  follow(healthMonitor(), rows.slice(6, 12), rows.slice(0, 6));
  assert.match(wordsOf(), /Step 11/);
});

test("in a terminal each remark is printed when it is made, and nothing else", () => {
  delete holder[kernelKey];
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const printed: string[] = [];
  const write = mock.method(process.stdout, "write", (text: string) => printed.push(text) > 0);
  try {
    const monitor = healthMonitor();
    void monitor.onTrainEnd!(follow(monitor, curve("dpo-leak")));
  } finally {
    write.mock.restore();
  }
  assert.equal(printed.length, 1);
  assert.match(printed[0]!, /^Step 5: Accuracy is 1 from the start\./);
});

test("a remark is text, whatever it holds", () => {
  const html = String(healthBundle([{ rule: "r", severity: "alarm", step: 1, title: "<img>", message: "a & b", source: "<s>" }], 1)["text/html"]);
  assert.doesNotMatch(html, /<img|<s>/);
});

test("a run whose loss is no longer a number: the monitor names step and rows of the batch, under the error", async () => {
  const model = await tinyModel({ vocab: 32, scale: 0.2, positions: 64 });
  const norm = model.parameters.get("model.norm.weight") as Variable;
  const trainer = new DPOTrainer({
    model, tokenizer: tinyTokenizer(), trainDataset: tinyRows(16),
    args: { maxSteps: 5, shuffle: false, groupByLength: false, perDeviceTrainBatchSize: 4, loggingSteps: 1, learningRate: 1e-3 },
    callbacks: [healthMonitor(), { onStepEnd: () => tf.tidy(() => norm.assign(tf.fill([32], NaN) as never)) }],
  });
  await assert.rejects(trainer.train(), { name: "TrainingDivergedError", step: 2, rows: [4, 5, 6, 7] });
  assert.match(wordsOf(), /^Health: 1 remark up to step 1\n  Step 2: A number is no longer finite, on the rows 4, 5, 6, 7 of the training set\./);
  trainer.dispose();
  model.dispose();
});
