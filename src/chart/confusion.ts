import type { Figure } from "./figure";
import { heatmap } from "./heatmap";

export interface ConfusionOptions {
  title: string;
  /** What each row is, and what it was taken for: one label a row. */
  actual: readonly (string | number)[];
  predicted: readonly (string | number)[];
  /** The classes in the order shown; by default as they come. */
  labels?: readonly (string | number)[];
  /** What the two sides are called. */
  names?: { actual: string; predicted: string };
  height?: number;
}

/** How often each label was taken for each: [actual][predicted]. @throws RangeError for a label that is not among them */
export function confusionCounts(actual: ConfusionOptions["actual"], predicted: ConfusionOptions["predicted"], labels: readonly (string | number)[]): number[][] {
  if (actual.length !== predicted.length) throw new RangeError(`confusionMatrix: actual has ${actual.length} labels and predicted ${predicted.length}; give one of each for every row.`);
  const place = new Map(labels.map((label, index) => [label, index]));
  const placeOf = (label: string | number, row: number, what: string): number => {
    const index = place.get(label);
    if (index === undefined) throw new RangeError(`confusionMatrix: row ${row} of ${what} is ${JSON.stringify(label)}, which is not among the labels ${labels.join(", ")}.`);
    return index;
  };
  const counts = labels.map(() => labels.map(() => 0));
  actual.forEach((label, row) => counts[placeOf(label, row, "actual")]![placeOf(predicted[row]!, row, "predicted")]!++);
  return counts;
}

/**
 * A confusion matrix: rows are what is, columns what it was taken for. Each cell has its count and its share of the row,
 * and the colour is that share, so that rare classes are seen as well as frequent ones.
 */
export function confusionMatrix(options: ConfusionOptions): Figure {
  const { actual, predicted, names = { actual: "actual", predicted: "predicted" } } = options;
  const labels = options.labels ?? [...new Set([...actual, ...predicted])];
  const counts = confusionCounts(actual, predicted, labels);
  const totals = counts.map((row) => row.reduce((sum, count) => sum + count, 0));
  const shares = counts.map((row, at) => row.map((count) => (totals[at]! > 0 ? count / totals[at]! : NaN)));
  const right = counts.reduce((sum, row, at) => sum + row[at]!, 0);
  const share = actual.length > 0 ? `, ${((100 * right) / actual.length).toFixed(1)} % right` : "";
  return heatmap({
    title: `${options.title}: ${right} of ${actual.length}${share}`, x: { label: names.predicted, names: labels.map(String) }, y: { label: names.actual, names: labels.map((label, at) => `${label} (${totals[at]})`) },
    value: { label: "share of row", range: [0, 1] }, values: shares, height: options.height ?? Math.max(240, 110 + 54 * labels.length),
    texts: counts.map((row, i) => row.map((count, j) => (totals[i]! > 0 ? `${count} (${(100 * shares[i]![j]!).toFixed(0)} %)` : ""))),
  });
}
