import { RandomSource } from "../engine/random";

/** The rows in an order that depends on the seed only (Fisher–Yates over `RandomSource`). */
export function shuffleRows<T>(rows: readonly T[], seed: number): T[] {
  return new RandomSource(seed).shuffled(rows);
}

/**
 * Shuffles rows and holds some out.
 * @param testSize how many to hold out: a share between 0 and 1, or a whole number of rows
 * @throws when either part would be empty
 */
export function splitRows<T>(rows: readonly T[], { testSize, seed }: { testSize: number; seed: number }): { train: T[]; test: T[] } {
  const isShare = testSize > 0 && testSize < 1;
  if (!isShare && !(Number.isInteger(testSize) && testSize > 0)) throw new RangeError(`testSize is ${testSize}; a share between 0 and 1, or a whole number of rows, is needed.`);
  const held = isShare ? Math.ceil(rows.length * testSize) : testSize;
  if (held === 0 || held >= rows.length) throw new RangeError(`Of ${rows.length} rows, ${held} cannot be held out: both parts need at least one.`);
  const shuffled = shuffleRows(rows, seed);
  return { train: shuffled.slice(held), test: shuffled.slice(0, held) };
}
