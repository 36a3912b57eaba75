import type { TokenizedRow } from "./preference";

/**
 * Pairs packed into one sequence of tokens, one after the other: prompt, chosen answer, rejected answer, so that a prompt
 * is computed once for both. All that works token by token runs over this sequence, with next to no padding. Attention
 * alone needs rows: there each pair stands in one piece of one row, and short pairs may share a row.
 *
 * Arrays over tokens have `length` places, arrays over the rows of attention `rows` × `width`, row by row, arrays over
 * predictions `predictions` places. At least one place of the first two is padding; the last predictions are filler of
 * weight 0.
 */
export interface PackedPairs {
  pairs: number;
  /** Places for tokens. */
  length: number;
  /** Rows of attention, and places in each. */
  rows: number;
  width: number;
  predictions: number;
  /** Tokens of prompts and answers, without padding. */
  tokens: number;
  inputIds: Int32Array;
  /** Position within the pair's own text: both answers start where the prompt ends. */
  positions: Int32Array;
  /** The place among the rows, row · width + column, at which each token stands. */
  slots: Int32Array;
  /** The token that stands at each place of the rows; at padding, the last one, which is padding too. */
  tokenOf: Int32Array;
  /** Over the rows: 0 for padding; pair k's prompt is 3k + 1, its chosen answer 3k + 2, its rejected answer 3k + 3. */
  segments: Int32Array;
  /** Over the rows: the segment that a token sees beside its own, its pair's prompt. */
  parents: Int32Array;
  /** The token whose hidden state predicts. */
  sources: Int32Array;
  targets: Int32Array;
  /** Place of the prediction's sum: i for the chosen answer of pair i, pairs + i for the rejected one. */
  owners: Int32Array;
  weights: Float32Array;
}

export interface PackingOptions {
  padTokenId: number;
  /** The number of tokens is rounded up to a multiple of this, so that few shapes are compiled. Default 128. */
  lengthMultiple?: number;
  /** The same for the places in a row of attention. Default 64. */
  widthMultiple?: number;
  /** The same for the number of predictions. Default 256. */
  predictionMultiple?: number;
}

/** Tokens that a pair takes in a packed batch. */
export function packedLength(row: TokenizedRow): number {
  return row.prompt_input_ids.length + row.chosen_input_ids.length + row.rejected_input_ids.length;
}

const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/** Width of a row at which attention's scores, which grow with its square, cost as much as what grows with the width. */
const BALANCE_WIDTH = 100;

/** Distributes pairs over rows at the least estimated cost: each pair goes, longest first, to the emptiest row. */
function arrange(lengths: readonly number[], multiple: number): { bins: number[][]; width: number } {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  let best: { bins: number[][]; width: number; cost: number } | null = null;
  for (let count = lengths.length; count >= 1; count--) {
    const bins: number[][] = Array.from({ length: count }, () => []);
    const loads = new Array<number>(count).fill(0);
    for (const i of order) {
      const emptiest = loads.indexOf(Math.min(...loads));
      bins[emptiest]!.push(i);
      loads[emptiest]! += lengths[i]!;
    }
    // One place more: somewhere padding must stand.
    const width = roundUp(Math.max(...loads) + 1, multiple);
    const cost = count * width * (width + BALANCE_WIDTH);
    if (!best || cost < best.cost) best = { bins, width, cost };
  }
  return best!;
}

/**
 * Packs tokenised pairs into one batch.
 * @throws RangeError for an empty batch, an empty prompt or an empty answer, with the pair's place in the batch
 */
export function packPairs(pairs: readonly TokenizedRow[], { padTokenId, lengthMultiple = 128, widthMultiple = 64, predictionMultiple = 256 }: PackingOptions): PackedPairs {
  if (pairs.length === 0) throw new RangeError("packPairs got no pairs.");
  pairs.forEach(checkPair);
  const lengths = pairs.map(packedLength);
  const { bins, width } = arrange(lengths, widthMultiple);
  const tokens = lengths.reduce((sum, n) => sum + n, 0);
  const length = roundUp(tokens + 1, lengthMultiple);
  const predictions = roundUp(tokens - pairs.reduce((sum, pair) => sum + pair.prompt_input_ids.length, 0), predictionMultiple);
  const places = bins.length * width;
  const list = (): Int32Array => new Int32Array(predictions);
  const packed: PackedPairs = {
    pairs: pairs.length, length, rows: bins.length, width, predictions, tokens,
    inputIds: new Int32Array(length).fill(padTokenId), positions: new Int32Array(length), slots: new Int32Array(length).fill(width - 1),
    tokenOf: new Int32Array(places).fill(length - 1), segments: new Int32Array(places), parents: new Int32Array(places),
    sources: list(), targets: list(), owners: list(), weights: new Float32Array(predictions),
  };
  const slotOf = new Array<number>(pairs.length);
  bins.forEach((bin, row) => {
    let slot = row * width;
    for (const i of bin) {
      slotOf[i] = slot;
      slot += lengths[i]!;
    }
  });
  let start = 0;
  let prediction = 0;
  pairs.forEach((pair, i) => {
    prediction = placePair(packed, pair, i, { start, slot: slotOf[i]!, prediction });
    start += lengths[i]!;
  });
  return packed;
}

function checkPair(pair: TokenizedRow, i: number): void {
  if (pair.prompt_input_ids.length === 0) throw new RangeError(`Pair ${i} of the batch has an empty prompt: nothing predicts the first token of its answers.`);
  for (const side of ["chosen", "rejected"] as const) {
    if (pair[`${side}_input_ids`].length === 0) throw new RangeError(`Pair ${i} of the batch has an empty ${side} answer.`);
  }
}

/** Writes pair `i` from token `start`, place `slot` among the rows and prediction `prediction` on. @returns the next free prediction */
function placePair(packed: PackedPairs, pair: TokenizedRow, i: number, { start, slot, prediction }: { start: number; slot: number; prediction: number }): number {
  const prompt = pair.prompt_input_ids;
  const promptSegment = 3 * i + 1;
  const place = (ids: readonly number[], at: number, segment: number, firstPosition: number): void => ids.forEach((id, t) => {
    const row = slot + at - start + t;
    packed.inputIds[at + t] = id;
    packed.positions[at + t] = firstPosition + t;
    packed.slots[at + t] = row;
    packed.tokenOf[row] = at + t;
    packed.segments[row] = segment;
    packed.parents[row] = promptSegment;
  });
  place(prompt, start, promptSegment, 0);
  const lastOfPrompt = start + prompt.length - 1;
  let at = start + prompt.length;
  let next = prediction;
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
