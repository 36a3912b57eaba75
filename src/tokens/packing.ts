import type { TokenizedRow } from "./preference";

/** Segment numbers of a packed row: padding, the shared prompt, and the two answers that do not see each other. */
export const SEGMENT = { padding: 0, prompt: 1, chosen: 2, rejected: 3 } as const;

/**
 * Pairs with prompt, chosen and rejected answer in one row each, so that a prompt is computed once for both answers.
 * Arrays over positions are [batch, length] row by row; arrays over predictions have `predictions` places, the last
 * ones filler of weight 0.
 */
export interface PackedPairs {
  batch: number;
  length: number;
  predictions: number;
  /** Tokens of prompts and answers, without padding. */
  tokens: number;
  inputIds: Int32Array;
  segments: Int32Array;
  /** Position within the pair's own text: both answers start where the prompt ends. */
  positions: Int32Array;
  /** Flat position whose hidden state predicts the token. */
  sources: Int32Array;
  targets: Int32Array;
  /** Row of the sum that the prediction belongs to: i for the chosen answer of pair i, batch + i for the rejected one. */
  owners: Int32Array;
  weights: Float32Array;
}

export interface PackingOptions {
  padTokenId: number;
  /** Lengths are rounded up to a multiple of this, so that few shapes are compiled. Default 32. */
  lengthMultiple?: number;
  /** The same for the number of predictions. Default 256. */
  predictionMultiple?: number;
}

/** Tokens that a pair takes in a packed row. */
export function packedLength(row: TokenizedRow): number {
  return row.prompt_input_ids.length + row.chosen_input_ids.length + row.rejected_input_ids.length;
}

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/**
 * Packs tokenised pairs into one batch.
 * @throws RangeError for an empty batch, an empty prompt or an empty answer, with the row's place in the batch
 */
export function packPairs(rows: readonly TokenizedRow[], { padTokenId, lengthMultiple = 32, predictionMultiple = 256 }: PackingOptions): PackedPairs {
  if (rows.length === 0) throw new RangeError("packPairs got no rows.");
  const length = roundUp(Math.max(...rows.map(packedLength)), lengthMultiple);
  const counted = rows.reduce((sum, row) => sum + row.chosen_input_ids.length + row.rejected_input_ids.length, 0);
  const predictions = roundUp(counted, predictionMultiple);
  const packed: PackedPairs = {
    batch: rows.length, length, predictions,
    tokens: rows.reduce((sum, row) => sum + packedLength(row), 0),
    inputIds: new Int32Array(rows.length * length).fill(padTokenId),
    segments: new Int32Array(rows.length * length),
    positions: new Int32Array(rows.length * length),
    sources: new Int32Array(predictions),
    targets: new Int32Array(predictions),
    owners: new Int32Array(predictions),
    weights: new Float32Array(predictions),
  };
  let next = 0;
  rows.forEach((row, i) => {
    const prompt = row.prompt_input_ids;
    const lastOfPrompt = i * length + prompt.length - 1;
    if (prompt.length === 0) throw new RangeError(`Row ${i} of the batch has an empty prompt: nothing predicts the first token of its answers.`);
    place(packed, i * length, prompt, SEGMENT.prompt, 0);
    let start = i * length + prompt.length;
    for (const [ids, segment, owner] of [[row.chosen_input_ids, SEGMENT.chosen, i], [row.rejected_input_ids, SEGMENT.rejected, rows.length + i]] as const) {
      if (ids.length === 0) throw new RangeError(`Row ${i} of the batch has an empty ${owner === i ? "chosen" : "rejected"} answer.`);
      place(packed, start, ids, segment, prompt.length);
      ids.forEach((id, t) => {
        packed.sources[next] = t === 0 ? lastOfPrompt : start + t - 1;
        packed.targets[next] = id;
        packed.owners[next] = owner;
        packed.weights[next] = 1;
        next++;
      });
      start += ids.length;
    }
  });
  return packed;
}

function place(packed: PackedPairs, start: number, ids: readonly number[], segment: number, firstPosition: number): void {
  ids.forEach((id, t) => {
    packed.inputIds[start + t] = id;
    packed.segments[start + t] = segment;
    packed.positions[start + t] = firstPosition + t;
  });
}
