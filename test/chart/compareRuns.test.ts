import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { compareRuns } from "../../src/chart/compareRuns";
import { displayMethod } from "../../src/engine/host";
import type { LogRow } from "../../src/step/callbacks";
import { caseTrainer } from "../step/runCases";

const folder = mkdtempSync(path.join(tmpdir(), "alignlab-compare-"));
after(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => path.join(folder, name);
const logs: LogRow[][] = [];
before(async () => {
  for (const [name, args] of [["slow", { learningRate: 1e-3 }], ["fast", { learningRate: 2e-2, seed: 7 }]] as const) {
    const { trainer, dispose } = await caseTrainer("reward", { outputDir: at(name), args: { maxSteps: 4, loggingSteps: 1, saveSteps: 0, evalSteps: 4, warmupSteps: 0, ...args } });
    await trainer.train();
    logs.push(trainer.state.logHistory);
    dispose();
  }
});

test("curves lie over one another, settings that differ and last values stand in tables", () => {
  const { curves, settings, final, finalFrame, [displayMethod]: bundle } = compareRuns([at("slow"), at("fast")], { smooth: 1 });
  assert.deepEqual(curves.map(({ layout }) => (layout.title as { text: string }).text), ["loss", "accuracy", "reward margin"]);
  const lines = curves[0]!.data as { name: string; x: number[]; y: number[] }[];
  assert.deepEqual(lines.map(({ name, x }) => [name, x]), [["slow", [1, 2, 3, 4]], ["fast", [1, 2, 3, 4]]]);
  lines.forEach(({ y }, run) => y.forEach((loss, i) => assert.ok(Math.abs(loss - logs[run]![i]!.loss!) < 1e-5)));

  assert.deepEqual(settings.text.split("\n").slice(2).map((line) => line.split(/ {2,}/)), [["seed", "42", "7"], ["learning_rate", "0.001", "0.02"]]);
  const evaluated = logs.map((rows) => rows.at(-1)!.eval_loss!);
  assert.deepEqual(finalFrame.index, ["slow", "fast"]);
  assert.deepEqual([finalFrame.column("step").values, finalFrame.column("eval_loss").values], [[4, 4], evaluated]);
  assert.match(final.text, /eval_loss/);
  assert.match(String(bundle()["text/html"]), /Settings that differ[\s\S]*learning_rate[\s\S]*Last values/);
});

test("runs of one setting differ in nothing; a run that is still going counts as far as it came", () => {
  appendFileSync(path.join(at("fast"), "log.jsonl"), '{"step":5,"epoch":1.2,"lo');
  const { settings, finalFrame } = compareRuns([at("fast"), `${at("fast")}/`], { keys: ["eval_loss"] });
  assert.match(settings.text, /^No setting differs/);
  assert.deepEqual(finalFrame.column("step").values, [4, 4]);
});

test("folders and keys that cannot be compared are named", () => {
  mkdirSync(at("empty"));
  assert.throws(() => compareRuns([]), /there are no folders/);
  assert.throws(() => compareRuns([at("slow"), at("empty")]), /empty holds no run: training_args\.json is missing/);
  assert.throws(() => compareRuns([at("slow")], { keys: ["reward"] }), /no run has logged "reward"; the keys are step, epoch, loss/);
});
