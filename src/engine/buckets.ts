/**
 * Sizes to which what varies is rounded. Each new shape of a compiled function costs a compilation, each place too many
 * its computation; these few functions are where the library decides between the two.
 */

/** For jit's `expectedTraces`: the sizes come from here, and as many as there are is as few as pays. */
export const BUCKETED = Infinity;

/** The least multiple that holds the value. */
export const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

/** Up to the next multiple of `least`, or of a quarter of the power of two below where that is more: at most a fifth is padding. */
function roundUpGently(value: number, least: number): number {
  return roundUp(value, Math.max(least, 2 ** Math.floor(Math.log2(Math.max(1, value - 1))) / 4));
}

const BATCHES = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];

/** Rows that are computed for so many sequences. */
export function batchBucket(rows: number): number {
  return BATCHES.find((size) => size >= rows) ?? roundUp(rows, 64);
}

/** Places that prompts of this length get. */
export function promptBucket(length: number): number {
  return roundUpGently(length, 16);
}

/** Places of a cache that must hold this many. */
export function capacityBucket(length: number): number {
  return roundUpGently(length, 64);
}

export interface PackingMultiples {
  /** The number of tokens is rounded up to a multiple of this, so that few shapes are compiled. Default 64. */
  lengthMultiple?: number;
  /** The same for the places in a row of attention. Default 32. */
  widthMultiple?: number;
  /** The same for the number of predictions. Default 64. */
  predictionMultiple?: number;
  /** Whether attention chooses among few numbers of rows. Default false. */
  fewRows?: boolean;
}

/** How lengths can be rounded, finest first: each meets about half as many shapes as the one before it, and pads more. */
export const ROUNDINGS: readonly Required<PackingMultiples>[] = [
  { lengthMultiple: 64, widthMultiple: 32, predictionMultiple: 64, fewRows: false },
  { lengthMultiple: 64, widthMultiple: 32, predictionMultiple: 128, fewRows: true },
  { lengthMultiple: 128, widthMultiple: 64, predictionMultiple: 256, fewRows: true },
  { lengthMultiple: 256, widthMultiple: 128, predictionMultiple: 512, fewRows: true },
  { lengthMultiple: 512, widthMultiple: 256, predictionMultiple: 1024, fewRows: true },
];
const COARSE = 2;

/** Steps from which on finer rounding has saved what the compilation of its more numerous shapes costs. */
const LONG_RUN = 1000;

/**
 * How to round in a run of so many steps. A short one meets few shapes, each of which takes seconds to compile; a long one
 * little padding, but no more shapes than stay compiled: where shapes alternate beyond that, each would be compiled
 * again and again. That costs more than the padding of coarser rounding.
 * @param shapes estimates how many the run meets @param room how many stay compiled
 */
export function roundingFor(steps: number, shapes: (rounding: Required<PackingMultiples>) => number, room: number): Required<PackingMultiples> {
  const candidates = ROUNDINGS.slice(steps < LONG_RUN ? COARSE : 0);
  return candidates.find((rounding) => shapes(rounding) <= room) ?? candidates.at(-1)!;
}

/** The largest divisor of n that is at most `most`. */
export function largestDivisor(n: number, most: number): number {
  for (let divisor = Math.min(n, most); ; divisor--) if (n % divisor === 0) return divisor;
}
