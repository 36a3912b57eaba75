import assert from "node:assert/strict";
import { mkdirSync, readFileSync, truncateSync, writeFileSync, copyFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import * as zlib from "node:zlib";
import { loadPreferenceRows, validatePreferenceRows } from "../../src/data/preference";
import { loadRows } from "../../src/data/rows";
import { shuffleRows, splitRows } from "../../src/data/split";
import { serveHub } from "../hub/hubServer";
import { inTemporaryFolder } from "../hub/python";

const parquet = (compression: string): string => path.join(__dirname, "../fixtures/parquet", `${compression}.parquet`);

/** The rows that pyarrow 26 wrote into the fixtures, in row groups of eight. */
const written = Array.from({ length: 30 }, (_, i) => ({
  prompt: `Frage ${i} 😀`,
  chosen: [{ content: `q${i}`, role: "user" }, { content: "ä".repeat(i), role: "assistant" }],
  rating: i % 3 ? i * 0.5 : null,
  votes: 2 ** 40 + i,
  big: 2n ** 60n + BigInt(i),
  ok: i % 2 === 0,
}));

test("parquet rows are what pyarrow wrote: nested, missing, and 64-bit values, over several row groups", async () => {
  assert.deepEqual(await loadRows(parquet("snappy")), written);
  assert.deepEqual(await loadRows(parquet("snappy"), { limit: 11, columns: ["votes", "prompt"] }), written.slice(0, 11).map(({ votes, prompt }) => ({ votes, prompt })));
});

for (const compression of ["none", "gzip", "brotli", "zstd"]) {
  test(`parquet compressed with ${compression}`, async () => {
    if (compression === "zstd" && !("zstdDecompressSync" in zlib)) await assert.rejects(loadRows(parquet("zstd")), /compressed with Zstandard, which Node .* cannot read; Node 22.15/);
    else assert.deepEqual(await loadRows(parquet(compression)), written.slice(0, 7));
  });
}

test("a parquet file that is damaged, or lacks a column, is refused", () =>
  inTemporaryFolder(async (dir) => {
    const file = path.join(dir, "cut.parquet");
    copyFileSync(parquet("none"), file);
    truncateSync(file, 2000);
    await assert.rejects(loadRows(file), /cut.parquet is no parquet file, or is cut short/);
    await assert.rejects(loadRows(parquet("none"), { columns: ["rejected"] }), /has no column rejected; its columns are prompt, chosen, rating, votes, big, ok/);
  }));

test("JSON arrays and JSON lines are read, also lines under the name .json", () =>
  inTemporaryFolder(async (dir) => {
    const rows = [{ a: 1, b: "x\u2028y" }, { a: 2, b: "ü" }, { a: 3, b: "" }];
    const lines = rows.map((row) => JSON.stringify(row)).join("\r\n\n");
    const files = { "array.json": JSON.stringify(rows, null, 2), "lines.jsonl": lines, "lines.json": `${lines}\n` };
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(dir, name);
      writeFileSync(file, text);
      assert.deepEqual(await loadRows(file), rows, name);
      assert.deepEqual(await loadRows(file, { limit: 2, columns: ["b"] }), rows.slice(0, 2).map(({ b }) => ({ b })), name);
      await assert.rejects(loadRows(file, { columns: ["c"] }), /(row 0|line 1), has no c; its columns are a, b/);
    }
  }));

test("files that hold no rows are refused with what is wrong", () =>
  inTemporaryFolder(async (dir) => {
    const refused = async (name: string, text: string, message: RegExp) => {
      writeFileSync(path.join(dir, name), text);
      await assert.rejects(loadRows(path.join(dir, name)), message);
    };
    await refused("a.json", "[1, 2", /a.json is no JSON/);
    await refused("a.json", '"text"', /holds no array of rows/);
    await refused("a.json", "[]", /holds no rows/);
    await refused("a.json", '[{"a": 1}, 7]', /row 1, is no object/);
    await refused("a.jsonl", '{"a": 1}\n{"a": ', /line 2, is no JSON/);
    await refused("a.jsonl", '{"a": 1}\n[2]', /line 2, is no object/);
    await refused("a.csv", "a,b", /a.csv is not read: .parquet, .jsonl, .json files are/);
    await assert.rejects(loadRows("nothing-here"), /"nothing-here" is no data set/);
    await assert.rejects(loadRows(dir, { limit: 0 }), /limit is 0/);
  }));

test("a folder's split is found as the hub names splits", () =>
  inTemporaryFolder(async (dir) => {
    const put = (name: string, value: number) => {
      mkdirSync(path.dirname(path.join(dir, name)), { recursive: true });
      writeFileSync(path.join(dir, name), JSON.stringify({ value }));
    };
    put("data/train-00000-of-00002.jsonl", 1);
    put("data/train-00001-of-00002.jsonl", 2);
    put("data/average_rating_split-00000-of-00001.jsonl", 3);
    put("test/part.jsonl", 4);
    put("dataset_info.json", 5);
    put("data/training_notes.json", 6);
    assert.deepEqual(await loadRows(dir), [{ value: 1 }, { value: 2 }]);
    assert.deepEqual(await loadRows(dir, { limit: 1 }), [{ value: 1 }]);
    assert.deepEqual(await loadRows(dir, { split: "average_rating_split" }), [{ value: 3 }]);
    assert.deepEqual(await loadRows(dir, { split: "test" }), [{ value: 4 }]);
    await assert.rejects(loadRows(dir, { split: "validation" }), /has no split validation; its data files are .*test\/part.jsonl/);
  }));

test("a data set of the hub is read from its own files, else from the hub's parquet copy", () =>
  inTemporaryFolder(async (dir) => {
    const hub = await serveHub([
      { type: "dataset", name: "someone/lines", revisions: { main: { "data.json": '{"a": 1}\n{"a": 2}', "README.md": "x" } } },
      { type: "dataset", name: "someone/csv", revisions: { main: { "all.csv": "a" }, "refs/convert/parquet": { "default/train/0000.parquet": readFileSync(parquet("gzip")), "default/test/0000.parquet": "no" } }, large: /parquet$/ },
    ]);
    const former = { ...process.env };
    Object.assign(process.env, { HF_ENDPOINT: hub.url, HF_HOME: dir });
    try {
      for (const offline of ["", "1"]) {
        process.env.HF_HUB_OFFLINE = offline;
        assert.deepEqual(await loadRows("someone/lines"), [{ a: 1 }, { a: 2 }]);
        assert.deepEqual(await loadRows("someone/csv"), written.slice(0, 7));
      }
      process.env.HF_HUB_OFFLINE = "";
      await assert.rejects(loadRows("someone/csv", { split: "validation" }), /someone\/csv has no split validation in a format that is read; its files are all.csv/);
      await assert.rejects(loadRows("someone/csv", { revision: "main" }), /has no split train/);
      await assert.rejects(loadRows("someone/nothing"), /The dataset someone\/nothing does not exist, or is private/);
    } finally {
      for (const name of Object.keys(process.env)) if (!(name in former)) delete process.env[name];
      Object.assign(process.env, former);
      await hub.close();
    }
  }));

test("the packaged data set is found by its name", async () => {
  const rows = await loadPreferenceRows("human-like");
  assert.equal(rows.length, 300);
  assert.deepEqual(Object.keys(rows[0]!), ["prompt", "chosen", "rejected"]);
  const unseen = await loadRows("human-like", { split: "unseen" });
  assert.equal(unseen.length, 60);
  assert.equal(typeof unseen[0]!.text, "string");
});

test("preference rows that say nothing are refused by row and field", () => {
  const good = { prompt: "p", chosen: "c", rejected: "r", extra: 1 };
  assert.deepEqual(validatePreferenceRows([good]), [{ prompt: "p", chosen: "c", rejected: "r" }]);
  const refused = (row: unknown, message: RegExp) => assert.throws(() => validatePreferenceRows([good, row]), message);
  refused(null, /Row 1 is null/);
  refused({ prompt: "p", chosen: "c" }, /Row 1 has no rejected; its columns are prompt, chosen/);
  refused({ ...good, chosen: [{ role: "user", content: "x" }] }, /Row 1: chosen is object; a string is needed. Chat messages must be joined/);
  refused({ ...good, rejected: null }, /Row 1: rejected is null/);
  refused({ ...good, prompt: "  \n" }, /Row 1: prompt is empty/);
  refused({ ...good, rejected: "c" }, /Row 1: chosen and rejected are the same text/);
});

test("a shuffle keeps every row and depends on the seed only", () => {
  const rows = Array.from({ length: 100 }, (_, index) => index);
  const shuffled = shuffleRows(rows, 42);
  assert.notDeepEqual(shuffled, rows);
  assert.deepEqual([...shuffled].sort((a, b) => a - b), rows);
  assert.deepEqual(shuffleRows(rows, 42), shuffled);
  assert.notDeepEqual(shuffleRows(rows, 43), shuffled);
});

test("a split shares the rows out, by share or by number", () => {
  const rows = Array.from({ length: 101 }, (_, index) => index);
  const { train, test: held } = splitRows(rows, { testSize: 0.1, seed: 1 });
  assert.deepEqual([train.length, held.length], [90, 11]);
  assert.deepEqual([...train, ...held].sort((a, b) => a - b), rows);
  assert.deepEqual(splitRows(rows, { testSize: 20, seed: 1 }).test.length, 20);
  for (const testSize of [0, -1, 1.5, NaN]) assert.throws(() => splitRows(rows, { testSize, seed: 1 }), /testSize is/);
  assert.throws(() => splitRows(rows, { testSize: 101, seed: 1 }), /Of 101 rows, 101 cannot be held out/);
});
