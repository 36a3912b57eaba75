import assert from "node:assert/strict";
import { test } from "node:test";
import { byAnswer, packRollouts, type AnswerIds } from "../../src/tokens/packRollouts";

const options = { padTokenId: 0, lengthMultiple: 8, widthMultiple: 8, predictionMultiple: 8 };
const answers: AnswerIds[] = [
  { promptIds: [5, 6, 7], ids: [8, 9, 3] }, { promptIds: [5, 6, 7], ids: [8, 10] }, { promptIds: [5, 6, 7], ids: [3] },
  { promptIds: [11], ids: [12, 12, 12, 12] }, { promptIds: [11], ids: [12, 12, 12, 12] }, { promptIds: [11], ids: [3] },
];

test("each token of each answer has one prediction, from the token before it; what answers share stands once", () => {
  const packed = packRollouts(answers, 4, 3, options);
  // 5 6 7 with 8, 9 and 8 behind them, where 8 is shared; 11 with three times 12, which two answers share.
  assert.equal(packed.tokens, 3 + 2 + 1 + 3);
  answers.forEach(({ promptIds, ids }, i) => ids.forEach((id, t) => {
    const prediction = packed.table[i * packed.width + t]!;
    const source = packed.sources[prediction]!;
    assert.equal(packed.targets[prediction], id);
    assert.equal(packed.inputIds[source], [...promptIds, ...ids][promptIds.length + t - 1]);
    assert.equal(packed.positions[source], promptIds.length + t - 1);
  }));
  const used = answers.flatMap(({ ids }, i) => ids.map((_, t) => packed.table[i * packed.width + t]!));
  assert.deepEqual(used, used.map((_, i) => i), "predictions are not shared, and follow each other");
  assert.equal(packed.predictions % 8, 0);
  assert.deepEqual(byAnswer(Float32Array.from({ length: packed.predictions }, (_, i) => i), answers)[1], [3, 4]);
});

test("what cannot be packed is refused with its number", () => {
  assert.throws(() => packRollouts([], 4, 1, options), /no answers/);
  assert.throws(() => packRollouts([...answers, { promptIds: [], ids: [3] }], 4, 1, options), /Answer 6 of the batch has an empty prompt/);
  assert.throws(() => packRollouts([{ promptIds: [1], ids: [] }], 4, 1, options), /Answer 0 of the batch has 0 tokens; between 1 and 4/);
  assert.throws(() => packRollouts(answers, 3, 3, options), /Answer 3 of the batch has 4 tokens; between 1 and 3/);
});
