import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, test } from "node:test";
import { type DisplayOptions, kernelKey, type MimeBundle } from "../../src/engine/host";
import { historyFrame, logColumns } from "../../src/log/frame";
import { duration } from "../../src/log/html";
import { jsonlCallback, readJsonl, writeJsonl } from "../../src/step/jsonl";
import { progressBar, progressCallback } from "../../src/log/progress";
import type { LogRow, TrainerState } from "../../src/step/callbacks";

const rows: LogRow[] = [
  { step: 1, epoch: 0.1, loss: 0.6931, learning_rate: 5e-5, "rewards/margins": 0 },
  { step: 2, epoch: 0.2, loss: NaN, learning_rate: 4e-5, "rewards/margins": -Infinity },
  { step: 2, epoch: 0.2, eval_loss: 0.5, "eval_rewards/accuracies": 1 },
];
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "alignlab-log-"));
const holder = globalThis as { [kernelKey]?: unknown };
afterEach(() => {
  delete holder[kernelKey];
});
process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));

const state = (step: number, more: Partial<TrainerState> = {}): TrainerState => ({
  step, maxSteps: 10, epoch: 0, numTrainEpochs: 1, logHistory: [], startedAt: Date.now(), stopped: false, ...more,
});

test("a log becomes a frame: a column for each key, NaN where a row has none, one order", () => {
  const frame = historyFrame(rows);
  assert.deepEqual(frame.columns, ["step", "epoch", "loss", "learning_rate", "rewards/margins", "eval_loss", "eval_rewards/accuracies"]);
  assert.deepEqual(frame.shape, [3, 7]);
  assert.deepEqual(frame.column("loss").values, [0.6931, NaN, NaN]);
  assert.deepEqual(frame.column("eval_loss").values, [NaN, NaN, 0.5]);
  assert.deepEqual(logColumns([...rows].reverse()), frame.columns, "the order does not hang on the rows' order");
  assert.equal(frame.query(frame.column("eval_loss").gt(0)).shape[0], 1);
  assert.deepEqual(historyFrame([]).columns, ["step", "epoch"]);
});

test("danfojs leaves the engine's backend alone and computes on it", async () => {
  const { tf } = await import("../../src/engine/backend");
  assert.equal(tf.getBackend(), "tensorflow");
  const danfojs = await import("danfojs-node");
  const tensor = historyFrame(rows.slice(0, 1)).tensor;
  assert.equal(tf.getBackend(), "tensorflow");
  assert.equal(danfojs.tensorflow.engine() as unknown, tf.engine());
  assert.deepEqual(tensor.shape, [1, 5]);
  assert.ok(Math.abs(tensor.sum().dataSync()[0]! - (1 + 0.1 + 0.6931 + 5e-5)) < 1e-5);
});

test("a log on disk reads back exactly, here and in Python", () => {
  const file = path.join(folder, "deep/er/log.jsonl");
  writeJsonl(file, rows);
  assert.deepEqual(readJsonl(file), rows);
  const script = "import json, sys\nprint(json.dumps([str(float(json.loads(line).get('loss', 'nan'))) for line in open(sys.argv[1], encoding='utf-8')]))";
  assert.deepEqual(JSON.parse(execFileSync("python3", ["-c", script, file], { encoding: "utf8" })), ["0.6931", "nan", "nan"]);
});

test("a torn last line is passed over, a wrong line is named", () => {
  const file = path.join(folder, "torn.jsonl");
  fs.writeFileSync(file, '{"step":1,"epoch":0}\n{"step":2,"ep');
  assert.deepEqual(readJsonl(file), [{ step: 1, epoch: 0 }]);
  fs.writeFileSync(file, '{"step":1,"epoch":0}\nno json\n{"step":3,"epoch":0}\n');
  assert.throws(() => readJsonl(file), /torn\.jsonl, line 2: /);
  fs.writeFileSync(file, '{"step":1,"loss":"low"}\n');
  assert.throws(() => readJsonl(file), /line 1: "loss" is "low"/);
  fs.writeFileSync(file, '{"loss":1}\n');
  assert.throws(() => readJsonl(file), /line 1: there is no "step"/);
});

test("the log grows with the run; a new run begins it anew, a resumed one with what was logged before", () => {
  const dir = path.join(folder, "run");
  const file = path.join(dir, "log.jsonl");
  const callback = jsonlCallback(dir);
  void callback.onEvaluate!(state(0), rows[2]!);
  assert.ok(!fs.existsSync(file), "what is measured before the run comes with its beginning");
  void callback.onTrainBegin!(state(0));
  for (const row of rows.slice(0, 2)) void callback.onLog!(state(row.step), row);
  void callback.onEvaluate!(state(2), rows[2]!);
  assert.deepEqual(readJsonl(file), rows);
  void jsonlCallback(dir).onTrainBegin!(state(1, { logHistory: rows.slice(0, 1) }));
  assert.deepEqual(readJsonl(file), rows.slice(0, 1));
  void jsonlCallback(dir).onTrainBegin!(state(0));
  assert.deepEqual(readJsonl(file), []);
});

test("progress is one output with steps, percent, loss and, at the end, what it took", () => {
  const sent: { bundle: MimeBundle; options: DisplayOptions }[] = [];
  holder[kernelKey] = { display: (bundle: MimeBundle, options: DisplayOptions) => sent.push({ bundle, options }), signal: new AbortController().signal };
  const callback = progressCallback("training <1>");
  void callback.onTrainBegin!(state(0));
  for (let step = 1; step <= 7; step++) {
    void callback.onStepEnd!(state(step));
    void callback.onLog!(state(step), { step, epoch: 0, loss: 1 / step });
  }
  assert.equal(sent.length, 1, "a burst is shown once at first");
  void callback.onTrainEnd!(state(7, { stopped: true }));
  assert.equal(sent.length, 2);
  assert.equal(new Set(sent.map(({ options }) => options.displayId)).size, 1);
  assert.deepEqual(sent.map(({ options }) => options.update), [false, true]);
  assert.match(String(sent[1]!.bundle["text/plain"]), /^training <1> {2}7\/10 {2}70 % {2}in 0 s {2}stopped at step 7$/);
  const html = String(sent[1]!.bundle["text/html"]);
  assert.match(html, /aria-valuenow="7" aria-valuemin="0" aria-valuemax="10"/);
  assert.match(html, /width: 70\.0%/);
  assert.match(html, /training &#60;1&#62;/);
});

test("progress of nothing, and a total that is none", () => {
  assert.throws(() => progressBar({ total: NaN }), /total is NaN/);
  const sent: MimeBundle[] = [];
  holder[kernelKey] = { display: (bundle: MimeBundle) => sent.push(bundle), signal: new AbortController().signal };
  progressBar({ total: 0 }).end();
  assert.match(String(sent[0]!["text/plain"]), /0\/0 {2}100 %/);
});

test("durations read as people say them", () => {
  assert.deepEqual([0, 59_400, 65_000, 4_800_000].map(duration), ["0 s", "59 s", "1 min 05 s", "1 h 20 min"]);
});
