import assert from "node:assert/strict";
import { test } from "node:test";
import type { Measured } from "../../bench/figures";
import { parseRolloutOptions } from "../../bench/rollout";
import { reportRollouts } from "../../bench/rolloutReport";
import type { TableRow } from "../../bench/table";

const measured = (side: string, setting: string, seconds: number[]): Measured => ({ side, setting, peakBytes: side === "alignlab" ? 1e9 : 2e9, steps: seconds.map((value, round) => ({ round, seconds: value, cpuSeconds: 2 * value, loss: NaN })) });

test("options of the bench", () => {
  assert.deepEqual(parseRolloutOptions([]), { batch: 16, peer: true, steps: 5, anyway: false });
  assert.deepEqual(parseRolloutOptions(["--batch", "2", "--peer", "none", "--steps", "1", "--anyway"]), { batch: 2, peer: false, steps: 1, anyway: true });
  for (const [args, message] of [[["--batch", "0"], /--batch 0/], [["--steps", "x"], /--steps x/], [["--peer", "vllm"], /--peer vllm/], [["--weights", "x"], /Unknown option '--weights'/]] as [string[], RegExp][]) assert.throws(() => parseRolloutOptions(args), message);
});

test("the report sets our best setting against the peer's best", () => {
  const lines: string[] = [];
  const run = { measured: [measured("alignlab", "bfloat16", [2, 1, 1.2]), measured("alignlab", "float32", [2, 2, 2]), measured("transformers", "bfloat16", [5, 5, 6]), measured("transformers", "float32", [3, 3, 9])], ready: [], others: 0, disturbed: 0 };
  reportRollouts({ run, batch: 16, newTokens: 50, promptTokens: 48, busy: false }, (line) => lines.push(line));
  const last = JSON.parse(lines.at(-1)!) as { bench: string; ratio: number; memory_ratio: number; table: TableRow[]; sides: { tokens_per_second: number }[] };
  assert.deepEqual([last.bench, last.ratio, last.memory_ratio, last.table[0]!.peer!.setting], ["rollout", 2.5, 0.5, "float32"]);
  assert.equal(last.sides[0]!.tokens_per_second, 666.7);
  assert.match(lines[1]!, /^alignlab +bfloat16 +666\.7/);
});
