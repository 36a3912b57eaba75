import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { checkpointsIn, clearLeftovers, makeWay, readJson, removeOldest, writeJson } from "../../../src/step/run/folder";
import { inTemporaryFolder } from "../../hub/python";

const make = (dir: string, ...names: string[]): void => names.forEach((name) => mkdirSync(path.join(dir, name)));

test("checkpoints are found by their steps; the oldest go, those of steps to come stay", () => inTemporaryFolder(async (dir) => {
  assert.deepEqual(checkpointsIn(path.join(dir, "nowhere")), []);
  make(dir, "checkpoint-9", "checkpoint-10", "checkpoint-2", "checkpoint-30", "checkpoint-4.99.part", "checkpoint-x", "notes");
  assert.deepEqual(checkpointsIn(dir).map(({ step }) => step), [2, 9, 10, 30]);
  await removeOldest(dir, 2, 10);
  assert.deepEqual(checkpointsIn(dir).map(({ step }) => step), [9, 10, 30]);
}));

test("what a killed process left is cleared, a checkpoint that was being replaced put back, all else stays", () => inTemporaryFolder(async (dir) => {
  make(dir, "checkpoint-2", "checkpoint-2.7.former", "checkpoint-4.7.former", "checkpoint-4.7.part", "checkpoint-6.7.part", "checkpoint-6.7.part.7.part", "mine.part");
  writeFileSync(path.join(dir, "log.jsonl.7.part"), "");
  await clearLeftovers(dir);
  assert.deepEqual(readdirSync(dir).sort(), ["checkpoint-2", "checkpoint-4", "mine.part"]);
}));

test("a new run takes the place of one that nothing could continue, and leaves other files alone", () => inTemporaryFolder(async (dir) => {
  writeJson(path.join(dir, "trainer_state.json"), { global_step: 3, max_steps: 10 });
  for (const name of ["log.jsonl", "samples.jsonl", "notes.txt"]) writeFileSync(path.join(dir, name), "");
  await makeWay(dir, false);
  assert.deepEqual(readdirSync(dir), ["notes.txt"]);
}));

test("numbers that JSON lacks are written as texts; a file that is none is named", () => inTemporaryFolder((dir) => {
  const file = path.join(dir, "a.json");
  writeJson(file, { loss: NaN, list: [1, -Infinity] });
  assert.deepEqual(readJson(file), { loss: "NaN", list: [1, "-Infinity"] });
  writeFileSync(file, "{");
  assert.throws(() => readJson(file), /a\.json cannot be read as JSON/);
}));
