import { packTree, type PackedTokens, type PackingOptions } from "./packing";
import type { ScoredRow } from "./rewardRows";
import { sharedLength, tokenTree } from "./tree";

/** Texts packed to be scored, see PackedTokens: what they share is in it once. */
export interface PackedTexts extends PackedTokens {
  /** The token that each text is scored at, in their order. */
  scored: Int32Array;
}

/** Pairs packed to be scored; `scored` holds the chosen texts, then the rejected, [2 · pairs]. */
export interface PackedScores extends PackedTexts {
  pairs: number;
}

/** The part of a text that its score depends on: nothing behind its last token that is not padding. */
function scoredPart(ids: readonly number[], padTokenId: number): readonly number[] {
  let end = ids.length;
  while (end > 1 && ids[end - 1] === padTokenId) end--;
  return ids.slice(0, end);
}

/** Tokens of a pair, the beginning that its two texts share counted once. */
export function scoredLength({ chosen_ids: chosen, rejected_ids: rejected }: ScoredRow): number {
  return chosen.length + rejected.length - sharedLength(chosen, rejected);
}

/**
 * Packs texts into one batch.
 * @param groupSize texts that follow each other and may share a row of attention, such as answers to one prompt
 * @throws RangeError for an empty batch, or a text without tokens
 */
export function packTexts(texts: readonly (readonly number[])[], groupSize: number, options: PackingOptions): PackedTexts {
  if (texts.length === 0) throw new RangeError("packTexts got no texts.");
  const parts = texts.map((ids) => scoredPart(ids, options.padTokenId));
  const empty = parts.findIndex(({ length }) => length === 0);
  if (empty >= 0) throw new RangeError(`Text ${empty} of the batch is empty.`);
  const tree = tokenTree(parts);
  return { ...packTree(tree, groupSize, options), scored: Int32Array.from(tree.paths, (path) => path.at(-1)!) };
}

/** Packs pairs into one batch. @throws RangeError for an empty batch, or a text without tokens */
export function packScores(pairs: readonly ScoredRow[], options: PackingOptions): PackedScores {
  if (pairs.length === 0) throw new RangeError("packScores got no pairs.");
  const texts = pairs.flatMap(({ chosen_ids, rejected_ids }) => [chosen_ids, rejected_ids]);
  const empty = texts.findIndex(({ length }) => length === 0);
  if (empty >= 0) throw new RangeError(`Pair ${empty >> 1} of the batch has an empty ${empty % 2 === 0 ? "chosen" : "rejected"} text.`);
  const packed = packTexts(texts, 2, options);
  return { ...packed, pairs: pairs.length, scored: Int32Array.from([0, 1].flatMap((side) => pairs.map((_, i) => packed.scored[2 * i + side]!))) };
}
