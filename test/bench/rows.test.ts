import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { BenchFailure } from "../../bench/failure";
import { readRows, wholeBatches } from "../../bench/rows";

const folder = mkdtempSync(path.join(tmpdir(), "alignlab-bench-rows-"));
after(() => rmSync(folder, { recursive: true }));

const pair = (i: number): object => ({ prompt: `Question ${i}?`, chosen: `Warm answer ${i}.`, rejected: `Cold answer ${i}.` });

function file(name: string, content: unknown): string {
  const at = path.join(folder, name);
  writeFileSync(at, typeof content === "string" ? content : JSON.stringify(content));
  return at;
}

test("a row file is read in its order, other fields dropped", async () => {
  const rows = await readRows(file("good.json", [{ ...pair(2), id: 7 }, pair(1)]));
  assert.deepEqual(rows, [pair(2), pair(1)]);
});

test("without a file the packaged rows are taken: 64 of them", async () => {
  const rows = await readRows(undefined);
  assert.equal(rows.length, 64);
  for (const { prompt, chosen, rejected } of rows) assert.ok(prompt && chosen && rejected);
});

for (const [name, content, message] of [
  ["half.json", '[{"prompt": "a"', /half\.json: not JSON/],
  ["object.json", { rows: [pair(1)] }, /object\.json: it holds no array; the form is/],
  ["empty.json", [], /empty\.json: it holds no rows/],
  ["number.json", [pair(0), 5], /number\.json: Row 1 is 5/],
  ["missing.json", [pair(0), pair(1), { prompt: "a", chosen: "b" }], /missing\.json: Row 2 has no rejected/],
  ["chat.json", [{ prompt: [{ role: "user", content: "a" }], chosen: "b", rejected: "c" }], /chat\.json: Row 0: prompt is object/],
  ["blank.json", [{ ...pair(0), chosen: "  " }], /blank\.json: Row 0: chosen is empty/],
] as const) {
  test(`refused with exit code 2: ${name}`, async () => {
    await assert.rejects(readRows(file(name, content)), (error: unknown) => error instanceof BenchFailure && error.exitCode === 2 && message.test(error.message));
  });
}

test("a file that is not there is said to be missing", async () => {
  await assert.rejects(readRows(path.join(folder, "nothing.json")), (error: unknown) => error instanceof BenchFailure && /nothing\.json: there is no such file/.test(error.message));
});

test("batches are whole and in order; a rest is left out", () => {
  assert.deepEqual(wholeBatches([1, 2, 3, 4, 5, 6, 7], 3, 20), [[1, 2, 3], [4, 5, 6]]);
  assert.deepEqual(wholeBatches([1, 2, 3, 4, 5, 6, 7], 2, 2), [[1, 2], [3, 4]]);
});

test("too few rows for one batch are refused", () => {
  assert.throws(() => wholeBatches([1, 2, 3], 4, 20), /3 rows do not fill one batch of 4/);
});
