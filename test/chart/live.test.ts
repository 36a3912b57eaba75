import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { type DisplayOptions, kernelKey, type MimeBundle } from "../../src/engine/host";
import { lineChart } from "../../src/chart/line";
import { liveChart, liveTrainingChart } from "../../src/chart/live";
import type { LogRow, TrainerState } from "../../src/step/callbacks";
import { dpoLog } from "./gallery";

const holder = globalThis as { [kernelKey]?: unknown };
let sent: { bundle: MimeBundle; options: DisplayOptions }[];

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  sent = [];
  holder[kernelKey] = { display: (bundle: MimeBundle, options: DisplayOptions) => sent.push({ bundle, options }), signal: new AbortController().signal };
});
afterEach(() => {
  mock.timers.reset();
  delete holder[kernelKey];
});

const chartOf = (y: number[]) => lineChart({ title: "T", x: { label: "x" }, y: { label: "y" }, series: [{ name: "s", x: y.map((_, i) => i), y }] });

test("a live chart is one output: drawings at its pace, then once the whole bundle", () => {
  const y = [1];
  const chart = liveChart(() => chartOf(y), { every: 50 });
  for (let index = 0; index < 500; index++) {
    y.push(index % 7);
    chart.update();
  }
  assert.equal(sent.length, 1, "500 updates in one go are drawn once at first");
  mock.timers.tick(120);
  mock.timers.tick(1000);
  assert.equal(sent.length, 2, "and once more when the pause is over, with the last state");
  assert.match(String(sent[1]!.bundle["text/plain"]), /501 points/);
  chart.update();
  chart.end();
  chart.end();
  chart.update();
  mock.timers.tick(120);
  const ids = new Set(sent.map(({ options }) => options.displayId));
  assert.equal(ids.size, 1);
  assert.deepEqual(sent.map(({ options }) => options.update), [false, ...sent.slice(1).map(() => true)]);
  const whole = sent.filter(({ bundle }) => "application/vnd.plotly.v1+json" in bundle);
  assert.equal(whole.length, 1);
  assert.equal(whole[0], sent.at(-1), "nothing follows the plotly chart, which could not show it");
});

test("nothing is sent while nothing changed", () => {
  const chart = liveChart(() => chartOf([1, 2]), { every: 1 });
  for (let index = 0; index < 10; index++) {
    chart.update();
    mock.timers.tick(3);
  }
  assert.equal(sent.length, 1);
});

test("an error in a delayed drawing does not end the process; the next update throws it", () => {
  let broken = false;
  const chart = liveChart(() => {
    if (broken) throw new Error("no such key");
    return chartOf([1]);
  }, { every: 20 });
  chart.update();
  broken = true;
  chart.update();
  mock.timers.tick(60);
  assert.throws(() => chart.update(), /no such key/);
});

test("a training run's chart shows at once, grows, and ends whole, also when the run is stopped", () => {
  const callback = liveTrainingChart({ keys: ["loss"], every: 0 });
  const state: TrainerState = { step: 0, maxSteps: 50, epoch: 0, numTrainEpochs: 1, logHistory: [], startedAt: 0, stopped: false };
  void callback.onTrainBegin!(state);
  assert.match(String(sent[0]!.bundle["text/plain"]), /no data yet/);
  for (const row of dpoLog(20)) {
    state.logHistory.push(row as LogRow);
    void callback.onLog!(state, row as LogRow);
  }
  state.stopped = true;
  void callback.onTrainEnd!(state);
  const last = sent.at(-1)!.bundle;
  assert.ok("application/vnd.plotly.v1+json" in last);
  assert.match(String(last["text/plain"]), /training: 20 points/);
  void callback.onTrainBegin!({ ...state, logHistory: [] });
  assert.notEqual(sent.at(-1)!.options.displayId, sent[0]!.options.displayId, "a second run has its own chart");
});
