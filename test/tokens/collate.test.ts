import assert from "node:assert/strict";
import { test } from "node:test";
import { pad, padCollate } from "../../src/tokens/collate";

test("pad fills up to the longest, on either side", () => {
  assert.deepEqual(pad([[1, 2, 3], [4], []], 0, "left"), [[1, 2, 3], [0, 0, 4], [0, 0, 0]]);
  assert.deepEqual(pad([[1, 2, 3], [4], []], 9, "right"), [[1, 2, 3], [4, 9, 9], [9, 9, 9]]);
  assert.deepEqual(pad([], 0, "left"), []);
  assert.throws(() => pad([[1]], 0, "middle" as "left"), /"left" or "right", not "middle"/);
  assert.throws(() => pad([[1]], undefined as unknown as number, "left"), /value is a number, not undefined/);
});

test("padCollate pads prompts left and answers right, and masks even a padding id that is a real token", () => {
  const batch = [
    { prompt_input_ids: [5], chosen_input_ids: [7, 2], rejected_input_ids: [8, 9, 2] },
    { prompt_input_ids: [5, 6, 2], chosen_input_ids: [1], rejected_input_ids: [3] },
  ];
  assert.deepEqual(padCollate(batch, 2), {
    prompt_input_ids: [[2, 2, 5], [5, 6, 2]],
    prompt_attn_mask: [[0, 0, 1], [1, 1, 1]],
    chosen_input_ids: [[7, 2], [1, 2]],
    chosen_attn_mask: [[1, 1], [1, 0]],
    rejected_input_ids: [[8, 9, 2], [3, 2, 2]],
    rejected_attn_mask: [[1, 1, 1], [1, 0, 0]],
  });
});

test("padCollate refuses what makes no batch", () => {
  const row = { prompt_input_ids: [5], chosen_input_ids: [7], rejected_input_ids: [8] };
  assert.throws(() => padCollate([], 0), /empty batch/);
  assert.throws(() => padCollate([row, { ...row, chosen_input_ids: [] }], 0), /Row 1 of the batch has no tokens in chosen_input_ids/);
  assert.throws(() => padCollate([{ prompt: "p" } as unknown as typeof row], 0), /Row 0 of the batch has no prompt_input_ids/);
  assert.throws(() => padCollate([row], null as unknown as number), /padTokenId is null/);
});
