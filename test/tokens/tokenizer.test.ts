import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { before, test } from "node:test";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { openModel } from "../../src/hub/source";
import { Tokenizer, type Message } from "../../src/tokens/tokenizer";

interface Figures {
  strings: string[];
  ids: number[][];
  decoded: string[];
}

function fixture<T>(name: string): T {
  return JSON.parse(readFileSync(path.join(__dirname, "../fixtures", name), "utf8")) as T;
}

const golden = fixture<Figures & { chats: { messages: Message[]; add_generation_prompt: boolean; text: string; ids: number[] }[] }>("tokenizer.json");
const hard = fixture<Figures & { decoded_without_special: string[] }>("tokenizer-hard.json");

let files: ConstructorParameters<typeof Tokenizer>[0];
let tokenizer: Tokenizer;

before(async () => {
  files = (await openModel(PACKAGED_MODEL)).tokenizer;
  tokenizer = new Tokenizer(files);
});

for (const [name, figures] of Object.entries({ "everyday and mixed text": golden, "random Unicode and unassigned planes": hard })) {
  test(`ids and decodings are Python's: ${name}`, () => {
    assert.ok(figures.strings.length > 100);
    figures.strings.forEach((text, index) => {
      assert.deepEqual(tokenizer.encode(text), figures.ids[index], JSON.stringify(text));
      assert.equal(tokenizer.decode(figures.ids[index]!), figures.decoded[index]);
    });
  });
}

test("decoding without special tokens is Python's", () => {
  assert.deepEqual(tokenizer.batchDecode(hard.ids, { skipSpecialTokens: true }), hard.decoded_without_special);
});

test("chats are rendered and tokenised as in Python", () => {
  assert.equal(golden.chats.length, 21);
  for (const chat of golden.chats) {
    const text = tokenizer.applyChatTemplate(chat.messages, { addGenerationPrompt: chat.add_generation_prompt });
    assert.equal(text, chat.text);
    assert.deepEqual(tokenizer.encode(text), chat.ids);
  }
});

test("special ids and the vocabulary's size are the model's", () => {
  const { vocabSize, bosTokenId, eosTokenId, padTokenId } = tokenizer;
  assert.deepEqual({ vocabSize, bosTokenId, eosTokenId, padTokenId }, { vocabSize: 49_152, bosTokenId: 1, eosTokenId: 2, padTokenId: 2 });
});

test("ids outside the vocabulary and empty input decode to nothing", () => {
  assert.equal(tokenizer.decode([]), "");
  assert.equal(tokenizer.decode([60_000, -1]), "");
  assert.equal(tokenizer.decode([60_000, ...tokenizer.encode("Hello")]), "Hello");
});

test("a tokenizer whose Digits step is Python's own splits every script's digits", () => {
  const digits = { ...files.tokenizerJson, pre_tokenizer: { type: "Sequence", pretokenizers: [{ type: "Digits", individual_digits: true }, { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true }] } };
  const other = new Tokenizer({ ...files, tokenizerJson: digits });
  hard.strings.forEach((text, index) => assert.deepEqual(other.encode(text), hard.ids[index], JSON.stringify(text)));
});

test("a saved tokenizer is the same tokenizer", async () => {
  const dir = mkdtempSync(path.join(tmpdir(), "alignlab-tokenizer-"));
  try {
    await tokenizer.save(dir);
    const read = (name: string) => JSON.parse(readFileSync(path.join(dir, name), "utf8")) as Record<string, unknown>;
    const again = new Tokenizer({ tokenizerJson: read("tokenizer.json"), tokenizerConfig: read("tokenizer_config.json") });
    assert.equal(again.fingerprint, tokenizer.fingerprint);
    assert.deepEqual(again.encode(hard.strings.join(" ")), tokenizer.encode(hard.strings.join(" ")));
    assert.equal(again.applyChatTemplate(golden.chats[0]!.messages), tokenizer.applyChatTemplate(golden.chats[0]!.messages));
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("a chat template as a list, and named tokens as objects, are read", () => {
  const template = "{{ messages[0]['content'] }}|{{ bos_token }}";
  const other = new Tokenizer({
    ...files,
    tokenizerConfig: { ...files.tokenizerConfig, bos_token: { content: "<|endoftext|>", lstrip: false }, chat_template: [{ name: "tool_use", template: "no" }, { name: "default", template }] },
  });
  assert.equal(other.bosTokenId, 0);
  assert.equal(other.applyChatTemplate([{ role: "user", content: "hi" }]), "hi|<|endoftext|>");
  assert.notEqual(other.fingerprint, tokenizer.fingerprint);
});

test("bad input is refused in words", () => {
  const base = new Tokenizer({ ...files, tokenizerConfig: { ...files.tokenizerConfig, chat_template: null } });
  assert.throws(() => base.applyChatTemplate([{ role: "user", content: "hi" }]), /no chat template/);
  assert.throws(() => tokenizer.applyChatTemplate([{ role: "user" } as unknown as Message]), /Message 0 .* role and a content/);
  assert.throws(() => tokenizer.encode(null as unknown as string), /takes a string, not null/);
});
