import { quantile } from "../stats/quantile";
import type { Numbers } from "./figure";

/** The round number nearest to a width: 1, 2, 2.5 or 5 times a power of ten. */
function roundWidth(width: number): number {
  const power = 10 ** Math.floor(Math.log10(width));
  const candidates = [1, 2, 2.5, 5, 10].map((factor) => factor * power);
  return candidates.reduce((a, b) => (Math.abs(Math.log(b / width)) < Math.abs(Math.log(a / width)) ? b : a));
}

/** The finite numbers of a row. */
export function finite(values: Numbers): number[] {
  return Array.from(values).filter((value): value is number => typeof value === "number" && Number.isFinite(value));
}

export function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Edges of bins that several samples share, on round numbers. Width after Freedman and Diaconis (1981),
 * 2·IQR/∛n, of the largest sample; between about 10 and 80 bins, or as many as asked for; whole numbers have their own bins
 * where they are few.
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
  const largest = [...samples.reduce((a, b) => (b.length > a.length ? b : a))].sort((a, b) => a - b);
  const spread = quantile(largest, 0.75) - quantile(largest, 0.25);
  const wished = (high - low) / ((2 * spread) / Math.cbrt(largest.length) || Infinity);
  const step = roundWidth((high - low) / Math.min(80, Math.max(10, wished || 10)));
  if (step <= 1 && all.every(Number.isInteger)) {
    return Array.from({ length: high - low + 2 }, (_, index) => low + index - 0.5);
  }
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
