import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { before, test } from "node:test";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { openModel } from "../../src/hub/source";
import { applyChatTemplate, tokenizeRow, tokenizeRows } from "../../src/tokens/preference";
import { Tokenizer } from "../../src/tokens/tokenizer";

interface Pair {
  prompt: string;
  chosen: string;
  rejected: string;
  prompt_ids: number[];
  chosen_ids: number[];
  rejected_ids: number[];
}

const { pairs } = JSON.parse(readFileSync(path.join(__dirname, "../fixtures/dpo.json"), "utf8")) as { pairs: Pair[] };
let tokenizer: Tokenizer;

before(async () => {
  tokenizer = new Tokenizer((await openModel(PACKAGED_MODEL)).tokenizer);
});

test("a pair is rendered as a user turn, the assistant's head, and two answers that end their turn", () => {
  const system = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n";
  assert.deepEqual(applyChatTemplate({ prompt: "Hi?", chosen: "Yo", rejected: "Greetings." }, tokenizer), {
    prompt: `${system}<|im_start|>user\nHi?<|im_end|>\n<|im_start|>assistant\n`,
    chosen: "Yo<|im_end|>\n",
    rejected: "Greetings.<|im_end|>\n",
  });
});

test("ids are those of TRL", () => {
  assert.equal(pairs.length, 8);
  const rows = pairs.map((pair) => tokenizeRow(applyChatTemplate(pair, tokenizer), tokenizer));
  const expected = pairs.map((pair) => ({ prompt_input_ids: pair.prompt_ids, chosen_input_ids: pair.chosen_ids, rejected_input_ids: pair.rejected_ids }));
  assert.deepEqual(rows, expected);
  assert.deepEqual(tokenizeRows(pairs, tokenizer), expected);
});

test("a prompt keeps its end, an answer its beginning", () => {
  const pair = pairs[0]!;
  const row = tokenizeRow(applyChatTemplate(pair, tokenizer), tokenizer, 5, 3);
  assert.deepEqual(row, { prompt_input_ids: pair.prompt_ids.slice(-5), chosen_input_ids: pair.chosen_ids.slice(0, 3), rejected_input_ids: pair.rejected_ids.slice(0, 3) });
  const long = { prompt: "a b ".repeat(600), chosen: "c", rejected: "d" };
  assert.equal(tokenizeRow(long, tokenizer).prompt_input_ids.length, 512);
  assert.ok(tokenizeRow(long, tokenizer, null).prompt_input_ids.length > 512);
});

test("a template that renders the prompt otherwise once there is an answer is refused", () => {
  const changing = { applyChatTemplate: (messages: { content: string }[]) => (messages.length === 1 ? "question: " : "dialogue: ") + messages.map(({ content }) => content).join("/") };
  assert.throws(() => applyChatTemplate({ prompt: "p", chosen: "c", rejected: "r" }, changing), /renders the prompt differently/);
});

test("rows that cannot be learnt from are refused with their number", () => {
  const good = { prompt: "p", chosen: "c", rejected: "r" };
  const refused = (row: object, message: RegExp, options = {}) => assert.throws(() => tokenizeRows([good, row as typeof good], tokenizer, options), message);
  refused({ ...good, rejected: " \n" }, /^TypeError: Row 1: rejected is empty/);
  refused({ ...good, chosen: 7 }, /^TypeError: Row 1: chosen is number; a string is needed/);
  refused({ prompt: "p", chosen: "c" }, /^TypeError: Row 1: rejected is undefined/);
  refused({ ...good, prompt: "" }, /^TypeError: Row 1: prompt_input_ids has no tokens/, { rendered: true });
  refused({ ...good, chosen: "" }, /^TypeError: Row 1: chosen is empty/, { rendered: true });
});

test("lengths that are no positive whole numbers are refused", () => {
  const row = { prompt: "p", chosen: "c", rejected: "r" };
  for (const length of [0, -1, 1.5, NaN]) {
    assert.throws(() => tokenizeRow(row, tokenizer, length), /maxPromptLength is/);
    assert.throws(() => tokenizeRow(row, tokenizer, 8, length), /maxCompletionLength is/);
    assert.throws(() => tokenizeRows([], tokenizer, { maxCompletionLength: length }), /maxCompletionLength is/);
  }
});
