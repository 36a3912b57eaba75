import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { bestFitDecreasing } from "../../src/tokens/bins";
import { packSequences } from "../../src/tokens/packSequences";
import { learnsAnything, tokenizeSFTRow, tokenizeSFTRows, type LabelledRow, type SFTRow, type SFTTokenizeOptions } from "../../src/tokens/sft";
import { sftRows } from "../step/sftCase";
import { tinyTokenizer } from "../step/tiny";

interface Prepared {
  form: keyof typeof sftRows;
  settings: { assistant_only_loss?: boolean; completion_only_loss?: boolean; max_length?: number };
  rows: LabelledRow[];
}

const fixture = JSON.parse(readFileSync(path.join(__dirname, "../fixtures/sft.json"), "utf8")) as { prepared: Prepared[] };
const tokenizer = tinyTokenizer();

for (const { form, settings, rows } of fixture.prepared) {
  test(`ids and labels are TRL's: ${form} ${JSON.stringify(settings)}`, () => {
    const options: SFTTokenizeOptions = { assistantOnlyLoss: settings.assistant_only_loss ?? false, completionOnlyLoss: settings.completion_only_loss ?? null, maxLength: settings.max_length ?? 1024 };
    assert.deepEqual(tokenizeSFTRows(sftRows[form], tokenizer, options).filter(learnsAnything), rows);
  });
}

test("a row of no form, or one that lacks what the loss is taken of, is refused with its number", () => {
  const refused = (row: unknown, options: SFTTokenizeOptions, message: RegExp): void => {
    assert.throws(() => tokenizeSFTRows([{ text: "a" }, row as SFTRow], tokenizer, options), (error: Error) => message.test(error.message));
  };
  refused({ prompt: "a" }, {}, /^Row 1: one of messages, prompt with completion, or text is needed; its columns are prompt/);
  refused({ messages: [] }, {}, /^Row 1: messages is empty/);
  refused({ prompt: "a", completion: [{ role: "assistant", content: "b" }] }, {}, /^Row 1: prompt is no list of turns/);
  refused({ prompt: "a", completion: "" }, {}, /^Row 1: completion is empty/);
  assert.throws(() => tokenizeSFTRow({ text: "a" }, tokenizer, { completionOnlyLoss: true }), /completionOnlyLoss needs/);
  assert.throws(() => tokenizeSFTRow({ text: "a" }, tokenizer, { assistantOnlyLoss: true }), /assistantOnlyLoss needs/);
  assert.throws(() => tokenizeSFTRow({ messages: [{ role: "user", content: "a" }] }, tokenizer, { assistantOnlyLoss: true }), /no turn of the assistant/);
  assert.throws(() => tokenizeSFTRow({ text: "a" }, tokenizer, { maxLength: 1 }), /maxLength is 1/);
});

test("packed, each label is predicted from the tokens before it, and shared predictions weigh as many", () => {
  const rows = tokenizeSFTRows([...sftRows.messages, ...sftRows.messages.slice(0, 3)], tokenizer);
  const packed = packSequences(rows, { padTokenId: 0 });
  /** The tokens that a token sees, which end in itself. */
  const before = (token: number): number[] => {
    const place = packed.places[token]!;
    const row = Math.floor(place / packed.queryWidth);
    const keys = [...packed.keys.subarray(row * packed.keyWidth, (row + 1) * packed.keyWidth)];
    const lasts = [...packed.lasts.subarray(row * packed.keyWidth, (row + 1) * packed.keyWidth)];
    return keys.filter((key, i) => key <= token && token <= lasts[i]!).map((key) => packed.inputIds[key]!);
  };
  const found = new Map<string, number>();
  packed.sources.forEach((source, i) => {
    if (packed.weights[i]! > 0) found.set(`${before(source).join()} → ${packed.targets[i]}`, packed.weights[i]!);
  });
  const expected = new Map<string, number>();
  for (const { input_ids } of rows) {
    for (let t = 1; t < input_ids.length; t++) {
      const key = `${input_ids.slice(0, t).join()} → ${input_ids[t]}`;
      expected.set(key, (expected.get(key) ?? 0) + 1);
    }
  }
  assert.deepEqual([...found].sort(), [...expected].sort());
  assert.ok([...found.values()].some((weight) => weight > 1));
  assert.equal(packed.weights.reduce((a, b) => a + b), rows.reduce((sum, { input_ids }) => sum + input_ids.length - 1, 0));
  assert.throws(() => packSequences([], { padTokenId: 0 }), /no rows/);
  assert.throws(() => packSequences([{ input_ids: [1], labels: [1] }], { padTokenId: 0 }), /Row 0 of the batch has 1 tokens/);
});

test("best-fit decreasing: each item once, none over, and the longest stand first", () => {
  const sizes = [5, 9, 3, 3, 7, 1, 10, 2];
  const bins = bestFitDecreasing(sizes, 10);
  assert.deepEqual(bins.flat().sort((a, b) => a - b), sizes.map((_, i) => i));
  assert.deepEqual(bins.map((bin) => bin.map((item) => sizes[item])), [[10], [9, 1], [7, 3], [5, 3, 2]]);
  assert.throws(() => bestFitDecreasing([3, 11], 10), /item 1 has size 11/);
});
