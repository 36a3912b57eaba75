import assert from "node:assert/strict";

/** χ² of counts against probabilities, rare tokens taken as one cell, and its critical value at 1e-4 (Wilson & Hilferty 1931). */
export function chiSquare(counts: readonly number[], p: readonly number[]): { value: number; critical: number } {
  const n = counts.reduce((sum, count) => sum + count, 0);
  const cells: [observed: number, expected: number][] = [];
  const rare: [number, number] = [0, 0];
  p.forEach((probability, token) => {
    if (probability === 0) assert.equal(counts[token], 0, `token ${token} has probability 0 and was drawn`);
    if (probability * n >= 5) cells.push([counts[token]!, probability * n]);
    else rare[0] += counts[token]!, (rare[1] += probability * n);
  });
  if (rare[1] > 0) cells.push(rare);
  const value = cells.reduce((sum, [observed, expected]) => sum + (observed - expected) ** 2 / expected, 0);
  const df = Math.max(1, cells.length - 1);
  return { value, critical: df * (1 - 2 / (9 * df) + 3.719 * Math.sqrt(2 / (9 * df))) ** 3 };
}

/** In float64. */
export function logSoftmax(logits: ArrayLike<number>): number[] {
  const x = Array.from(logits);
  const most = Math.max(...x);
  const total = most + Math.log(x.reduce((sum, value) => sum + Math.exp(value - most), 0));
  return x.map((value) => value - total);
}
