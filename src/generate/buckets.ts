const BATCHES = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];

/** Rows that are computed for this many sequences: compiled functions exist for few sizes and are used again. */
export function batchBucket(rows: number): number {
  return BATCHES.find((size) => size >= rows) ?? Math.ceil(rows / 64) * 64;
}

/** Places that prompts of this length get: steps grow with the length, so that at most a fifth is padding beyond 64. */
export function promptBucket(length: number): number {
  return roundUp(length, 16);
}

/** Places of a cache that must hold this many. */
export function capacityBucket(length: number): number {
  return roundUp(length, 64);
}

/** Up to the next multiple of `least`, or of an eighth of the power of two below where that is more. */
function roundUp(length: number, least: number): number {
  const step = Math.max(least, 2 ** Math.floor(Math.log2(Math.max(1, length - 1))) / 4);
  return Math.ceil(length / step) * step;
}
