import { ROUNDINGS, roundUp, type PackingMultiples } from "../engine/buckets";
import { arrange, type Arrangement } from "./arrange";
import type { TokenizedRow } from "./preference";
import { tokenTree, type TokenTree } from "./tree";

/**
 * Sequences packed into one sequence of tokens in which a beginning that several share, be it a pair's prompt or the system
 * message of all prompts, stands once: a tree in depth-first order. All that works token by token runs over this
 * sequence. Attention alone needs rows: there each sequence's own tokens stand with all that comes before them.
 *
 * Arrays over tokens have `length` places, those over attention `rows` × `queryWidth` or × `keyWidth`, row by row. The last
 * token is padding and fills what is left of the rows.
 */
export interface PackedTokens {
  /** Places for tokens. */
  length: number;
  /** Rows of attention, and places in each for tokens that look and for tokens that are seen. */
  rows: number;
  queryWidth: number;
  keyWidth: number;
  /** Tokens that are computed, without padding. */
  tokens: number;
  inputIds: Int32Array;
  /** Position within the sequences that a token belongs to. */
  positions: Int32Array;
  /** The token at each place for queries. Each token, padding aside, has one. */
  queries: Int32Array;
  /** The place among the queries of each token. */
  places: Int32Array;
  /** The token at each place for keys. */
  keys: Int32Array;
  /** The last token that sees it: a query q sees a key k where k ≤ q ≤ last. */
  lasts: Int32Array;
}

/**
 * Preference pairs packed for log-probabilities: the sequences are each answer behind its prompt, without the answer's last
 * token, which predicts nothing. Arrays over predictions have `predictions` places; the last ones are filler of weight 0.
 */
export interface PackedPairs extends PackedTokens {
  pairs: number;
  predictions: number;
  /** The token whose hidden state predicts. */
  sources: Int32Array;
  targets: Int32Array;
  /** Place of the prediction's sum: i for the chosen answer of pair i, pairs + i for the rejected one. */
  owners: Int32Array;
  weights: Float32Array;
}

export interface PackingOptions extends PackingMultiples {
  padTokenId: number;
}

/** Tokens of a pair, its prompt counted once. */
export function packedLength(row: TokenizedRow): number {
  return row.prompt_input_ids.length + row.chosen_input_ids.length + row.rejected_input_ids.length;
}

/**
 * Packs a tree of sequences into one batch.
 * @param groupSize sequences that follow each other and may share a row of attention, such as a prompt's two answers
 */
export function packTree(tree: TokenTree, groupSize: number, { padTokenId, ...multiples }: PackingOptions): PackedTokens {
  const { lengthMultiple, widthMultiple, fewRows } = { ...ROUNDINGS[0]!, ...multiples };
  const tokens = tree.ids.length;
  const length = roundUp(tokens + 1, lengthMultiple);
  const filled = (values: readonly number[], filler: number): Int32Array => Int32Array.from({ length }, (_, token) => values[token] ?? filler);
  return {
    length, tokens, inputIds: filled(tree.ids, padTokenId), positions: filled(tree.positions, 0),
    ...attentionRows(tree, length, arrange(tree, groupSize, widthMultiple, fewRows)),
  };
}

/**
 * Packs tokenised pairs into one batch.
 * @throws RangeError for an empty batch, an empty prompt or an empty answer, with the pair's place in the batch
 */
export function packPairs(pairs: readonly TokenizedRow[], options: PackingOptions): PackedPairs {
  if (pairs.length === 0) throw new RangeError("packPairs got no pairs.");
  pairs.forEach(checkPair);
  const answers = pairs.flatMap((pair, i) => [
    { prompt: pair.prompt_input_ids, ids: pair.chosen_input_ids, owner: i },
    { prompt: pair.prompt_input_ids, ids: pair.rejected_input_ids, owner: pairs.length + i },
  ]);
  return { pairs: pairs.length, ...packAnswers(answers, 2, options) };
}

/** An answer behind its prompt; `owner` is what its predictions are summed under. */
export interface OwnedAnswer {
  prompt: readonly number[];
  ids: readonly number[];
  owner: number;
}

/**
 * Packs answers for the log-probability of each of their tokens; predictions follow each other in the order given.
 * @param answers none of them empty, nor a prompt @param groupSize answers that follow each other and may share a row of attention
 */
export function packAnswers(answers: readonly OwnedAnswer[], groupSize: number, options: PackingOptions): Omit<PackedPairs, "pairs"> {
  const tree = tokenTree(answers.map(({ prompt, ids }) => [...prompt, ...ids.slice(0, -1)]));
  const { predictionMultiple = ROUNDINGS[0]!.predictionMultiple } = options;
  return { ...packTree(tree, groupSize, options), ...predictionsOf(answers, tree, predictionMultiple) };
}

function checkPair(pair: TokenizedRow, i: number): void {
  if (pair.prompt_input_ids.length === 0) throw new RangeError(`Pair ${i} of the batch has an empty prompt: nothing predicts the first token of its answers.`);
  for (const side of ["chosen", "rejected"] as const) {
    if (pair[`${side}_input_ids`].length === 0) throw new RangeError(`Pair ${i} of the batch has an empty ${side} answer.`);
  }
}

function attentionRows(tree: TokenTree, length: number, { rows, queryWidth, keyWidth }: Arrangement): Pick<PackedTokens, "rows" | "queryWidth" | "keyWidth" | "queries" | "places" | "keys" | "lasts"> {
  const padding = length - 1;
  const queries = new Int32Array(rows.length * queryWidth).fill(padding);
  const keys = new Int32Array(rows.length * keyWidth).fill(padding);
  rows.forEach((row, i) => {
    queries.set(row.queries, i * queryWidth);
    keys.set(row.keys, i * keyWidth);
  });
  const places = new Int32Array(length).fill(queries.indexOf(padding));
  queries.forEach((token, place) => {
    if (token !== padding) places[token] = place;
  });
  return { rows: rows.length, queryWidth, keyWidth, queries, places, keys, lasts: keys.map((token) => tree.lasts[token] ?? padding) };
}

function predictionsOf(answers: readonly OwnedAnswer[], tree: TokenTree, multiple: number): Pick<PackedPairs, "predictions" | "sources" | "targets" | "owners" | "weights"> {
  const predictions = roundUp(answers.reduce((sum, { ids }) => sum + ids.length, 0), multiple);
  const [sources, targets, owners] = [new Int32Array(predictions), new Int32Array(predictions), new Int32Array(predictions)];
  const weights = new Float32Array(predictions);
  let next = 0;
  answers.forEach(({ prompt, ids, owner }, i) => ids.forEach((id, t) => {
    sources[next] = tree.paths[i]![prompt.length - 1 + t]!;
    targets[next] = id;
    owners[next] = owner;
    weights[next++] = 1;
  }));
  return { predictions, sources, targets, owners, weights };
}
