import type { TokenizedRow } from "./preference";

/**
 * Pairs packed into rows. A pair stands in one piece: prompt, chosen answer, rejected answer, so that the prompt is
 * computed once for both; a row holds one pair or several. No token sees another pair, nor the other answer of its own.
 * Arrays over positions are [rows, length] row by row; arrays over predictions have `predictions` places, the last
 * ones filler of weight 0.
 */
export interface PackedPairs {
  pairs: number;
  rows: number;
  length: number;
  predictions: number;
  /** Tokens of prompts and answers, without padding. */
  tokens: number;
  inputIds: Int32Array;
  /** 0 for padding; pair k's prompt is 3k + 1, its chosen answer 3k + 2, its rejected answer 3k + 3. */
  segments: Int32Array;
  /** The segment that a token sees beside its own: its pair's prompt. */
  parents: Int32Array;
  /** Position within the pair's own text: both answers start where the prompt ends. */
  positions: Int32Array;
  /** Flat position whose hidden state predicts the token. */
  sources: Int32Array;
  targets: Int32Array;
  /** Place of the prediction's sum: i for the chosen answer of pair i, pairs + i for the rejected one. */
  owners: Int32Array;
  weights: Float32Array;
}

export interface PackingOptions {
  padTokenId: number;
  /** Lengths are rounded up to a multiple of this, so that few shapes are compiled. Default 64. */
  lengthMultiple?: number;
  /** The same for the number of predictions. Default 256. */
  predictionMultiple?: number;
}

/** Tokens that a pair takes in a packed row. */
export function packedLength(row: TokenizedRow): number {
  return row.prompt_input_ids.length + row.chosen_input_ids.length + row.rejected_input_ids.length;
}

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/** Length of a row at which attention, which grows with its square, costs as much as all else (measured on two cores). */
const BALANCE_LENGTH = 1200;

/** Distributes pairs over rows at the least estimated cost: each pair goes, longest first, to the emptiest row. */
function arrange(lengths: readonly number[], multiple: number): { bins: number[][]; length: number } {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  let best: { bins: number[][]; length: number; cost: number } | null = null;
  for (let count = lengths.length; count >= 1; count--) {
    const bins: number[][] = Array.from({ length: count }, () => []);
    const loads = new Array<number>(count).fill(0);
    for (const i of order) {
      const emptiest = loads.indexOf(Math.min(...loads));
      bins[emptiest]!.push(i);
      loads[emptiest]! += lengths[i]!;
    }
    const length = roundUp(Math.max(...loads), multiple);
    const cost = count * length * (1 + length / BALANCE_LENGTH);
    if (!best || cost < best.cost) best = { bins, length, cost };
  }
  return best!;
}

/**
 * Packs tokenised pairs into one batch.
 * @throws RangeError for an empty batch, an empty prompt or an empty answer, with the pair's place in the batch
 */
export function packPairs(pairs: readonly TokenizedRow[], { padTokenId, lengthMultiple = 64, predictionMultiple = 256 }: PackingOptions): PackedPairs {
  if (pairs.length === 0) throw new RangeError("packPairs got no pairs.");
  pairs.forEach(checkPair);
  const lengths = pairs.map(packedLength);
  const { bins, length } = arrange(lengths, lengthMultiple);
  const tokens = lengths.reduce((sum, n) => sum + n, 0);
  const predictions = roundUp(tokens - pairs.reduce((sum, pair) => sum + pair.prompt_input_ids.length, 0), predictionMultiple);
  const grid = (): Int32Array => new Int32Array(bins.length * length);
  const list = (): Int32Array => new Int32Array(predictions);
  const packed: PackedPairs = {
    pairs: pairs.length, rows: bins.length, length, predictions, tokens,
    inputIds: grid().fill(padTokenId), segments: grid(), parents: grid(), positions: grid(),
    sources: list(), targets: list(), owners: list(), weights: new Float32Array(predictions),
  };
  let next = 0;
  bins.forEach((bin, row) => {
    let start = row * length;
    for (const i of bin) {
      next = placePair(packed, pairs[i]!, i, start, next);
      start += lengths[i]!;
    }
  });
  return packed;
}

function checkPair(pair: TokenizedRow, i: number): void {
  if (pair.prompt_input_ids.length === 0) throw new RangeError(`Pair ${i} of the batch has an empty prompt: nothing predicts the first token of its answers.`);
  for (const side of ["chosen", "rejected"] as const) {
    if (pair[`${side}_input_ids`].length === 0) throw new RangeError(`Pair ${i} of the batch has an empty ${side} answer.`);
  }
}

/** Writes pair `i` from flat position `start` and its predictions from place `next`. @returns the next free place */
function placePair(packed: PackedPairs, pair: TokenizedRow, i: number, start: number, next: number): number {
  const prompt = pair.prompt_input_ids;
  const promptSegment = 3 * i + 1;
  const place = (ids: readonly number[], at: number, segment: number, firstPosition: number): void => ids.forEach((id, t) => {
    packed.inputIds[at + t] = id;
    packed.segments[at + t] = segment;
    packed.parents[at + t] = promptSegment;
    packed.positions[at + t] = firstPosition + t;
  });
  place(prompt, start, promptSegment, 0);
  const lastOfPrompt = start + prompt.length - 1;
  let at = start + prompt.length;
  for (const [ids, segment, owner] of [[pair.chosen_input_ids, promptSegment + 1, i], [pair.rejected_input_ids, promptSegment + 2, packed.pairs + i]] as const) {
    place(ids, at, segment, prompt.length);
    for (const [t, id] of ids.entries()) {
      packed.sources[next] = t === 0 ? lastOfPrompt : at + t - 1;
      packed.targets[next] = id;
      packed.owners[next] = owner;
      packed.weights[next++] = 1;
    }
    at += ids.length;
  }
  return next;
}
