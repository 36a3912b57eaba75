import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { loadRatedRows, validateRatedRows } from "../../src/data/ratedRows";
import { inTemporaryFolder } from "../hub/python";

const chat = (answer: unknown): object[] => [{ role: "user", content: "Why?" }, { role: "assistant", content: answer }];
const good = { prompt: "Why?", chosen: chat("Because."), rejected: chat("No."), chosen_rating: 8, rejected_rating: 3.5 };

test("rated rows are read from a file, other columns dropped; a prompt may be a chat", () => inTemporaryFolder(async (dir) => {
  const file = path.join(dir, "train.jsonl");
  const turns = { ...good, prompt: [{ role: "user", content: "Why?" }] };
  writeFileSync(file, [{ ...good, source: "x" }, turns].map((row) => JSON.stringify(row)).join("\n"));
  assert.deepEqual(await loadRatedRows(file), [good, turns]);
  assert.deepEqual(await loadRatedRows(dir, { limit: 1 }), [good]);
}));

for (const [change, message] of [
  [{ prompt: undefined }, /Row 1: it has no prompt; its columns are/],
  [{ prompt: 4 }, /Row 1: prompt is a number; a string is needed/],
  [{ prompt: " " }, /Row 1: prompt is empty/],
  [{ prompt: [] }, /Row 1: prompt is empty; a list of messages/],
  [{ chosen: "Because." }, /Row 1: chosen is a string; a list of messages/],
  [{ chosen: null }, /Row 1: it has no chosen/],
  [{ rejected: chat(3) }, /Row 1: rejected: message 1 needs a role and a content/],
  [{ rejected: chat(" ") }, /Row 1: rejected ends in an empty turn/],
  [{ rejected: chat("Because.") }, /Row 1: chosen and rejected are the same chat/],
  [{ chosen_rating: "8" }, /Row 1: chosen_rating is a string; a number is needed/],
  [{ rejected_rating: NaN }, /Row 1: rejected_rating is NaN; a number is needed/],
  [{ rejected_rating: 9 }, /Row 1: chosen_rating is 8, below rejected_rating 9\. Exchange the two answers/],
] as const) {
  test(`refused: ${JSON.stringify(change)}`, () => assert.throws(() => validateRatedRows([good, { ...good, ...change }]), message));
}

test("what is no list of rows is refused", () => {
  assert.throws(() => validateRatedRows([good, [1]]), /Row 1: it is \[1\]; an object with prompt, chosen, rejected, chosen_rating and rejected_rating/);
  assert.throws(() => validateRatedRows("rows" as never), /Rows are an array of \{ prompt, chosen/);
});
