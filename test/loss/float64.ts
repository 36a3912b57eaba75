import { RandomSource } from "../../src/engine/random";

/** Rows of normal numbers. */
export function randomRows(rows: number, columns: number, seed: number, scale = 1): number[][] {
  const random = new RandomSource(seed);
  return Array.from({ length: rows }, () => Array.from({ length: columns }, () => scale * random.normal()));
}

export function softmax(logits: readonly number[]): number[] {
  const top = Math.max(...logits);
  const powers = logits.map((x) => Math.exp(x - top));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((x) => x / sum);
}

export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
