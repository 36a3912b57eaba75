import type { BarData, HeatmapData, Layout, LayoutAxis, ScatterData } from "plotly.js-dist-min";

/** The marks this module draws: lines and points, bars, heat maps. */
export type Trace = Partial<ScatterData> | Partial<BarData> | Partial<HeatmapData>;

/** A chart as plotly's figure JSON. As a cell's last value it shows itself. */
export interface Figure {
  data: Trace[];
  layout: Partial<Layout>;
}

/** A row of numbers in any form that notebooks hold them in; NaN and infinities become gaps. */
export type Numbers = ArrayLike<number | null | undefined>;

/** An axis's description. `unit` is written in brackets after the label. */
export interface AxisOptions {
  label: string;
  unit?: string;
  /** A logarithmic axis drops values of zero and below. */
  type?: "linear" | "log";
  /** The lowest and highest value shown, in the data's own units also on a logarithmic axis. */
  range?: [number, number];
}

export type Axis = Partial<LayoutAxis>;

/**
 * Plain numbers with null for a gap: what JSON can hold. They are rounded where nobody can see it, to six significant
 * digits or a hundred-thousandth of the row's spread, whichever is finer.
 */
export function plainNumbers(values: Numbers): (number | null)[] {
  let [low, high] = [Infinity, -Infinity];
  for (let index = 0; index < values.length; index++) {
    const value = values[index];
    if (typeof value !== "number" || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const spread = high > low ? Math.floor(Math.log10(high - low)) : 0;
  return Array.from(values, (value) => {
    if (typeof value !== "number" || !Number.isFinite(value)) return null;
    if (value === 0) return 0;
    const digits = Math.max(6, Math.floor(Math.log10(Math.abs(value))) - spread + 6);
    return Number(value.toPrecision(Math.min(17, digits)));
  });
}

/** A reader's text in plotly's markup, so that `<|im_end|>` stays what it is. */
export function markup(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

/** Throws unless both rows have one length; `what` names the series in the message. */
export function requireSameLength(what: string, x: ArrayLike<unknown>, y: ArrayLike<unknown>): void {
  if (x.length !== y.length) {
    throw new RangeError(`${what}: x has ${x.length} values and y has ${y.length}; give one x for each y.`);
  }
}

/** True for a trace that holds any value. */
export function isDrawn(trace: Trace): boolean {
  const { x, y, z } = trace as { x?: ArrayLike<unknown>; y?: ArrayLike<unknown>; z?: ArrayLike<ArrayLike<unknown>> };
  return z ? z.length > 0 && z[0]!.length > 0 : ((y ?? x)?.length ?? 0) > 0;
}

/** True for anything with plotly's `data` list and `layout`. */
export function isFigure(value: unknown): value is Figure {
  if (typeof value !== "object" || value === null) return false;
  const { data, layout } = value as { data?: unknown; layout?: unknown };
  return Array.isArray(data) && typeof layout === "object" && layout !== null;
}
