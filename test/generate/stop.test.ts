import assert from "node:assert/strict";
import { before, test } from "node:test";
import { StopStrings } from "../../src/generate/stop";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { openModel } from "../../src/hub/source";
import { Tokenizer } from "../../src/tokens/tokenizer";

let tokenizer: Tokenizer;
before(async () => {
  tokenizer = new Tokenizer((await openModel(PACKAGED_MODEL)).tokenizer);
});

const TEXTS = ["A family 👨‍👩‍👧‍👦, a flag 🇪🇺 and 漢字 in one line 🐈.", "One stop, two stops; Stopper. The end\n\nand more", "<|im_start|>user\nHi there<|im_end|>\n"];

test("the bytes of a text's tokens are the text's", () => {
  for (const text of TEXTS) assert.equal(Buffer.concat(tokenizer.encode(text).map((id) => tokenizer.bytesOf(id))).toString("utf8"), text);
  assert.equal(tokenizer.bytesOf(10 ** 6).length, 0);
});

test("a stop string is found in the token that completes it, however it is spread over tokens", () => {
  for (const text of TEXTS) {
    const ids = tokenizer.encode(text);
    const ends = ids.map((_, i) => Buffer.concat(ids.slice(0, i + 1).map((id) => tokenizer.bytesOf(id))).length);
    for (const stop of ["stop", "end\n\n", "👦", "漢", " line", "ops;", "<|im_end|>", "e", "absent", "字 in one"]) {
      const whole = Buffer.from(text);
      const bytes = Buffer.from(stop);
      // The first token in which an occurrence ends, for every way to cut the text into prompt and answer.
      const completing = new Set<number>();
      for (let at = whole.indexOf(bytes); at >= 0; at = whole.indexOf(bytes, at + 1)) completing.add(ends.findIndex((end) => end >= at + bytes.length));
      const stops = new StopStrings([stop, "never met"], tokenizer);
      for (const cut of [0, 1, Math.floor(ids.length / 2)]) {
        for (let i = cut; i < ids.length; i++) assert.equal(stops.completes(ids.slice(0, cut), ids.slice(cut, i), ids[i]!), completing.has(i), `${JSON.stringify(stop)} at token ${i} of ${JSON.stringify(text)}`);
      }
    }
  }
});
