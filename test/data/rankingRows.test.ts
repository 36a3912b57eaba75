import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { comparedTexts, loadRankingRows, rankingPairs, validateRankingRows, type RankingRow } from "../../src/data/rankingRows";
import { inTemporaryFolder } from "../hub/python";

const good: RankingRow = { prompt: "Why?", answers: ["a", "b", "c", "d"], ranks: [3, 1, 4, 2], second_ranks: [2, 1, 4, 2] };

test("four answers give the six rows of all pairs, each labelled by the ranks", () => {
  assert.deepEqual(rankingPairs([good]), [
    { prompt: "Why?", response: ["a", "b"], ranking: [0, 1] },
    { prompt: "Why?", response: ["a", "c"], ranking: [1, 0] },
    { prompt: "Why?", response: ["a", "d"], ranking: [0, 1] },
    { prompt: "Why?", response: ["b", "c"], ranking: [1, 0] },
    { prompt: "Why?", response: ["b", "d"], ranking: [1, 0] },
    { prompt: "Why?", response: ["c", "d"], ranking: [0, 1] },
  ]);
});

test("a tie is refused with its row and answers, or its pair left out", () => {
  assert.throws(() => rankingPairs([good, { ...good, ranks: [3, 4, 1, 1] }]), /Row 1: ranks gives the answers 2 and 3 \(counted from 0\) the same rank 1, which says nothing of that pair/);
  assert.throws(() => rankingPairs([good], { ranks: "second_ranks" }), /Row 0: second_ranks gives the answers 0 and 3/);
  const kept = rankingPairs([good], { ranks: "second_ranks", ties: "skip" });
  assert.equal(kept.length, 5);
  assert.deepEqual(kept.filter(({ response }) => response.join() === "a,d"), []);
  const { second_ranks: _, ...once } = good;
  assert.throws(() => rankingPairs([once], { ranks: "second_ranks" }), /Row 0: it has no second_ranks; its columns are prompt, answers, ranks/);
});

for (const [change, message] of [
  [{ ranks: [1, 2, 3] }, /Row 1: ranks holds 3 ranks; each of the 4 answers needs one/],
  [{ ranks: [1, null, 2, 3] }, /Row 1: ranks\[1\] is missing; each of the 4 answers needs a rank/],
  [{ ranks: [1, 2, 3, 5] }, /Row 1: ranks\[3\] is 5; ranks are whole numbers from 1, the best, to 4/],
  [{ ranks: [0, 1, 2, 3] }, /Row 1: ranks\[0\] is 0/],
  [{ ranks: [1, 1.5, 3, 4] }, /Row 1: ranks\[1\] is 1\.5/],
  [{ ranks: "1234" }, /Row 1: ranks is a string; each of the 4 answers/],
  [{ ranks: undefined }, /Row 1: it has no ranks/],
  [{ second_ranks: [1] }, /Row 1: second_ranks holds 1 ranks/],
  [{ answers: ["a"], ranks: [1] }, /Row 1: answers has 1 answer; a ranking needs at least two/],
  [{ answers: ["a", "b", "a", "d"] }, /Row 1: answers\[0\] and answers\[2\] are the same text/],
  [{ answers: ["a", "b", " ", "d"] }, /Row 1: answers\[2\] is empty/],
  [{ answers: "abcd" }, /Row 1: answers is a string; a list of strings/],
  [{ prompt: "" }, /Row 1: prompt is empty/],
] as const) {
  test(`refused: ${JSON.stringify(change)}`, () => assert.throws(() => validateRankingRows([good, { ...good, ...change }]), message));
}

test("rankings are read from a file, ties and a second pass among them", () => inTemporaryFolder(async (dir) => {
  const file = path.join(dir, "train.jsonl");
  writeFileSync(file, JSON.stringify({ ...good, annotator: 2 }));
  assert.deepEqual(await loadRankingRows(file), [good]);
}));

test("the texts of a comparison: the better one is text_j, whichever side it stands on", () => {
  const row = { prompt: "Why?", response: ["yes", "no"] as [string, string], ranking: [1, 0] as [number, number] };
  const [yes, no] = ["Question: Why?\n\nAnswer: yes", "Question: Why?\n\nAnswer: no"];
  assert.deepEqual(comparedTexts([row, { ...row, ranking: [0, 1] }]), [{ text_j: yes, text_k: no }, { text_j: no, text_k: yes }]);
  const refused = (change: object, message: RegExp): void => assert.throws(() => comparedTexts([row, { ...row, ...change } as never]), message);
  refused({ response: ["yes"] }, /Row 1: response holds 1 response; exactly two are compared/);
  refused({ response: ["a", "b", "c"] }, /Row 1: response holds 3 responses/);
  refused({ response: ["a", 3] }, /Row 1: response\[1\] is a number/);
  for (const ranking of [[1, 1], [0, 0], [1, 2], [1], [1, 0, 0], ["1", "0"], 1]) refused({ ranking }, /Row 1: ranking is .*; one 1, for the better response, and one 0 are needed/);
  refused({ ranking: undefined }, /Row 1: it has no ranking/);
});
