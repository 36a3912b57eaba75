import { makeFigure } from "./bundle";
import { type AxisOptions, type Figure, markup, type Numbers, plainNumbers, requireSameLength, type Trace } from "./figure";
import { keptIndices, smooth } from "./series";
import { axis, baseLayout, colour, DASHES, wholeTicks, withOpacity } from "./theme";

export interface LineSeries {
  name: string;
  x: Numbers;
  y: Numbers;
  /** The lower and upper bound of a band around the line: a confidence interval, a spread. */
  band?: { low: Numbers; high: Numbers; name?: string };
  /** Draws the line smoothed over about that many points, with the raw values faint behind it. */
  smooth?: number;
  /** Marks each point, as suits a series of few. By default up to 25 points are marked. */
  markers?: boolean;
  /** A colour in place of the next one of the palette. */
  colour?: string;
}

export interface LineChartOptions {
  title: string;
  x: AxisOptions;
  y: AxisOptions;
  series: LineSeries[];
  height?: number;
}

type Place = { xaxis?: "x"; yaxis?: "y" };

function bandTrace(series: LineSeries, hue: string, place: Place): Trace {
  const { low, high } = series.band!;
  requireSameLength(`the band of series "${series.name}"`, series.x, low);
  requireSameLength(`the band of series "${series.name}"`, series.x, high);
  const kept = keptIndices(high).filter((index) => [series.x[index], low[index], high[index]].every((value) => Number.isFinite(value)));
  const back = [...kept].reverse();
  return {
    type: "scatter", mode: "lines", name: markup(series.band!.name ?? `${series.name}, band`), ...place,
    x: plainNumbers([...kept.map((index) => series.x[index]!), ...back.map((index) => series.x[index]!)]),
    y: plainNumbers([...kept.map((index) => high[index]!), ...back.map((index) => low[index]!)]),
    fill: "toself", fillcolor: withOpacity(hue, 0.2), line: { width: 0, color: hue }, hoverinfo: "skip",
    showlegend: series.band!.name !== undefined,
  };
}

/** The traces of one series: its band, its raw values where it is smoothed, and the line. */
export function lineTraces(series: LineSeries, index: number, options: { place?: Place; showlegend?: boolean; panel?: string } = {}): Trace[] {
  requireSameLength(`series "${series.name}"`, series.x, series.y);
  const place = options.place ?? {};
  const hue = series.colour ?? colour(index);
  const smoothed = series.smooth !== undefined && series.smooth > 1;
  const values: Numbers = smoothed ? smooth(series.y, series.smooth!) : series.y;
  const kept = keptIndices(series.y);
  const pick = (row: Numbers): (number | null)[] => plainNumbers(kept.map((at) => row[at]));
  const marked = series.markers ?? (!smoothed && series.y.length <= 25);
  const traces: Trace[] = series.band ? [bandTrace(series, hue, place)] : [];
  if (smoothed) {
    traces.push({
      type: "scatter", mode: "lines", name: markup(`${series.name}, raw`), ...place, x: pick(series.x), y: pick(series.y),
      line: { color: hue, width: 1 }, opacity: 0.35, hoverinfo: "skip", showlegend: false, legendgroup: markup(series.name),
    });
  }
  traces.push({
    type: "scatter", mode: marked ? "lines+markers" : "lines", name: markup(series.name), ...place, x: pick(series.x), y: pick(values),
    line: { color: hue, width: 2, dash: DASHES[index % DASHES.length]! }, ...(marked ? { marker: { color: hue, size: 6 } } : {}),
    legendgroup: markup(series.name), ...(options.panel ? { meta: { panel: options.panel } } : {}), ...(options.showlegend === undefined ? {} : { showlegend: options.showlegend }),
  });
  return traces;
}

/** Lines over a common axis, raw and smoothed, with bands. NaN makes a gap. */
export function lineChart(options: LineChartOptions): Figure {
  const named = options.series.length > 1 || options.series.some((series) => series.band?.name);
  const legend = named ? options.series.flatMap((series) => [series.name, ...(series.band?.name ? [series.band.name] : [])]) : [];
  const ticks = options.x.type === "log" ? {} : wholeTicks(options.series.flatMap((series) => Array.from(series.x)));
  return makeFigure(
    options.series.flatMap((series, index) => lineTraces(series, index)),
    { ...baseLayout({ title: options.title, height: options.height, legend }), xaxis: { ...axis({ ...options.x, minexponent: 6 }), ...ticks }, yaxis: axis(options.y) },
  );
}
