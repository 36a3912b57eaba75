/** Numbers of one column, written so that they can be compared down the column. */

const MINUS = "\u2212";

/** Digits after the point that give a column's largest value four significant digits; undefined where a power of ten reads better. */
function decimalsOf(values: number[]): number | undefined {
  const sizes = values.map(Math.abs).filter((size) => size > 0);
  if (sizes.length === 0 || values.every(Number.isInteger)) return 0;
  const largest = sizes.reduce((a, b) => Math.max(a, b));
  if (largest >= 1e9 || largest < 1e-3) return undefined;
  return Math.min(6, Math.max(0, 3 - Math.floor(Math.log10(largest))));
}

function write(value: number, decimals: number | undefined): string {
  if (Number.isNaN(value)) return "NaN";
  const sign = value < 0 ? MINUS : "";
  const size = Math.abs(value);
  if (size === Infinity) return `${sign}∞`;
  if (decimals === undefined) return value === 0 ? "0" : `${sign}${size.toExponential(3).replace("e-", `e${MINUS}`).replace("e+", "e")}`;
  const [whole, fraction] = size.toFixed(decimals).split(".") as [string, string?];
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, ",") : whole;
  return `${sign}${grouped}${fraction ? `.${fraction}` : ""}`;
}

/** Writes a column's numbers with one number of decimals: the one given, or one that fits the column. */
export function numberWriter(column: readonly unknown[], decimals?: number): (value: number) => string {
  const finite = column.filter((value): value is number => typeof value === "number" && Number.isFinite(value));
  const places = decimals ?? decimalsOf(finite);
  return (value) => write(value, places);
}
