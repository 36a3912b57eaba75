import { pad, padCollate, type Pad, type PadCollate } from "../../src/exercises/checks/pad";
import { pad as libraryPad, padCollate as libraryPadCollate } from "../../src/tokens/collate";
import type { PreferenceBatch } from "../../src/tokens/collate";
import { tf } from "../../src/engine/backend";
import { namesAll, passes, recognises, refuses } from "./judging";

const longestOf = (sequences: number[][]): number => Math.max(...sequences.map((s) => s.length));
const solution: Pad = (sequences, value, side) => fill(sequences, value, side, longestOf(sequences));

function fill(sequences: number[][], value: number, side: "left" | "right", length: number): number[][] {
  return sequences.map((s) => {
    const filling = new Array<number>(Math.max(0, length - s.length)).fill(value);
    return side === "left" ? [...filling, ...s] : [...s, ...filling];
  });
}

passes(pad, "spread", solution);
passes(pad, "the library's own", libraryPad);
passes(pad, "loops and unshift on a copy", (sequences, value, side) => {
  let longest = 0;
  for (const s of sequences) if (s.length > longest) longest = s.length;
  const rows: number[][] = [];
  for (const s of sequences) {
    const row = s.slice();
    while (row.length < longest) side === "left" ? row.unshift(value) : row.push(value);
    rows.push(row);
  }
  return rows;
});

const wrongPad: Record<string, Pad> = {
  "sides exchanged": (s, value, side) => solution(s, value, side === "left" ? "right" : "left"),
  "side ignored": (s, value) => solution(s, value, "right"),
  "value ignored": (s, _, side) => solution(s, 0, side),
  "not padded": (s) => s,
  "one too few": (s, value, side) => fill(s, value, side, longestOf(s) - 1),
  "filled with the wrong number of copies": (s, value, side) => s.map((row) => (side === "left" ? [...row.map(() => value), ...row] : [...row, ...row.map(() => value)])),
  reversed: (s, value, side) => solution(s.map((row) => [...row].reverse()), value, side),
  "one too many": (s, value, side) => fill(s, value, side, longestOf(s) + 1),
  "length of the first": (s, value, side) => fill(s, value, side, s[0].length),
  "cut to the shortest": (s) => s.map((row) => row.slice(0, Math.min(...s.map((r) => r.length)))),
};
for (const [name, answer] of Object.entries(wrongPad)) recognises(pad, name, answer);
namesAll(pad, Object.keys(wrongPad));
recognises(pad, "side ignored", (s, value) => solution(s, value, "left"));
refuses(pad, "the given lists are filled themselves", (sequences, value, side) => {
  for (const s of sequences) while (s.length < longestOf(sequences)) side === "left" ? s.unshift(value) : s.push(value);
  return sequences;
}, /changed what it was given/);
refuses(pad, "padded to ten", (s, value, side) => fill(s, value, side, 10), /its shape is \[3, 10\], where \[3, 3\] is wanted/);

type Name = "prompt" | "chosen" | "rejected";
interface Options {
  side?: (name: Name) => "left" | "right";
  fillWith?: number;
  mask?: (ids: number[][], masks: number[][], padTokenId: number) => number[][];
  common?: boolean;
}

const collate = (options: Options = {}): PadCollate => (batch, padTokenId) => {
  const result: Record<string, number[][]> = {};
  const columns = (["prompt", "chosen", "rejected"] as const).map((name) => batch.map((row) => row[`${name}_input_ids`]));
  (["prompt", "chosen", "rejected"] as const).forEach((name, at) => {
    const side = options.side?.(name) ?? (name === "prompt" ? "left" : "right");
    const length = longestOf(options.common ? columns.flat() : columns[at]);
    const ids = fill(columns[at], options.fillWith ?? padTokenId, side, length);
    const masks = fill(columns[at].map((s) => s.map(() => 1)), 0, side, length);
    result[`${name}_input_ids`] = ids;
    result[`${name}_attn_mask`] = options.mask?.(ids, masks, padTokenId) ?? masks;
  });
  return result as unknown as PreferenceBatch;
};

passes(padCollate, "columns and masks from lengths", collate());
passes(padCollate, "the library's own", libraryPadCollate);

const wrongCollate: Record<string, PadCollate> = {
  "prompt padded on the right": collate({ side: () => "right" }),
  "answers padded on the left": collate({ side: () => "left" }),
  "sides exchanged": collate({ side: (name) => (name === "prompt" ? "right" : "left") }),
  "mask on the other side": (batch, id) => ({ ...collate()(batch, id), prompt_attn_mask: collate({ side: () => "right" })(batch, id).prompt_attn_mask }),
  "one answer twice": (batch, id) => collate()(batch.map((row) => ({ ...row, rejected_input_ids: row.chosen_input_ids })), id),
  "chosen and rejected exchanged": (batch, id) => collate()(batch.map((row) => ({ ...row, chosen_input_ids: row.rejected_input_ids, rejected_input_ids: row.chosen_input_ids })), id),
  "one row lost": (batch, id) => collate()(batch.slice(0, -1), id),
  "mask made from the ids": collate({ mask: (ids, _, padTokenId) => ids.map((row) => row.map((id) => (id === padTokenId ? 0 : 1))) }),
  "mask inverted": collate({ mask: (_, masks) => masks.map((row) => row.map((m) => (m === 1 ? 0 : 1))) }),
  "mask all ones": collate({ mask: (ids) => ids.map((row) => row.map(() => 1)) }),
  "mask padded with the token": collate({ mask: (_, masks, padTokenId) => masks.map((row) => row.map((m) => m || padTokenId)) }),
  "padded with 0": collate({ fillWith: 0 }),
  "one length for all": collate({ common: true }),
};
for (const [name, answer] of Object.entries(wrongCollate)) recognises(padCollate, name, answer);
namesAll(padCollate, Object.keys(wrongCollate));
refuses(padCollate, "no masks", ((batch: never, id: number) => {
  const { prompt_input_ids, chosen_input_ids, rejected_input_ids } = collate()(batch, id);
  return { prompt_input_ids, chosen_input_ids, rejected_input_ids };
}) as never, /it has no prompt_attn_mask; its keys are/);
recognises(padCollate, "mask on the other side", (batch, id) => {
  const [right, opposite] = [collate()(batch, id), collate({ side: (name) => (name === "prompt" ? "right" : "left") })(batch, id)];
  const { prompt_attn_mask, chosen_attn_mask, rejected_attn_mask } = opposite;
  return { ...right, prompt_attn_mask, chosen_attn_mask, rejected_attn_mask };
});
recognises(padCollate, "answers padded on the left", collate({ side: (name) => (name === "rejected" ? "right" : "left") }));

passes(padCollate, "tensors in place of lists", ((...args: Parameters<PadCollate>) =>
  Object.fromEntries(Object.entries(collate()(...args)).map(([key, rows]) => [key, tf.tensor2d(rows, undefined, "int32")]))) as never);
passes(padCollate, "an async function with more keys than wanted", (async (...args: Parameters<PadCollate>) => ({ ...collate()(...args), rows: args[0].length })) as never);
passes(pad, "typed arrays", ((...args: Parameters<Pad>) => solution(...args).map((row) => Int32Array.from(row))) as never);
refuses(padCollate, "a mask of true and false", ((...args: Parameters<PadCollate>) => {
  const right = collate()(...args);
  return { ...right, prompt_attn_mask: right.prompt_attn_mask.map((row) => row.map((entry) => entry === 1)) };
}) as never, /true or false, where a number is wanted/);
refuses(padCollate, "the batch is sorted in place", (batch, id) => {
  const right = collate()(batch, id);
  batch.reverse();
  return right;
}, /changed what it was given/);
