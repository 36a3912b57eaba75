import { packTree, type PackedTokens, type PackingOptions } from "./packing";
import type { ScoredRow } from "./rewardRows";
import { sharedLength, tokenTree } from "./tree";

/** Pairs packed to be scored, see PackedTokens: what the texts of a batch share is in it once. */
export interface PackedScores extends PackedTokens {
  pairs: number;
  /** The token that each text is scored at: those of the chosen texts, then those of the rejected, [2 · pairs]. */
  scored: Int32Array;
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

/** Packs pairs into one batch. @throws RangeError for an empty batch, or a text without tokens */
export function packScores(pairs: readonly ScoredRow[], options: PackingOptions): PackedScores {
  if (pairs.length === 0) throw new RangeError("packScores got no pairs.");
  const texts = pairs.flatMap(({ chosen_ids, rejected_ids }) => [chosen_ids, rejected_ids].map((ids) => scoredPart(ids, options.padTokenId)));
  const empty = texts.findIndex(({ length }) => length === 0);
  if (empty >= 0) throw new RangeError(`Pair ${empty >> 1} of the batch has an empty ${empty % 2 === 0 ? "chosen" : "rejected"} text.`);
  const tree = tokenTree(texts);
  const ends = tree.paths.map((path) => path.at(-1)!);
  return { pairs: pairs.length, ...packTree(tree, 2, options), scored: Int32Array.from([0, 1].flatMap((side) => pairs.map((_, i) => ends[2 * i + side]!))) };
}
