import assert from "node:assert/strict";
import { test } from "node:test";
import { compare, figuresOf, median, quantile, type Measured } from "../../bench/figures";
import { report, type Cell } from "../../bench/report";
import type { TableRow } from "../../bench/table";

const side = (name: string, setting: string, seconds: number[], peakBytes: number): Measured => ({
  side: name, setting, peakBytes, steps: seconds.map((each, round) => ({ round, seconds: each, cpuSeconds: 2 * each, loss: 0.5 })),
});

test("quantiles lie between neighbours linearly", () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(quantile([0, 10], 0.25), 2.5);
  assert.throws(() => median([]), RangeError);
});

test("figures are medians over the timed steps", () => {
  const figures = figuresOf(side("alignlab", "float32", [1, 2, 4], 3e9), 8, [800, 1000, 1200]);
  assert.equal(figures.pairsPerSecond, 4);
  assert.equal(figures.medianSeconds, 2);
  assert.equal(figures.tokensPerSecond, 500);
  assert.equal(figures.cpuSecondsPerStep, 4);
  assert.equal(figures.spread, (3 - 1.5) / 2 / 2);
  assert.equal(figures.loss, 0.5);
});

test("a step's tokens are those of its own batch, also where rounds were left out", () => {
  const measured = side("alignlab", "float32", [1, 1, 1], 3e9);
  measured.steps = [1, 3, 5].map((round) => ({ ...measured.steps[0]!, round }));
  assert.equal(figuresOf(measured, 8, [100, 700]).tokensPerSecond, 700);
});

test("the ratio is against the peer's fastest setting, and the memory ratio against that setting", () => {
  const of = (measured: Measured) => figuresOf(measured, 4, [100, 100]);
  const ours = of(side("alignlab", "bfloat16", [1, 1], 3e9));
  const slowButSmall = of(side("trl", "bfloat16 weights", [4, 4], 2e9));
  const fast = of(side("trl", "bfloat16 autocast", [3, 3], 4e9));
  const oursBesideSlow = of(side("alignlab", "bfloat16", [2, 2], 9e9));
  const { ratio, memoryRatio, best } = compare([{ ours: oursBesideSlow, peer: slowButSmall }, { ours, peer: fast }])!;
  assert.equal(best.setting, "bfloat16 autocast");
  assert.equal(ratio, 3);
  assert.equal(memoryRatio, 0.75);
  assert.equal(compare([{ ours, peer: null }]), null);
});

function cell(batch: number, precision: "float32" | "bfloat16", ours: number, peers: Record<string, number>): Cell {
  const mine = (): Measured => side("alignlab", precision, [ours, ours], 2e9);
  const pairs = Object.entries(peers).map(([setting, seconds]) => [mine(), side("trl", setting, [seconds, seconds], 4e9)]);
  const runs = (pairs.length > 0 ? pairs : [[mine()]]).map((measured) => ({ measured, ready: measured.map(() => ({ threads: 2, versions: {} })), others: 0.01, disturbed: 1 }));
  return { batch, precision, timed: 2, tokens: [100, 100], runs };
}

function printed(cells: Cell[], peer: "trl" | "none" = "trl"): string[] {
  const lines: string[] = [];
  report({ bench: "dpo", peer, rows: 64, cells }, (line) => lines.push(line));
  return lines;
}

test("the report ends with one JSON line with every cell, whose own ratio is the last cell's", () => {
  const lines = printed([cell(4, "float32", 1, { float32: 2 }), cell(8, "bfloat16", 1, { "bfloat16 autocast": 3, "bfloat16 weights": 2.5 })]);
  const json = JSON.parse(lines.at(-1)!);
  assert.equal(json.ratio, 2.5);
  assert.equal(json.memory_ratio, 0.5);
  assert.equal(json.peer_setting, "bfloat16 weights");
  assert.deepEqual(json.cells.map((each: { ratio: number; batch: number }) => [each.batch, each.ratio]), [[4, 2], [8, 2.5]]);
  assert.equal(json.cells[1].peers.length, 2);
  assert.equal(json.cells[1].ours.pairs_per_second, 8);
  assert.deepEqual(json.table.map((row: TableRow) => [row.work, row.peer!.setting, row.ratio, row.memory_ratio]), [
    ["batch 4, float32", "float32", 2, 0.5], ["batch 8, bfloat16", "bfloat16 autocast", 3, 0.5], ["batch 8, bfloat16", "bfloat16 weights", 2.5, 0.5],
  ]);
});

test("without a peer there is no ratio", () => {
  const json = JSON.parse(printed([cell(4, "float32", 1, {})], "none").at(-1)!);
  assert.equal(json.ratio, null);
  assert.equal(json.memory_ratio, null);
});

test("the table has a row for each side", () => {
  const lines = printed([cell(8, "bfloat16", 1, { "bfloat16 autocast": 3, "bfloat16 weights": 2.5 })]);
  assert.match(lines[1]!, /^ *8 +alignlab +bfloat16 +8\.00 .* 3\.00 +0\.50$/);
  assert.match(lines[2]!, /trl +bfloat16 autocast +2\.67/);
  assert.match(lines[3]!, /^ *8 +alignlab +bfloat16 +8\.00 .* 2\.50 +0\.50$/);
  assert.match(lines[4]!, /trl +bfloat16 weights +3\.20/);
  assert.match(lines[5]!, /not busy \(2 disturbed rounds were measured again\)/);
});

test("what a batch is made of has its name in the table and in the JSON line", () => {
  const lines: string[] = [];
  report({ bench: "sft-lora", peer: "trl", rows: 64, unit: "rows", cells: [cell(8, "float32", 1, { float32: 2 })] }, (line) => lines.push(line));
  const json = JSON.parse(lines.at(-1)!);
  assert.match(lines[0]!, /setting +rows\/s +tokens\/s/);
  assert.deepEqual([json.bench, json.cells[0].ours.rows_per_second, json.cells[0].peers[0].rows_per_second, json.cells[0].ours.pairs_per_second], ["sft-lora", 8, 4, undefined]);
});
