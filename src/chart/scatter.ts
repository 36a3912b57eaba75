import { finite } from "./bins";
import { makeFigure } from "./bundle";
import { type AxisOptions, type Figure, markup, type Numbers, plainNumbers, requireSameLength, type Trace } from "./figure";
import { axis, baseLayout, colour, INK } from "./theme";

export interface ScatterSeries {
  name: string;
  x: Numbers;
  y: Numbers;
  /** A short text at each point. */
  labels?: string[];
}

export interface ScatterChartOptions {
  title: string;
  x: AxisOptions;
  y: AxisOptions;
  series: ScatterSeries[];
  /** A dotted line where y equals x, for values that are to agree. */
  diagonal?: boolean;
  height?: number;
}

const SYMBOLS = ["circle", "diamond", "square", "triangle-up"] as const;
const MANY = 300;

function diagonalTrace(series: ScatterSeries[]): Trace[] {
  const all = finite(series.flatMap(({ x, y }) => [...Array.from(x), ...Array.from(y)]));
  if (all.length === 0) return [];
  const ends = [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
  const line = { color: INK, width: 1, dash: "dot" as const };
  return [{ type: "scatter", mode: "lines", name: "y = x", x: ends, y: ends, line, hoverinfo: "skip", showlegend: false }];
}

/** Points of one or more groups; each group has its own colour and sign. */
export function scatterChart(options: ScatterChartOptions): Figure {
  const traces: Trace[] = options.series.map((series, index) => {
    requireSameLength(`points "${series.name}"`, series.x, series.y);
    const many = series.x.length > MANY;
    return {
      type: "scatter",
      mode: series.labels ? "text+markers" : "markers",
      name: markup(series.name),
      x: plainNumbers(series.x),
      y: plainNumbers(series.y),
      marker: { color: colour(index), size: many ? 4 : 8, opacity: many ? 0.45 : 0.85, symbol: SYMBOLS[index % SYMBOLS.length]! },
      ...(series.labels ? { text: series.labels.map(markup), textposition: "top center" } : {}),
    };
  });
  const legend = options.series.length > 1 ? options.series.map((series) => series.name) : [];
  return makeFigure([...(options.diagonal ? diagonalTrace(options.series) : []), ...traces], {
    ...baseLayout({ title: options.title, height: options.height, legend }),
    xaxis: axis(options.x),
    yaxis: axis(options.y),
  });
}
