import type { TokenizedRow } from "./preference";

/** A batch of pairs: every array is [batch, longest of its column]; a mask is 1 for tokens and 0 for padding. */
export interface PreferenceBatch extends CollatedColumns {
  prompt_attn_mask: number[][];
  chosen_attn_mask: number[][];
  rejected_attn_mask: number[][];
}

interface CollatedColumns {
  prompt_input_ids: number[][];
  chosen_input_ids: number[][];
  rejected_input_ids: number[][];
}

/** Fills sequences up to the longest of them, on the given side; no sequences give none. */
export function pad(sequences: readonly (readonly number[])[], value: number, side: "left" | "right"): number[][] {
  if (side !== "left" && side !== "right") throw new TypeError(`pad's side is "left" or "right", not ${JSON.stringify(side)}.`);
  if (typeof value !== "number") throw new TypeError(`pad's value is a number, not ${value === null ? "null" : typeof value}.`);
  const longest = Math.max(0, ...sequences.map(({ length }) => length));
  return sequences.map((sequence) => {
    const filling = new Array<number>(longest - sequence.length).fill(value);
    return side === "left" ? [...filling, ...sequence] : [...sequence, ...filling];
  });
}

/**
 * Makes a batch of tokenised pairs. Prompts are padded on the left, so that every prompt ends where its answer begins; answers on the right.
 * @throws for an empty batch, a row without a column, or a column without tokens
 */
export function padCollate(batch: readonly TokenizedRow[], padTokenId: number): PreferenceBatch {
  if (batch.length === 0) throw new RangeError("padCollate got an empty batch.");
  if (!Number.isInteger(padTokenId) || padTokenId < 0) throw new TypeError(`padCollate's padTokenId is ${padTokenId}; a token's id is needed (tokenizer.padTokenId).`);
  const column = (name: keyof TokenizedRow): readonly number[][] =>
    batch.map((row, index) => {
      const ids = row[name];
      if (!Array.isArray(ids) || ids.length === 0) throw new TypeError(`Row ${index} of the batch has ${Array.isArray(ids) ? "no tokens in" : "no"} ${name}.`);
      return ids;
    });
  const both = (name: keyof TokenizedRow, side: "left" | "right"): [number[][], number[][]] => {
    const sequences = column(name);
    const ones = sequences.map(({ length }) => new Array<number>(length).fill(1));
    return [pad(sequences, padTokenId, side), pad(ones, 0, side)];
  };
  const [promptIds, promptMask] = both("prompt_input_ids", "left");
  const [chosenIds, chosenMask] = both("chosen_input_ids", "right");
  const [rejectedIds, rejectedMask] = both("rejected_input_ids", "right");
  return {
    prompt_input_ids: promptIds,
    prompt_attn_mask: promptMask,
    chosen_input_ids: chosenIds,
    chosen_attn_mask: chosenMask,
    rejected_input_ids: rejectedIds,
    rejected_attn_mask: rejectedMask,
  };
}
