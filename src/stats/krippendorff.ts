/** What differences between values mean: none but that they differ, their order, or their distance. */
export type MeasurementLevel = "nominal" | "ordinal" | "interval";

const LEVELS: readonly MeasurementLevel[] = ["nominal", "ordinal", "interval"];

/** The values that occur, sorted, and how often two of them are met in one unit, o_ck of Krippendorff 2011. */
interface Coincidences {
  values: number[];
  counts: number[][];
}

/**
 * Krippendorff's α (Krippendorff 2011, "Computing Krippendorff's alpha-reliability"): 1 − D_o/D_e, agreement beyond chance
 * between any number of raters, some of whom may have left units out. 1 is perfect, 0 what chance would give, below 0 is
 * disagreement by system. A unit with a single value is left out. NaN where all values are the same: nothing varies.
 * @param ratings [raters][units]; null or NaN where a rater has no value
 * @throws RangeError for raters with different numbers of units, or no unit with two values
 */
export function krippendorffAlpha(ratings: readonly (readonly (number | null)[])[], level: MeasurementLevel = "nominal"): number {
  if (!LEVELS.includes(level)) throw new RangeError(`level is ${JSON.stringify(level)}; one of ${LEVELS.join(", ")} is needed.`);
  const units = ratings[0]?.length ?? 0;
  const odd = ratings.findIndex((row) => row.length !== units);
  if (odd >= 0) throw new RangeError(`Rater ${odd} has ${ratings[odd]!.length} values, rater 0 has ${units}; each needs one for every unit, null where it is missing.`);
  const { values, counts } = coincidences(ratings, units);
  const totals = counts.map((row) => row.reduce((a, b) => a + b));
  const distance = distances(level, values, totals);
  const sum = (weight: (c: number, k: number) => number): number => values.reduce((all, _, c) => all + values.reduce((row, __, k) => row + weight(c, k) * distance(c, k), 0), 0);
  const observed = sum((c, k) => counts[c]![k]!);
  const expected = sum((c, k) => totals[c]! * totals[k]!) / (totals.reduce((a, b) => a + b) - 1);
  return 1 - observed / expected;
}

function coincidences(ratings: readonly (readonly (number | null)[])[], units: number): Coincidences {
  const byUnit = Array.from({ length: units }, (_, unit) => ratings.map((row) => row[unit]).filter((value): value is number => typeof value === "number" && !Number.isNaN(value)));
  const pairable = byUnit.filter((values) => values.length > 1);
  if (pairable.length === 0) throw new RangeError("No unit has values of two raters, so there is nothing to compare.");
  const values = [...new Set(pairable.flat())].sort((a, b) => a - b);
  const place = new Map(values.map((value, i) => [value, i]));
  const counts = values.map(() => new Array<number>(values.length).fill(0));
  for (const unit of pairable) {
    unit.forEach((c, i) => unit.forEach((k, j) => {
      if (i !== j) counts[place.get(c)!]![place.get(k)!]! += 1 / (unit.length - 1);
    }));
  }
  return { values, counts };
}

/** The squared difference δ²_ck between the values number c and k. */
function distances(level: MeasurementLevel, values: readonly number[], totals: readonly number[]): (c: number, k: number) => number {
  if (level === "nominal") return (c, k) => (c === k ? 0 : 1);
  if (level === "interval") return (c, k) => (values[c]! - values[k]!) ** 2;
  return (c, k) => {
    const [low, high] = [Math.min(c, k), Math.max(c, k)];
    const between = totals.slice(low, high + 1).reduce((a, b) => a + b);
    return (between - (totals[c]! + totals[k]!) / 2) ** 2;
  };
}
