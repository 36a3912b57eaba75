import type { Numbers } from "./figure";
import { niceStep } from "./svg/ticks";

/** The finite numbers of a row. */
export function finite(values: Numbers): number[] {
  return Array.from(values).filter((value): value is number => typeof value === "number" && Number.isFinite(value));
}

export function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The value below which a share of a sorted row lies, interpolated linearly. */
export function quantile(sorted: number[], share: number): number {
  const place = (sorted.length - 1) * share;
  const below = Math.floor(place);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (sorted[above]! - sorted[below]!) * (place - below);
}

/**
 * Edges of bins that several samples share, on round numbers. Width after Freedman and Diaconis (1981),
 * 2·IQR/∛n, of the largest sample; between 8 and 80 bins, or as many as asked for.
 */
export function sharedEdges(samples: number[][], bins?: number): number[] {
  const all = samples.flat();
  if (all.length === 0) return [0, 1];
  const low = all.reduce((a, b) => Math.min(a, b));
  const high = all.reduce((a, b) => Math.max(a, b));
  if (low === high) {
    const half = Math.abs(low) * 0.05 || 0.5;
    return [low - half, low + half];
  }
  if (bins !== undefined) {
    if (!Number.isInteger(bins) || bins < 1) throw new RangeError(`histogram: bins is ${bins}; give a whole number of 1 or more.`);
    return Array.from({ length: bins + 1 }, (_, index) => low + ((high - low) * index) / bins);
  }
  const largest = samples.reduce((a, b) => (b.length > a.length ? b : a)).toSorted((a, b) => a - b);
  const spread = quantile(largest, 0.75) - quantile(largest, 0.25);
  const wished = (high - low) / ((2 * spread) / Math.cbrt(largest.length) || Infinity);
  const step = niceStep(high - low, Math.min(80, Math.max(8, wished || 8)));
  const first = Math.floor(low / step + 1e-9);
  const last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, index) => Number(((first + index) * step).toPrecision(12)));
}

/** How many values lie in each bin; a value on an edge belongs to the bin above, on the last edge to the last bin. */
export function countInBins(values: number[], edges: number[]): number[] {
  const counts = new Array<number>(edges.length - 1).fill(0);
  const width = (edges.at(-1)! - edges[0]!) / counts.length;
  for (const value of values) {
    let bin = Math.min(counts.length - 1, Math.max(0, Math.floor((value - edges[0]!) / width)));
    if (bin + 1 < counts.length && value >= edges[bin + 1]!) bin++;
    else if (bin > 0 && value < edges[bin]!) bin--;
    counts[bin]!++;
  }
  return counts;
}
