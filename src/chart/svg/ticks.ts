/** Where an axis has its ticks and what they say. */

export interface Tick {
  /** The value on the axis: log10 of the value on a logarithmic axis, the index on an axis of categories. */
  at: number;
  label: string;
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const MINUS = "\u2212";

/** Ten to a power, with a typeset exponent. */
function powerOfTen(exponent: number): string {
  const digits = String(Math.abs(exponent)).replace(/\d/g, (digit) => SUPERSCRIPTS[Number(digit)]!);
  return `10${exponent < 0 ? "⁻" : ""}${digits}`;
}

/** A number for a reader, exact to `step`: thousands apart, very large and very small ones as a power of ten. */
export function formatNumber(value: number, step: number): string {
  if (Math.abs(value) < step / 1e6) return "0";
  const sign = value < 0 ? MINUS : "";
  const size = Math.abs(value);
  const exponent = Math.floor(Math.log10(size) + 1e-9);
  const stepExponent = Math.floor(Math.log10(step) + 1e-9);
  if (exponent >= 6 || exponent < -3) {
    const mantissa = (size / 10 ** exponent).toFixed(Math.min(6, Math.max(0, exponent - stepExponent)));
    return mantissa === "1" ? sign + powerOfTen(exponent) : `${sign}${mantissa}×${powerOfTen(exponent)}`;
  }
  const [whole, fraction] = size.toFixed(Math.min(12, Math.max(0, -stepExponent))).split(".") as [string, string?];
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+$)/g, ",") : whole;
  return sign + (fraction ? `${grouped}.${fraction}` : grouped);
}

/** The step among 1, 2, 5 times a power of ten that gives at most `count` ticks. */
export function niceStep(span: number, count: number): number {
  const rough = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 2, 5]) if (rough <= factor * power * (1 + 1e-9)) return factor * power;
  return 10 * power;
}

/** Ticks of a linear axis. */
export function linearTicks(low: number, high: number, count: number): Tick[] {
  const step = niceStep(high - low, count);
  const ticks: Tick[] = [];
  const last = Math.floor(high / step + 1e-6);
  for (let index = Math.ceil(low / step - 1e-6); index <= last; index++) {
    ticks.push({ at: index * step, label: formatNumber(index * step, step) });
  }
  return ticks;
}

/** Ticks of a logarithmic axis whose ends are given as log10: decades, and 2 and 5 between where there is room. */
export function logTicks(low: number, high: number, count: number): Tick[] {
  if (high - low < 0.7) {
    return linearTicks(10 ** low, 10 ** high, count)
      .filter((tick) => tick.at > 0)
      .map((tick) => ({ at: Math.log10(tick.at), label: tick.label }));
  }
  const decades = Math.floor(high + 1e-9) - Math.ceil(low - 1e-9) + 1;
  const every = Math.max(1, Math.ceil(decades / count));
  const factors = decades * 3 <= count ? [1, 2, 5] : [1];
  const ticks: Tick[] = [];
  for (let exponent = Math.floor(low); exponent <= Math.ceil(high); exponent++) {
    if (exponent % every !== 0) continue;
    for (const factor of factors) {
      const at = exponent + Math.log10(factor);
      if (at < low - 1e-9 || at > high + 1e-9) continue;
      ticks.push({ at, label: formatNumber(factor * 10 ** exponent, factor * 10 ** exponent) });
    }
  }
  return ticks;
}
