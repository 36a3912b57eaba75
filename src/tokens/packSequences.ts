import { multiplesFor, roundUp } from "../engine/buckets";
import { attentionRows, type PackedTree, type PackingOptions } from "./packing";
import { IGNORED, type LabelledRow } from "./sft";
import { tokenTree, type TokenTree } from "./tree";

/** Labelled rows packed as `PackedPairs` packs answers. A prediction that several rows share stands once, and weighs as many. */
export interface PackedSequences extends PackedTree {
  /** Σ of the weights: labels that are learnt. */
  learnt: number;
}

/** Labels of a row that are learnt; that of its first token is not among them, since nothing predicts it. */
export const learntLabels = ({ labels }: LabelledRow): number => labels.reduce((count, label, i) => count + (i > 0 && label !== IGNORED ? 1 : 0), 0);

/** Packs labelled rows into one batch. @throws RangeError for an empty batch, or a row of fewer than two tokens */
export function packSequences(rows: readonly LabelledRow[], { padTokenId, ...multiples }: PackingOptions): PackedSequences {
  const { lengthMultiple, widthMultiple, predictionMultiple, fewRows } = { ...multiplesFor(Infinity), ...multiples };
  if (rows.length === 0) throw new RangeError("packSequences got no rows.");
  const short = rows.findIndex(({ input_ids }) => input_ids.length < 2);
  if (short >= 0) throw new RangeError(`Row ${short} of the batch has ${rows[short]!.input_ids.length} tokens; nothing can be learnt from fewer than 2.`);
  // A row's last token predicts nothing.
  const tree = tokenTree(rows.map(({ input_ids }) => input_ids.slice(0, -1)));
  const tokens = tree.ids.length;
  const length = roundUp(tokens + 1, lengthMultiple);
  const filled = (values: readonly number[], filler: number): Int32Array => Int32Array.from({ length }, (_, token) => values[token] ?? filler);
  return {
    length, tokens, inputIds: filled(tree.ids, padTokenId), positions: filled(tree.positions, 0),
    ...attentionRows(tree, length, 1, widthMultiple, fewRows), ...predictionsOf(rows, tree, predictionMultiple),
  };
}

function predictionsOf(rows: readonly LabelledRow[], tree: TokenTree, multiple: number): Pick<PackedSequences, "predictions" | "sources" | "targets" | "weights" | "learnt"> {
  const found = new Map<string, { source: number; target: number; weight: number }>();
  rows.forEach(({ labels }, i) => labels.forEach((target, t) => {
    if (t === 0 || target === IGNORED) return;
    const source = tree.paths[i]![t - 1]!;
    const key = `${source} ${target}`;
    const known = found.get(key);
    if (known) known.weight++;
    else found.set(key, { source, target, weight: 1 });
  }));
  const list = [...found.values()];
  const predictions = roundUp(Math.max(1, list.length), multiple);
  return {
    predictions, learnt: list.reduce((sum, { weight }) => sum + weight, 0),
    sources: Int32Array.from({ length: predictions }, (_, i) => list[i]?.source ?? 0),
    targets: Int32Array.from({ length: predictions }, (_, i) => list[i]?.target ?? 0),
    weights: Float32Array.from({ length: predictions }, (_, i) => list[i]?.weight ?? 0),
  };
}
