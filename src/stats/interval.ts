/** A mean or share, and between which bounds it lies. */
export interface Interval {
  mean: number;
  low: number;
  high: number;
}

const NORMAL = 1.959963984540054;

/**
 * The 97.5 % point of Student's t distribution: closed forms for 1 and 2 degrees of freedom, else the expansion about the
 * normal quantile (Abramowitz and Stegun 1964, eq. 26.7.5), off by less than 0.2 %.
 */
export function studentT(freedom: number): number {
  if (freedom === 1) return 12.706204736432095;
  if (freedom === 2) return 4.302652729911275;
  const z = NORMAL;
  const terms = [
    (z ** 3 + z) / 4,
    (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96,
    (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384,
    (79 * z ** 9 + 776 * z ** 7 + 1482 * z ** 5 - 1920 * z ** 3 - 945 * z) / 92160,
  ];
  return terms.reduce((sum, term, index) => sum + term / freedom ** (index + 1), z);
}

/** A mean with its 95 % interval by Student's t; of a single value the interval is that value. */
export function meanInterval(values: readonly number[]): Interval {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count < 2) return { mean, low: mean, high: mean };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const half = studentT(count - 1) * Math.sqrt(variance / count);
  return { mean, low: mean - half, high: mean + half };
}

/** The 95 % interval of a share after Wilson (1927), which stays within 0 and 1 and serves few cases too. */
export function wilson(share: number, count: number): { low: number; high: number } {
  const z2 = NORMAL ** 2;
  const centre = (share + z2 / (2 * count)) / (1 + z2 / count);
  const half = (NORMAL / (1 + z2 / count)) * Math.sqrt((share * (1 - share)) / count + z2 / (4 * count ** 2));
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}
