import assert from "node:assert/strict";
import { test } from "node:test";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { openModel } from "../../src/hub/source";
import { tokenizeRewardRows, withinLength, type RewardRow } from "../../src/tokens/rewardRows";
import { packScores, scoredLength } from "../../src/tokens/scoredPairs";
import { Tokenizer } from "../../src/tokens/tokenizer";
import { fixture } from "../step/rewardFixture";
import { tinyTokenizer } from "../step/tiny";

const tokenizer = tinyTokenizer();

function idsOf({ rows, maxLength }: (typeof fixture.tokenized)[number], by: Tokenizer): object[] {
  return withinLength(tokenizeRewardRows(rows as RewardRow[], by), maxLength).map(({ chosen_ids, rejected_ids }) => ({ chosen_ids, rejected_ids }));
}

test("texts and chats, with a prompt and without, get TRL's ids; rows above maxLength are left out as TRL leaves them out", async () => {
  assert.ok(fixture.tokenized.some(({ rows, ids }) => ids.length < rows.length));
  for (const each of fixture.tokenized) assert.deepEqual(idsOf(each, tokenizer), each.ids);
  const packaged = new Tokenizer((await openModel(PACKAGED_MODEL)).tokenizer);
  for (const each of fixture.tokenizedBySmolLM2) assert.deepEqual(idsOf(each, packaged), each.ids);
});

test("rows of ids are taken as they are, with their margins", () => {
  assert.deepEqual(tokenizeRewardRows([{ chosen_ids: [5, 6], rejected_ids: [5], margin: 0 }], tokenizer), [{ chosen_ids: [5, 6], rejected_ids: [5], margin: 0 }]);
  assert.equal(tokenizeRewardRows([{ chosen: "a", rejected: "b" }], tokenizer)[0]!.margin, null);
});

const turn = (content: unknown): object[] => [{ role: "bot", content }];
for (const [row, message] of [
  [{ rejected: "b" }, /Row 1: it has no chosen; its columns are rejected/],
  [{ chosen: "a" }, /Row 1: it has no rejected/],
  [null, /Row 1: it is null/],
  [{ chosen: " \n", rejected: "b" }, /Row 1: chosen is empty\. Leave the row out/],
  [{ chosen: "a", rejected: "" }, /Row 1: rejected is empty/],
  [{ chosen: 3, rejected: "b" }, /Row 1: chosen is number; a string or a list of messages/],
  [{ chosen: "a", rejected: "a" }, /Row 1: chosen and rejected are the same text/],
  [{ prompt: [], chosen: "a", rejected: "b" }, /Row 1: chosen is a string, prompt is an array; both must be of one kind/],
  [{ prompt: "p", chosen: turn("a"), rejected: turn("b") }, /Row 1: chosen is a list of messages, prompt is string/],
  [{ chosen: [], rejected: turn("b") }, /Row 1: chosen is empty/],
  [{ chosen: turn(" "), rejected: turn("b") }, /Row 1: chosen is empty/],
  [{ chosen: turn(3), rejected: turn("b") }, /Row 1: Message 0 of the chat needs a role and a content/],
  [{ chosen: turn("a"), rejected: turn("b"), tools: [{}] }, /Row 1: tools is not supported/],
  [{ chosen_ids: [4, 5] }, /Row 1: rejected_ids is undefined; an array of token ids/],
  [{ chosen_ids: [4, 0.5], rejected_ids: [4] }, /Row 1: chosen_ids is an array; an array of token ids/],
  [{ chosen_ids: [], rejected_ids: [4] }, /Row 1: chosen has no tokens\. Leave/],
  [{ chosen_ids: [4], rejected_ids: [0, 0] }, /Row 1: rejected has no tokens but padding/],
  [{ chosen: "a", rejected: "b", margin: "1" }, /Row 1: margin is "1"; a number/],
  [{ chosen: "a", rejected: "b", margin: 1 }, /Row 0 has no margin, 1 of 2 rows have one/],
] as const) {
  test(`refused: ${JSON.stringify(row)}`, () => assert.throws(() => tokenizeRewardRows([{ chosen: "a", rejected: "b" }, row as never], tokenizer), message));
}

test("a tokenizer without an end token is refused for texts", () => {
  const endless = { ...tokenizer, eosTokenId: null, padTokenId: 0, encode: () => [4], decode: () => "", applyChatTemplate: () => "" };
  assert.throws(() => tokenizeRewardRows([{ chosen: "a", rejected: "b" }], endless), /Row 0: the tokenizer names no end token/);
});

test("what the texts of a batch share is packed once, and each is scored at its last token that is not padding", () => {
  const rows = [
    { chosen_ids: [1, 7, 8, 9, 3], rejected_ids: [1, 7, 8, 4, 3, 3], margin: null },
    // The rejected text is the beginning of the chosen one.
    { chosen_ids: [1, 7, 5, 6], rejected_ids: [1, 7, 5], margin: null },
  ];
  const packed = packScores(rows, { padTokenId: 3, lengthMultiple: 4, widthMultiple: 4 });
  assert.equal(packed.tokens, 7, "1 7 | 8 9 · 4 | 5 6");
  assert.deepEqual([...packed.scored].map((token) => packed.inputIds[token]), [9, 6, 4, 5]);
  assert.deepEqual([...packed.scored].map((token) => packed.positions[token]), [3, 3, 3, 2]);
  assert.deepEqual(rows.map(scoredLength), [8, 4]);
  assert.equal(packScores(rows, { padTokenId: 0, lengthMultiple: 4, widthMultiple: 4 }).tokens, 10);
  assert.throws(() => packScores([], { padTokenId: 0 }), /no pairs/);
  assert.throws(() => packScores([{ chosen_ids: [1], rejected_ids: [], margin: null }], { padTokenId: 0 }), /Pair 0 of the batch has an empty rejected text/);
});
