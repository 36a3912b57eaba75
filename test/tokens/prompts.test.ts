import assert from "node:assert/strict";
import { test } from "node:test";
import { saidBy, tokenizePrompts } from "../../src/tokens/prompts";
import { tinyTokenizer } from "../step/tiny";

const tokenizer = tinyTokenizer();
const chat = [{ role: "user", content: "ab" }, { role: "assistant", content: "c" }, { role: "user", content: "de" }];

test("a text is taken as it is, a chat by the template with the head of the answer", () => {
  const [text, turns] = tokenizePrompts([{ prompt: "ab c" }, { prompt: chat }], tokenizer, null);
  assert.deepEqual(text!.prompt_input_ids, tokenizer.encode("ab c"));
  assert.deepEqual(turns!.prompt_input_ids, tokenizer.encode("<user>ab<bot>c<end><user>de<bot>"));
  assert.deepEqual([saidBy(text!.prompt), saidBy(turns!.prompt)], ["ab c", "de"]);
  assert.deepEqual(tokenizePrompts([{ prompt: "abcdef" }], tokenizer, 2)[0]!.prompt_input_ids, tokenizer.encode("ef"));
});

test("what is no prompt is refused with its row's number", () => {
  const bad = (prompt: unknown) => () => tokenizePrompts([{ prompt: "a" }, { prompt: prompt as string }], tokenizer, 512);
  assert.throws(bad(""), /Row 1: prompt has no tokens/);
  assert.throws(bad(null), /Row 1: prompt is null; a text or a list of messages/);
  assert.throws(bad([]), /Row 1: prompt is a chat whose last turn has no content/);
  assert.throws(bad(chat.slice(0, 2)), /Row 1: prompt is a chat that ends with the assistant's turn/);
  assert.throws(() => tokenizePrompts("ab" as never, tokenizer, 512), /array of \{ prompt \}/);
  assert.throws(() => tokenizePrompts([], tokenizer, 0), /maxPromptLength is 0/);
});
