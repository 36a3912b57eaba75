import assert from "node:assert/strict";
import { test } from "node:test";
import { BenchFailure } from "../../bench/failure";
import { readOptions, summarise } from "../../bench/memory";
import { rowsOfLength } from "../../bench/memoryRows";
import { tokenizeRows } from "../../src/tokens/preference";
import { tinyRows, tinyTokenizer } from "../step/tiny";

test("options: defaults, and what cannot be is refused by name", () => {
  assert.deepEqual(readOptions([]), { batch: 4, tokens: 512, rounds: 2, plan: false, precisions: ["float32", "bfloat16"], peers: ["torch", "trl"] });
  assert.deepEqual(readOptions(["--batch", "2", "--tokens", "128", "--precision", "bfloat16", "--peer", "none", "--rounds", "5", "--plan"]), { batch: 2, tokens: 128, rounds: 5, plan: true, precisions: ["bfloat16"], peers: [] });
  const refused = (args: string[], message: RegExp): void => assert.throws(() => readOptions(args), (error: unknown) => error instanceof BenchFailure && error.exitCode === 2 && message.test(error.message));
  refused(["--batch", "0"], /--batch 0: a whole number from 1 to 64/);
  refused(["--tokens", "many"], /--tokens many: a whole number from 64 to 8192/);
  refused(["--peer", "jax"], /--peer jax: torch, trl or none/);
  refused(["--speed"], /--speed.*bench -- memory --help/s);
});

test("rows: prompt and answer take exactly the tokens asked for, whatever the prompt's length", () => {
  const tokenizer = tinyTokenizer();
  const rows = rowsOfLength(tinyRows(5), tokenizer, 7, 64);
  assert.equal(rows.length, 7);
  const tokenized = tokenizeRows(rows, tokenizer, { maxPromptLength: null });
  for (const row of tokenized) for (const side of ["chosen_input_ids", "rejected_input_ids"] as const) assert.equal(row.prompt_input_ids.length + row[side].length, 64);
  assert.ok(new Set(tokenized.map((row) => row.prompt_input_ids.length)).size > 1);
  assert.notDeepEqual(tokenized[0]!.chosen_input_ids, tokenized[0]!.rejected_input_ids);
  assert.throws(() => rowsOfLength(tinyRows(1), tokenizer, 1, 5), (error: unknown) => error instanceof BenchFailure && /--tokens 5: prompt and answer take \d+/.test(error.message));
});

test("several processes of a side: the median of their peaks, and how far they lie apart", () => {
  const peaks = [3e9, 1e9, 2e9].map((peakBytes) => ({ side: "torch", setting: "float32", peakBytes }));
  // Quartiles of 1, 2, 3 are 1.5 and 2.5: (2.5 − 1.5) ÷ 2 ÷ 2.
  assert.deepEqual(summarise(peaks), { side: "torch", setting: "float32", peakBytes: 2e9, spread: 0.25 });
});
