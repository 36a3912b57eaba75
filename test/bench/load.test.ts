import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { BenchFailure } from "../../bench/failure";
import type { Sample } from "../../bench/fresh";
import { parseKernelOptions } from "../../bench/kernel";
import { reportKernel } from "../../bench/kernelReport";
import { parseLoadOptions } from "../../bench/load";
import { stagesOf } from "../../bench/loadJob";
import { reportLoad, requireSameLogits, type LoadCell } from "../../bench/loadReport";
import { forgetFiles } from "../../bench/pageCache";

const refused = (run: () => unknown, message: RegExp): void => assert.throws(run, (error: unknown) => error instanceof BenchFailure && error.exitCode === 2 && message.test(error.message));

test("options: defaults, and what cannot be is refused by name", () => {
  assert.deepEqual(parseLoadOptions([]), { precisions: ["float32", "bfloat16"], starts: ["cached", "first"], peer: "transformers", rounds: 5, anyway: false });
  assert.deepEqual(parseLoadOptions(["--precision", "bfloat16", "--start", "first", "--peer", "none", "--rounds", "2", "--anyway"]), { precisions: ["bfloat16"], starts: ["first"], peer: "none", rounds: 2, anyway: true });
  refused(() => parseLoadOptions(["--start", "warm"]), /--start warm: cached or first is needed/);
  refused(() => parseLoadOptions(["--rounds", "0"]), /--rounds 0: a whole number from 1 to 100/);
  refused(() => parseLoadOptions(["--batch", "1"]), /--batch.*bench -- load --help/s);
  assert.deepEqual(parseKernelOptions([]), { peer: "ipykernel", rounds: 5, anyway: false });
  refused(() => parseKernelOptions(["--peer", "xeus"]), /--peer xeus: ipykernel or none/);
});

test("stages are the times between the marks", () => {
  assert.deepEqual(stagesOf({ script: 101, engine: 103, library: 106, weights: 110, forward: 115, again: 116 }, 100), { start: 1, engine: 2, library: 3, weights: 4, "first forward": 5 });
});

const STAGED = { start: 0.1, engine: 0.2, library: 0.3, weights: 0.2, "first forward": 0.2 };
const sample = (seconds: number, more: Partial<Sample> = {}): Sample => ({ seconds, parts: STAGED, further: { "second forward": 0.05 }, peakBytes: 1e9, versions: { torch: "2" }, check: { token: 5, logit: 20 }, ...more });

const cell = (ours: Sample[], peer: Sample[]): LoadCell => ({
  precision: "float32", start: "cached", others: 0.01, disturbed: 1,
  sides: [{ name: "alignlab", setting: "float32", samples: ours }, { name: "transformers", setting: "float32", samples: peer }],
});

test("the report has medians, spread, stages, the highest peak and ratios", () => {
  const lines: string[] = [];
  reportLoad({ cells: [cell([sample(1), sample(4), sample(2, { peakBytes: 3e9 })], [sample(6), sample(5), sample(8, { peakBytes: 4e9 })])] }, (line) => lines.push(line));
  assert.match(lines[1]!, /^cached +alignlab +float32 +2\.00 +37\.5 +0\.10 +0\.20 +0\.30 +0\.20 +0\.20 +0\.05 +3\.00 +3\.00 +0\.75$/);
  assert.match(lines[3]!, /not busy \(1 disturbed rounds were measured again\)/);
  const json = JSON.parse(lines.at(-1)!);
  assert.deepEqual([json.cells[0].ratio, json.cells[0].memory_ratio, json.cells[0].rounds, json.cells[0].ours.stages.weights], [3, 0.75, 3, 0.2]);
  assert.deepEqual([json.table[0].work, json.table[0].ours.spread, json.table[0].peer.median_seconds], ["cached start to the first logits, float32", 0.375, 6]);
});

test("sides that compute something else are not compared", () => {
  const other = (check: Record<string, number>) => cell([sample(1)], [sample(1, { check })]);
  requireSameLogits(other({ token: 5, logit: 20.001 }));
  requireSameLogits({ ...other({ token: 6, logit: 20.5 }), precision: "bfloat16" });
  for (const check of [{ token: 6, logit: 20 }, { token: 5, logit: 21 }, { token: 5, logit: NaN }]) assert.throws(() => requireSameLogits(other(check)), /do not compute the same in float32/);
});

test("kernel: the first cell's time is that to its own answer, the import's that to the end", () => {
  const of = (ready: number, first: number, imported: number): Sample => sample(ready + first + imported, { parts: { "kernel ready": ready, "1 + 1": first, import: imported }, further: { completion: first / 10, inspection: first / 20 } });
  const lines: string[] = [];
  reportKernel({ sides: [{ name: "alignlab", setting: "src", samples: [of(1, 1, 2)] }, { name: "ipykernel", setting: "torch", samples: [of(0.5, 0.5, 7)] }], others: 0.3, disturbed: 0 }, (line) => lines.push(line));
  const json = JSON.parse(lines.at(-1)!);
  assert.deepEqual([json.ratio_first_cell, json.ratio_import, json.ratio_completion, json.ratio_inspection, json.busy], [0.5, 2, 0.5, 0.5, true]);
  assert.deepEqual(json.table.map((row: { ours: { median_seconds: number } }) => row.ours.median_seconds), [2, 4, 0.1, 0.05]);
  assert.ok(lines.some((line) => /no more than a hint/.test(line)));
});

test("a file that was forgotten reads as before, and one that is not there is an error", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-load-"));
  try {
    const file = path.join(folder, "weights");
    writeFileSync(file, "the same");
    forgetFiles([file]);
    assert.equal(readFileSync(file, "utf8"), "the same");
    assert.throws(() => forgetFiles([path.join(folder, "none")]), /ENOENT/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
