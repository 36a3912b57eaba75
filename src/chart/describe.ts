import { finite } from "./bins";
import type { Figure, Numbers, Trace } from "./figure";
import { plainText } from "./svg/text";
import { formatNumber } from "./svg/ticks";

type Scatter = Extract<Trace, { type?: "scatter" }>;

/** A number at four significant digits. */
export function short(value: number): string {
  return value === 0 ? "0" : formatNumber(value, 10 ** (Math.floor(Math.log10(Math.abs(value))) - 3));
}

const titleOf = (part: unknown): string => plainText(String((part as { text?: string } | undefined)?.text ?? "")).replace(/\s+/g, " ");

function describeLine(name: string, trace: Scatter): string {
  const values = finite((trace.y ?? []) as Numbers);
  if (values.length === 0) return `${name}: no values yet`;
  if (values.length === 1) return `${name}: one value, ${short(values[0]!)}`;
  const low = values.reduce((a, b) => Math.min(a, b));
  const high = values.reduce((a, b) => Math.max(a, b));
  return `${name}: ${values.length} points, from ${short(values[0]!)} to ${short(values.at(-1)!)}, lowest ${short(low)}, highest ${short(high)}`;
}

function describeBars(name: string, trace: Extract<Trace, { type?: "bar" }>): string {
  const across = trace.orientation === "h";
  const places = Array.from(((across ? trace.y : trace.x) ?? []) as ArrayLike<string | number>);
  const lengths = Array.from(((across ? trace.x : trace.y) ?? []) as ArrayLike<number | null>);
  if (lengths.length === 0) return `${name}: no bars yet`;
  if (lengths.length <= 12 && places.every((place) => typeof place === "string")) {
    return `${name}: ${places.map((place, index) => `${place} ${lengths[index] === null ? "none" : short(lengths[index]!)}`).join(", ")}`;
  }
  const top = lengths.reduce<number>((best, value, index) => ((value ?? -Infinity) > (lengths[best] ?? -Infinity) ? index : best), 0);
  const place = places[top]!;
  return `${name}: ${lengths.length} bars, tallest at ${typeof place === "number" ? short(place) : place} with ${short(lengths[top] ?? 0)}`;
}

function describeHeatmap(name: string, trace: Extract<Trace, { type?: "heatmap" }>): string {
  const grid = (trace.z ?? []) as (number | null)[][];
  const values = grid.flat().filter((value): value is number => typeof value === "number");
  const size = `${grid.length} rows of ${Math.max(0, ...grid.map((row) => row.length))} cells`;
  if (values.length === 0) return `${name}: ${size}, all empty`;
  return `${name}: ${size}, from ${short(values.reduce((a, b) => Math.min(a, b)))} to ${short(values.reduce((a, b) => Math.max(a, b)))}`;
}

/** What a trace says of itself, as plotly's `meta`: the panel it is in, and words in place of those that its values give. */
export interface TraceWords {
  panel?: string;
  words?: string;
}

function describeTrace(trace: Trace, index: number): string | undefined {
  const { name, hoverinfo } = trace as Scatter;
  const { panel, words } = ((trace as Scatter).meta ?? {}) as TraceWords;
  if (hoverinfo === "skip" && !words) return undefined;
  const label = [panel, plainText(name ?? `series ${index + 1}`)].filter(Boolean).join(", ").replace(/\s+/g, " ");
  if (words) return `${label}: ${words}`;
  if (trace.type === "bar") return describeBars(label, trace);
  if (trace.type === "heatmap") return describeHeatmap(label, trace);
  return describeLine(label, trace as Scatter);
}

/** A figure in words: its title, its axes, and for each series how many values it has and where they lie. */
export function describe(figure: Figure): string {
  const { layout } = figure;
  const axes = [titleOf(layout.xaxis?.title), titleOf(layout.yaxis?.title)];
  const lines = [titleOf(layout.title) || "Chart"];
  if (axes[0] && axes[1]) lines.push(`${axes[1]} against ${axes[0]}`);
  const series = figure.data.map(describeTrace).filter((line) => line !== undefined);
  return [...lines, ...(series.length > 0 ? series : ["no data yet"]).map((line) => `  ${line}`)].join("\n");
}
