import assert from "node:assert/strict";
import { test } from "node:test";
import type { Measured } from "../../bench/figures";
import { parseOptions } from "../../bench/generate";
import { STREAMED_BYTES, STREAMS } from "../../bench/generateJob";
import type { TableRow } from "../../bench/table";
import { bandwidthOf, reportGeneration, sideFigures } from "../../bench/generateReport";

const measured = (side: string, setting: string, seconds: number[], decodeSeconds?: number): Measured => ({
  side, setting, peakBytes: 2e9, steps: seconds.map((value, round) => ({ round, seconds: value, cpuSeconds: 2 * value, loss: NaN, ...(decodeSeconds ? { decodeSeconds } : {}) })),
});

test("options of the bench", () => {
  assert.deepEqual(parseOptions([]), { batches: [1, 8, 16, 32], weights: ["float32", "bfloat16", "int8"], peer: true, steps: 5, anyway: false });
  assert.deepEqual(parseOptions(["--batch", "32", "--weights", "int8", "--peer", "none", "--steps", "3", "--anyway"]), { batches: [32], weights: ["int8"], peer: false, steps: 3, anyway: true });
  for (const [args, message] of [[["--batch", "0"], /--batch 0/], [["--steps", "x"], /--steps x/], [["--weights", "int4"], /--weights int4/], [["--peer", "vllm"], /--peer vllm/], [["--rows", "x"], /Unknown option '--rows'/]] as [string[], RegExp][]) {
    assert.throws(() => parseOptions(args), message);
  }
});

test("figures: tokens per second by the median, bytes of weights by the time of a step and the bandwidth", () => {
  const stream = measured("memory", "sum", [0.2, 0.16, 0.3]);
  assert.equal(bandwidthOf(stream), (STREAMS * STREAMED_BYTES) / 0.16);
  const figures = sideFigures(measured("alignlab", "bfloat16", [1, 2, 4], 0.02), 64, 20e9);
  assert.equal(figures.tokens_per_second, 32);
  assert.equal(figures.decode_milliseconds, 20);
  // 134,515,008 weights of two bytes in 20 ms are 13.45 GB/s.
  assert.equal(figures.bandwidth_share, 0.6726);
  assert.equal(sideFigures(measured("transformers", "bfloat16", [1]), 64, 20e9).bandwidth_share, null);
});

test("the report ends with one line of JSON, with ratios to transformers in bfloat16", () => {
  const lines: string[] = [];
  const run = {
    measured: [measured("memory", "sum", [0.16]), measured("alignlab", "int8", [1], 0.015), measured("transformers", "bfloat16", [2]), measured("transformers", "float32", [3])],
    ready: [], others: 0, disturbed: 0,
  };
  reportGeneration({ cells: [{ batch: 8, run }], newTokens: 64, promptTokens: 48, anyway: false, othersBefore: 0 }, (line) => lines.push(line));
  const last = JSON.parse(lines.at(-1)!) as { bench: string; busy: boolean; cells: { batch: number; ratios: object; memory_ratios: object; sides: object[] }[] };
  assert.deepEqual([last.bench, last.busy, last.cells[0]!.batch, last.cells[0]!.sides.length], ["generate", false, 8, 3]);
  assert.deepEqual(last.cells[0]!.ratios, { int8: 2 });
  assert.deepEqual(last.cells[0]!.memory_ratios, { int8: 1 });
  assert.match(lines[1]!, /^8 +alignlab +int8 +512\.0 .* 15\.0 .* 2\.00 +2\.00 +1\.00$/);
  const { table } = JSON.parse(lines.at(-1)!) as { table: TableRow[] };
  assert.equal(table.length, 1);
  assert.deepEqual([table[0]!.work, table[0]!.ours.setting, table[0]!.peer!.setting, table[0]!.ratio], ["64 tokens, batch 8", "int8 weights", "bfloat16 weights", 2]);
});
