import type { Numbers } from "./figure";

/** Points of one line at most in a figure: more than a chart can show, few enough for a notebook's file. */
const MOST_POINTS = 2000;

/**
 * Exponential moving average, corrected for its start as Adam's moments are (Kingma and Ba, 2015, section 3).
 * `span` is the average's reach in points: weight 1 − 2/(span + 1) stays with the past. Gaps stay gaps.
 */
export function smooth(values: Numbers, span: number): number[] {
  if (!(span >= 1)) throw new RangeError(`smooth: the span is ${span}; give a number of points, 1 or more.`);
  const keep = 1 - 2 / (span + 1);
  let [average, weight] = [0, 0];
  return Array.from(values, (value) => {
    if (typeof value !== "number" || !Number.isFinite(value)) return NaN;
    weight = keep * weight + (1 - keep);
    average += ((1 - keep) / weight) * (value - average);
    return average;
  });
}

/** A span for a curve of that many points: a twelfth of them, none for a short curve. */
export function defaultSpan(count: number): number {
  return count < 12 ? 1 : Math.min(50, Math.round(count / 12) + 1);
}

/**
 * Indices of the points to keep of a long line: of each stretch the lowest and the highest, so that no peak is lost,
 * and the first and the last of all. Values that are not finite are kept, since they are the gaps.
 */
export function keptIndices(values: Numbers, most = MOST_POINTS): number[] {
  const count = values.length;
  if (count <= most) return Array.from({ length: count }, (_, index) => index);
  const stretch = Math.ceil(count / (most / 2));
  const kept = new Set([0, count - 1]);
  for (let from = 0; from < count; from += stretch) {
    let [lowest, highest, gap] = [-1, -1, -1];
    for (let index = from; index < Math.min(count, from + stretch); index++) {
      const value = values[index];
      if (typeof value !== "number" || !Number.isFinite(value)) gap = index;
      else {
        if (lowest < 0 || value < values[lowest]!) lowest = index;
        if (highest < 0 || value > values[highest]!) highest = index;
      }
    }
    for (const index of [lowest, highest, gap]) if (index >= 0) kept.add(index);
  }
  return [...kept].sort((a, b) => a - b);
}
