import { makeFigure } from "../src/chart/bundle";
import { markup, type Figure, type Trace } from "../src/chart/figure";
import { lineTraces } from "../src/chart/line";
import { axis as axisLook, baseLayout, FONT_SIZE, INK } from "../src/chart/theme";
import { placeOn, pointsOn, pointName, type Axis, type Point } from "./growthPoints";

/** What was measured of one side at one point. */
export interface GrowthValue {
  point: Point;
  name: string;
  seconds: number;
  bytes: number;
}

const LABELS: Record<Axis, string> = { tokens: "tokens of one sequence", batch: "sequences of 128 tokens", layers: "layers, at 4 × 128 tokens" };

const ROWS = [
  { title: "seconds of a step", of: ({ seconds }: GrowthValue): number => seconds },
  { title: "peak memory in GB", of: ({ bytes }: GrowthValue): number => bytes / 1e9 },
];

const GAP_ACROSS = 0.06;
const GAP_DOWN = 0.16;

/** Round values of 1, 2 and 5 times powers of ten from the lowest to the highest of these, and one beyond each end. */
export function roundTicks(values: readonly number[]): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const ticks: number[] = [];
  for (let exponent = Math.floor(Math.log10(low)) - 1; exponent <= Math.ceil(Math.log10(high)); exponent++) {
    for (const factor of [1, 2, 5]) ticks.push(Number((factor * 10 ** exponent).toPrecision(1)));
  }
  const [first, last] = [ticks.findLastIndex((tick) => tick <= low), ticks.findIndex((tick) => tick >= high)];
  return ticks.slice(Math.max(0, first), last + 1);
}

/** The series of one panel: for each side its values at the points of the axis that were measured. */
export function panelValues(axis: Axis, mostTokens: number, values: readonly GrowthValue[], name: string, of: (value: GrowthValue) => number): { x: number[]; y: number[] } {
  const found = pointsOn(axis, mostTokens).flatMap((point) => values.filter((value) => value.name === name && pointName(value.point) === pointName(point)));
  return { x: found.map(({ point }) => placeOn(axis, point)), y: found.map(of) };
}

/** Seconds above memory, one column for each axis of growth, on logarithmic scales: twice the work is one length everywhere. */
export function growthChart(axes: readonly Axis[], mostTokens: number, values: readonly GrowthValue[], title: string): Figure {
  const names = [...new Set(values.map(({ name }) => name))];
  const width = (1 - GAP_ACROSS * (axes.length - 1)) / axes.length;
  const height = (1 - GAP_DOWN) / 2;
  const traces: Trace[] = [];
  const layout: Record<string, unknown> = {};
  const annotations: object[] = [];
  ROWS.forEach((row, r) => axes.forEach((axis, c) => {
    const id = r * axes.length + c === 0 ? "" : String(r * axes.length + c + 1);
    const left = Number((c * (width + GAP_ACROSS)).toFixed(4));
    const top = Number((1 - r * (height + GAP_DOWN)).toFixed(4));
    names.forEach((name, index) => {
      traces.push(...lineTraces({ name, ...panelValues(axis, mostTokens, values, name, row.of), markers: true }, index, { place: { xaxis: `x${id}` as "x", yaxis: `y${id}` as "y" }, showlegend: r + c === 0 }));
    });
    const places = pointsOn(axis, mostTokens).map((point) => placeOn(axis, point));
    // One scale along a row: columns can be compared.
    const ticks = roundTicks(values.map(row.of));
    layout[`xaxis${id}`] = { ...axisLook({ label: r === 1 ? LABELS[axis] : "", type: "log", range: [places[0]! / 1.15, places.at(-1)! * 1.15] }), tickmode: "array", tickvals: places, ticktext: places.map((place) => place.toLocaleString("en")), domain: [left, left + width], anchor: `y${id}` };
    layout[`yaxis${id}`] = { ...axisLook({ label: "", type: "log", range: [ticks[0]!, ticks.at(-1)!] }), tickmode: "array", tickvals: ticks, ticktext: ticks.map(String), domain: [Math.max(0, top - height), top], anchor: `x${id}` };
    if (c === 0) annotations.push({ text: markup(row.title), showarrow: false, xref: "paper", yref: "paper", x: 0, y: top, xanchor: "left", yanchor: "bottom", font: { size: FONT_SIZE, color: INK } });
  }));
  return makeFigure(traces, { ...baseLayout({ title, width: 1000, height: 560, legend: names, panelTitles: true }), ...layout, annotations } as Figure["layout"]);
}
