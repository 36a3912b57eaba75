import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { kernelKey, type DisplayOptions, type MimeBundle } from "../../src/engine/host";
import { answerDisplay } from "../../src/generate/display";
import { disposeGeneration } from "../../src/generate/session";
import { generateText } from "../../src/generate/text";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { openModel } from "../../src/hub/source";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { Tokenizer } from "../../src/tokens/tokenizer";
import { tinyModel } from "./tinyModel";

interface Shown {
  bundle: MimeBundle;
  options: DisplayOptions;
}

const holder = globalThis as { [kernelKey]?: unknown };
let tokenizer: Tokenizer;
let model: LlamaForCausalLM;
before(async () => {
  tokenizer = new Tokenizer((await openModel(PACKAGED_MODEL)).tokenizer);
  model = await tinyModel({ vocab: tokenizer.vocabSize, scale: 0.3 });
});
after(async () => {
  delete holder[kernelKey];
  await disposeGeneration(model);
  model.dispose();
});

/** A notebook that keeps what it is shown, and whose Stop is `stop`. */
function notebook(stop = new AbortController()): Shown[] {
  const shown: Shown[] = [];
  holder[kernelKey] = { display: (bundle: MimeBundle, options: DisplayOptions) => shown.push({ bundle, options }), signal: stop.signal };
  return shown;
}

test("answers grow in one output, with the time left, and end with what they took", async () => {
  const shown = notebook();
  const texts = ["", "<b>one", "<b>one two", "<b>one two three"];
  const shows = answerDisplay(["Count!"], (tokens) => texts[tokens.length]!);
  for (const done of [1, 2, 3]) {
    shows.update({ done, total: 12, sequences: () => [new Array<number>(done).fill(7)] });
    await sleep(170);
  }
  shows.end([texts[3]!]);
  assert.equal(new Set(shown.map(({ options }) => options.displayId)).size, 1);
  assert.deepEqual(shown.map(({ options }) => options.update), [false, true, true, true]);
  const plain = shown.map(({ bundle }) => String(bundle["text/plain"]));
  assert.equal(plain[0], "<b>one\n(token 1 of at most 12)");
  assert.match(plain[1]!, /^<b>one two\n\(token 2 of at most 12, at most \d+ s left\)$/);
  assert.match(plain[3]!, /^<b>one two three\n\(in \d+ s\)$/);
  assert.match(String(shown[1]!.bundle["text/html"]), /&#60;b&#62;one two<\/div>/);
});

test("generateText shows what it returns, for several prompts under what was said, and what Stop left", async () => {
  for (const options of [{ numBeams: 3 }, { doSample: true, numReturnSequences: 2 }]) {
    const shown = notebook();
    const answers = await generateText(model, tokenizer, ["Tea?", "Coffee?"], { maxNewTokens: 6, stream: true, ...options });
    const last = String(shown.at(-1)!.bundle["text/plain"]);
    const said = answers.length === 2 ? ["Tea?", "Coffee?"] : ["Tea?", "Tea?", "Coffee?", "Coffee?"];
    assert.ok(last.startsWith(answers.map((answer, i) => `${said[i]}\n${answer}`).join("\n\n")), last);
  }
  const stop = new AbortController();
  const shown = notebook(stop);
  const [answer] = await generateText(model, tokenizer, ["Tea?"], { maxNewTokens: 200, stream: true, onStep: ({ done }) => done === 5 && stop.abort() });
  assert.ok(String(shown.at(-1)!.bundle["text/plain"]).startsWith(`${answer}\n(in`));
});

test("outside a notebook only the end is printed, and without stream nothing is shown", async () => {
  const shown = notebook();
  await generateText(model, tokenizer, ["Tea?"], { maxNewTokens: 3 });
  assert.deepEqual(shown, []);
});
