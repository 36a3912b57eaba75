import assert from "node:assert/strict";
import { test } from "node:test";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { rateTexts, TextRater, type TextRating } from "../../src/loss/textRater";
import { SCORE_NAME } from "../../src/model/classifierHead";
import { scoredIds } from "../../src/tokens/rewardRows";
import type { Message } from "../../src/tokens/tokenizer";
import { allClose } from "../engine/close";
import { fixtureModel } from "../step/rewardFixture";
import { tinyTokenizer } from "../step/tiny";
import { softmax } from "./float64";

const tokenizer = tinyTokenizer();
const chat: Message[] = [{ role: "user", content: "ab" }, { role: "assistant", content: "cd e" }];
const texts = ["a b c", "abc", chat, "the quick brown fox jumps over", "a b d", "a"];

test("each text's rating is that of the model's own forward pass on it alone, in any order and batch size", async () => {
  const start = engineMemory();
  const model = await fixtureModel(0, 10);
  const expected = texts.map((text): TextRating => {
    const logits = tf.tidy(() => model.forward(tf.tensor2d([scoredIds(text, tokenizer)], undefined, "int32")).dataSync());
    const probabilities = softmax([...logits]);
    const mean = (of: (i: number, p: number) => number): number => probabilities.reduce((sum, p, i) => sum + p * of(i, p), 0);
    const rating = mean((i) => i + 1);
    return { probabilities, expected: rating, variance: mean((i) => (i + 1 - rating) ** 2), entropy: mean((_, p) => -Math.log(p)) };
  });
  const compare = (ratings: TextRating[], of: TextRating[]): void => {
    assert.equal(ratings.length, of.length);
    ratings.forEach(({ probabilities, ...rest }, i) => {
      allClose(probabilities, of[i]!.probabilities, 1e-5, `text ${i}`);
      allClose([rest.expected, rest.variance, rest.entropy], [of[i]!.expected, of[i]!.variance, of[i]!.entropy], 1e-4, `text ${i}`);
    });
  };
  const rater = new TextRater({ model, tokenizer, batchSize: 4 });
  compare(await rater.rate(texts), expected);
  compare(await rater.rate([...texts].reverse()), [...expected].reverse());
  assert.deepEqual(await rater.rate([]), []);
  // The weights are those of the call.
  tf.tidy(() => model.parameters.get(SCORE_NAME)!.assign(tf.neg(model.score)));
  assert.ok(Math.abs((await rater.rate(["abc"]))[0]!.expected - expected[1]!.expected) > 1e-3);
  rater.dispose();
  model.dispose();
  assert.deepEqual(engineMemory(), start);
});

test("with maxLength a text is read to its first so many tokens", async () => {
  const model = await fixtureModel(0, 10);
  const [cut, short] = await rateTexts(["abcdefg", "abc"], { model, tokenizer, maxLength: 3 });
  allClose(cut!.probabilities, short!.probabilities, 1e-6);
  model.dispose();
});

test("models, texts and settings that give no rating are refused", async () => {
  const [one, ten] = [await fixtureModel(0, 1), await fixtureModel(0, 10)];
  assert.throws(() => new TextRater({ model: one, tokenizer }), /gives each text one score/);
  assert.throws(() => new TextRater({ model: ten, tokenizer, batchSize: 0 }), /batchSize is 0/);
  assert.throws(() => new TextRater({ model: ten, tokenizer, maxLength: 0.5 }), /maxLength is 0\.5/);
  await assert.rejects(rateTexts(["a", " "], { model: ten, tokenizer }), /Text 1: the text is empty/);
  await assert.rejects(rateTexts([3 as never], { model: ten, tokenizer }), /Text 0: it is number; a string or a list/);
  await assert.rejects(rateTexts(["a", "b".repeat(80)], { model: ten, tokenizer }), /Text 1 has 81 tokens, the model has 64 positions\. Set maxLength/);
  one.dispose();
  ten.dispose();
});
