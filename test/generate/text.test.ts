import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { TextStream } from "../../src/generate/stream";
import { disposeGeneration } from "../../src/generate/session";
import { generateText } from "../../src/generate/text";
import { generate } from "../../src/generate/generate";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { openModel } from "../../src/hub/source";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { Tokenizer } from "../../src/tokens/tokenizer";
import { tinyModel } from "./tinyModel";

let tokenizer: Tokenizer;
let model: LlamaForCausalLM;
before(async () => {
  tokenizer = new Tokenizer((await openModel(PACKAGED_MODEL)).tokenizer);
  model = await tinyModel({ vocab: tokenizer.vocabSize, scale: 0.3 });
});
after(async () => {
  await disposeGeneration(model);
  model.dispose();
});

test("streamed pieces join to the decoded text, and none breaks a character", () => {
  const texts = ["Plain words, then a line.\nAnother.\n\nAnd  two  spaces.", "A family 👨‍👩‍👧‍👦, a flag 🇪🇺 and 漢字 in one line 🐈", "Ends on 🐈", ""];
  for (const text of texts) {
    const ids = tokenizer.encode(text);
    const stream = new TextStream(tokenizer);
    const pieces = [...ids.map((id) => stream.push(id)), stream.end()];
    assert.equal(pieces.join(""), text);
    assert.ok(pieces.every((piece) => !piece.includes("\uFFFD")), `a broken character in ${JSON.stringify(pieces)}`);
  }
  const emoji = tokenizer.encode("🐈");
  assert.ok(emoji.length > 1, "the emoji must take several tokens for this test to mean anything");
});

test("a character cut off at the end is given out as decode gives it", () => {
  const ids = tokenizer.encode("ok 🐈").slice(0, -1);
  const stream = new TextStream(tokenizer);
  const pieces = [...ids.map((id) => stream.push(id)), stream.end()];
  assert.equal(pieces.join(""), tokenizer.decode(ids));
});

test("generateText renders strings as user turns and takes whole chats", async () => {
  const options = { maxNewTokens: 8, doSample: true, seed: 4 };
  const chat = [{ role: "system", content: "Be brief." }, { role: "user", content: "Tea or coffee?" }];
  const pieces = ["", ""];
  const answers = await generateText(model, tokenizer, ["Tea or coffee?", chat], { ...options, onText: (piece, prompt) => (pieces[prompt] += piece) });
  const rendered = [
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n<|im_start|>user\nTea or coffee?<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nTea or coffee?<|im_end|>\n<|im_start|>assistant\n",
  ];
  const { sequences } = await generate(model, rendered.map((text) => tokenizer.encode(text)), { ...options, eosTokenId: tokenizer.eosTokenId });
  assert.deepEqual(answers, tokenizer.batchDecode(sequences, { skipSpecialTokens: true }));
  assert.deepEqual(pieces, answers);
});

test("generateText says which prompt cannot be used", async () => {
  await assert.rejects(generateText(model, tokenizer, ["Hello", ""], { maxNewTokens: 2 }), /prompt 1 is empty/);
  await assert.rejects(generateText(model, tokenizer, "Hello" as never, { maxNewTokens: 2 }), /array of strings or of chats/);
});
