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

/** Plain numbers with null for a gap, at six significant digits: what JSON can hold, and no longer than it need be. */
export function plainNumbers(values: Numbers): (number | null)[] {
  return Array.from(values, (value) =>
    typeof value === "number" && Number.isFinite(value) ? Number(value.toPrecision(6)) : null,
  );
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

/** True for anything with plotly's `data` list and `layout`. */
export function isFigure(value: unknown): value is Figure {
  if (typeof value !== "object" || value === null) return false;
  const { data, layout } = value as { data?: unknown; layout?: unknown };
  return Array.isArray(data) && typeof layout === "object" && layout !== null;
}
