import type { Axis, Trace } from "../figure";
import { barExtent } from "./bar";
import { heatmapExtent } from "./heatmap";
import { scatterExtent } from "./scatter";
import { linearTicks, logTicks, type Tick } from "./ticks";

export type Letter = "x" | "y";
export type Value = number | string | null | undefined;

/** An axis ready to draw with: from values to its own units (`unit`), and from those to a share of its length (`share`). */
export interface Scale {
  kind: "linear" | "log" | "category";
  low: number;
  high: number;
  categories: string[];
  options: Axis;
  /** A value in the axis's units: log10 on a logarithmic axis, an index among categories; NaN where it has no place. */
  unit(value: Value): number;
  /** 0 at the axis's low end and 1 at its high end. */
  share(value: Value): number;
  ticks(length: number): Tick[];
}

/** What a trace needs of an axis. `edge` marks an end that must not be padded: a bar's foot, a heat map's side. */
export interface Extent {
  values: Value[];
  edges?: boolean;
  /** True where zero belongs to the range and is its floor, as under bars. */
  zero?: boolean;
  /** Room wanted beyond the ends for texts, as a share of the range. */
  room?: number;
}

function extentOf(trace: Trace, letter: Letter): Extent {
  if (trace.type === "bar") return barExtent(trace, letter);
  if (trace.type === "heatmap") return heatmapExtent(trace, letter);
  return scatterExtent(trace, letter);
}

/** A range wide enough to draw on: room around the data, and some width where all values are one. */
function paddedRange(extents: Extent[], unit: (value: Value) => number, letter: Letter): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const extent of extents) {
    for (const value of extent.values) {
      const at = unit(value);
      if (Number.isNaN(at)) continue;
      low = Math.min(low, at);
      high = Math.max(high, at);
    }
  }
  if (low > high) return [0, 1];
  const tight = extents.every((extent) => extent.edges);
  const floor = extents.some((extent) => extent.zero);
  if (low === high) {
    const half = letter === "x" && Number.isInteger(low) ? 1 : Math.abs(low) * 0.1 || 1;
    return floor && low >= 0 ? [0, high + half] : [low - half, high + half];
  }
  const room = Math.max(letter === "x" ? 0.02 : 0.06, ...extents.map((extent) => extent.room ?? 0));
  const pad = tight ? 0 : (high - low) * room;
  const lowPad = floor && low === 0 ? 0 : pad;
  const highPad = floor && high === 0 ? 0 : pad;
  return [low - lowPad, high + highPad];
}

function linearOrLog(options: Axis, extents: Extent[], letter: Letter): Pick<Scale, "kind" | "low" | "high" | "unit"> {
  const log = options.type === "log";
  const unit = (value: Value): number => {
    if (typeof value !== "number" || !Number.isFinite(value)) return NaN;
    if (!log) return value;
    return value > 0 ? Math.log10(value) : NaN;
  };
  const range = options.range as [number, number] | undefined;
  let [low, high] = range ?? paddedRange(extents, unit, letter);
  if (!range && options.rangemode === "tozero" && !log) [low, high] = [Math.min(0, low), Math.max(0, high)];
  if (!(Math.abs(high - low) > 0)) [low, high] = [low - 0.5, low + 0.5];
  return { kind: log ? "log" : "linear", low, high, unit };
}

function ofCategories(options: Axis, extents: Extent[]): Pick<Scale, "kind" | "low" | "high" | "unit" | "categories"> {
  const categories: string[] = [];
  const places = new Map<string, number>();
  for (const extent of extents) {
    for (const value of extent.values) {
      if (value === null || value === undefined || places.has(String(value))) continue;
      places.set(String(value), categories.length);
      categories.push(String(value));
    }
  }
  let [low, high] = [-0.5, Math.max(0.5, categories.length - 0.5)];
  if (options.autorange === "reversed") [low, high] = [high, low];
  const unit = (value: Value): number => (typeof value === "number" ? value : (places.get(String(value)) ?? NaN));
  return { kind: "category", low, high, unit, categories };
}

/** The ticks that a figure gives itself, or nice ones. */
function ticksOf(scale: Scale, letter: Letter, length: number): Tick[] {
  const { tickvals, ticktext } = scale.options;
  const [low, high] = [Math.min(scale.low, scale.high), Math.max(scale.low, scale.high)];
  if (Array.isArray(tickvals)) {
    const texts = ticktext as string[] | undefined;
    return (tickvals as Value[])
      .map((value, index) => ({ at: scale.unit(value), label: String(texts?.[index] ?? value) }))
      .filter((tick) => tick.at >= low && tick.at <= high);
  }
  if (scale.kind === "category") return scale.categories.map((label, at) => ({ at, label }));
  if (scale.kind === "linear" && typeof scale.options.dtick === "number") return linearTicks(low, high, (high - low) / scale.options.dtick);
  const count = Math.max(3, Math.floor(length / (letter === "x" ? 75 : 36)));
  return scale.kind === "log" ? logTicks(low, high, count) : linearTicks(low, high, count);
}

/** An axis's scale from its options and everything drawn on it. */
export function makeScale(options: Axis, traces: Trace[], letter: Letter): Scale {
  const extents = traces.map((trace) => extentOf(trace, letter));
  const named = extents.some((extent) => extent.values.some((value) => typeof value === "string"));
  const basis =
    options.type === "category" || (named && options.type !== "log")
      ? ofCategories(options, extents)
      : { categories: [], ...linearOrLog(options, extents, letter) };
  if (basis.kind !== "category" && options.autorange === "reversed") {
    [basis.low, basis.high] = [basis.high, basis.low];
  }
  const scale: Scale = {
    ...basis,
    options,
    share: (value) => (scale.unit(value) - scale.low) / (scale.high - scale.low),
    ticks: (length) => ticksOf(scale, letter, length),
  };
  return scale;
}
