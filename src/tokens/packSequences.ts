import { ROUNDINGS, roundUp } from "../engine/buckets";
import { packTree, type PackedTokens, type PackingOptions } from "./packing";
import { IGNORED, type LabelledRow } from "./sft";
import { tokenTree, type TokenTree } from "./tree";

/**
 * Labelled rows packed to be learnt, without each row's last token, which predicts nothing. Arrays over predictions have
 * `predictions` places; the last ones are filler of weight 0.
 */
export interface PackedSequences extends PackedTokens {
  predictions: number;
  /** The token whose hidden state predicts. */
  sources: Int32Array;
  targets: Int32Array;
  /** How many rows share the prediction, which stands once. */
  weights: Float32Array;
}

/** Labels of a row that are learnt; that of its first token is not among them, since nothing predicts it. */
export const learntLabels = ({ labels }: LabelledRow): number => labels.reduce((count, label, i) => count + (i > 0 && label !== IGNORED ? 1 : 0), 0);

/** Packs labelled rows into one batch. @throws RangeError for an empty batch, or a row of fewer than two tokens */
export function packSequences(rows: readonly LabelledRow[], options: PackingOptions): PackedSequences {
  if (rows.length === 0) throw new RangeError("packSequences got no rows.");
  const short = rows.findIndex(({ input_ids }) => input_ids.length < 2);
  if (short >= 0) throw new RangeError(`Row ${short} of the batch has ${rows[short]!.input_ids.length} tokens; nothing can be learnt from fewer than 2.`);
  const tree = tokenTree(rows.map(({ input_ids }) => input_ids.slice(0, -1)));
  const { predictionMultiple = ROUNDINGS[0]!.predictionMultiple } = options;
  return { ...packTree(tree, 1, options), ...predictionsOf(rows, tree, predictionMultiple) };
}

function predictionsOf(rows: readonly LabelledRow[], { paths }: TokenTree, multiple: number): Pick<PackedSequences, "predictions" | "sources" | "targets" | "weights"> {
  const found = new Map<string, { source: number; target: number; weight: number }>();
  rows.forEach(({ labels }, i) => labels.forEach((target, t) => {
    if (t === 0 || target === IGNORED) return;
    const source = paths[i]![t - 1]!;
    const key = `${source} ${target}`;
    const known = found.get(key);
    if (known) known.weight++;
    else found.set(key, { source, target, weight: 1 });
  }));
  const list = [...found.values()];
  const predictions = roundUp(Math.max(1, list.length), multiple);
  return {
    predictions,
    sources: Int32Array.from({ length: predictions }, (_, i) => list[i]?.source ?? 0),
    targets: Int32Array.from({ length: predictions }, (_, i) => list[i]?.target ?? 0),
    weights: Float32Array.from({ length: predictions }, (_, i) => list[i]?.weight ?? 0),
  };
}
