import { makeFigure } from "./bundle";
import { countInBins, finite, mean, sharedEdges } from "./bins";
import { type AxisOptions, type Figure, isDrawn, markup, type Numbers, plainNumbers, type Trace } from "./figure";
import { keptIndices } from "./series";
import { axis, baseLayout, colour, DASHES, INK, withOpacity } from "./theme";

export interface Sample {
  name: string;
  values: Numbers;
  /** A colour in place of the next one of the palette. */
  colour?: string;
}

export interface HistogramOptions {
  title: string;
  x: AxisOptions;
  /** The samples to compare, in one set of bins. Values that are not finite are left out. */
  samples: Sample[];
  /** How many bins; chosen from the data by default. */
  bins?: number;
  /** "density" (area 1 for each sample; the default for several samples), "count", or "share" of the sample. */
  scale?: "density" | "count" | "share";
  /** A dashed line at each sample's mean, with its value in the legend (the default); "lines" for the line alone. */
  means?: boolean | "lines";
  height?: number;
}

const SCALE_LABELS = { density: "density", count: "count", share: "share of values" } as const;

function heights(values: number[], edges: number[], scale: "density" | "count" | "share"): number[] {
  const counts = countInBins(values, edges);
  const total = Math.max(1, values.length);
  return counts.map((count, bin) => {
    if (scale === "count") return count;
    return scale === "share" ? count / total : count / total / (edges[bin + 1]! - edges[bin]!);
  });
}

const label = (sample: Sample, values: number[], means: boolean | "lines"): string =>
  means === true && values.length > 0 ? `${sample.name}, mean ${String(Number(mean(values).toPrecision(3))).replace("-", "\u2212")}` : sample.name;

function bars(name: string, tall: (number | null)[], edges: number[], width: number, style: { hue: string; faint: boolean }): Trace {
  return {
    type: "bar", name, x: tall.length > 0 ? plainNumbers(edges.slice(0, -1).map((edge) => edge + width / 2)) : [], y: tall,
    width: Number(width.toPrecision(12)), marker: { color: style.hue, line: { width: 0 } }, opacity: style.faint ? 0.5 : 0.6,
  };
}

/** Of three samples and more, bars would hide each other: steps show every one. */
function outline(name: string, tall: (number | null)[], edges: number[], hue: string): Trace {
  return {
    type: "scatter", mode: "lines", name, x: tall.length > 0 ? plainNumbers(edges) : [], y: tall.length > 0 ? [...tall, tall.at(-1)!] : [],
    line: { color: hue, width: 2, shape: "hv" }, fill: "tozeroy", fillcolor: withOpacity(hue, 0.1),
  };
}

function meanLine(at: number, hue: string): NonNullable<Figure["layout"]["shapes"]>[number] {
  return {
    type: "line", xref: "x", yref: "y domain", x0: at, x1: at, y0: 0, y1: 1,
    line: { color: hue, width: 2, dash: "dash" },
  };
}

/** Histograms of one or more samples over the same bins, each with its mean. */
export function histogram(options: HistogramOptions): Figure {
  const samples = options.samples.map((sample) => finite(sample.values));
  const scale = options.scale ?? (samples.length > 1 ? "density" : "count");
  const edges = sharedEdges(samples, options.bins);
  const width = (edges.at(-1)! - edges[0]!) / (edges.length - 1);
  const means = options.means ?? true;
  const hues = options.samples.map((sample, index) => sample.colour ?? colour(index));
  const legend = options.samples.map((sample, index) => label(sample, samples[index]!, means));
  const traces: Trace[] = samples.map((values, index) => {
    const tall = values.length > 0 ? plainNumbers(heights(values, edges, scale)) : [];
    const name = markup(legend[index]!);
    return samples.length > 2 ? outline(name, tall, edges, hues[index]!) : bars(name, tall, edges, width, { hue: hues[index]!, faint: samples.length > 1 });
  });
  const shapes = samples.flatMap((values, index) =>
    means && values.length > 0 ? [meanLine(mean(values), hues[index]!)] : [],
  );
  return makeFigure(traces, {
    ...baseLayout({ title: options.title, height: options.height, legend }),
    ...(traces.some((trace) => trace.type === "bar" && isDrawn(trace)) ? { barmode: "overlay", bargap: 0 } : {}),
    xaxis: axis(options.x),
    yaxis: { ...axis({ label: SCALE_LABELS[scale] }), rangemode: "tozero" },
    shapes,
  });
}

export interface EcdfOptions {
  title: string;
  x: AxisOptions;
  samples: Sample[];
  height?: number;
}

/** Empirical distribution functions: for each x, the share of a sample at or below it. */
export function ecdf(options: EcdfOptions): Figure {
  const traces: Trace[] = options.samples.map((sample, index) => {
    const sorted = finite(sample.values).sort((a, b) => a - b);
    const kept = keptIndices(sorted, 1000);
    return {
      type: "scatter", mode: "lines", name: markup(sample.name),
      x: plainNumbers([...(sorted.length > 0 ? [sorted[0]!] : []), ...kept.map((at) => sorted[at]!)]),
      y: plainNumbers([...(sorted.length > 0 ? [0] : []), ...kept.map((at) => (at + 1) / sorted.length)]),
      line: { color: sample.colour ?? colour(index), width: 2, shape: "hv", dash: DASHES[index % DASHES.length]! },
    };
  });
  const legend = options.samples.length > 1 ? options.samples.map((sample) => sample.name) : [];
  return makeFigure(traces, {
    ...baseLayout({ title: options.title, height: options.height, legend }),
    xaxis: axis(options.x),
    yaxis: axis({ label: "share of values at or below", range: [0, 1.02] }),
    shapes: [{ type: "line", xref: "x domain", yref: "y", x0: 0, x1: 1, y0: 0.5, y1: 0.5, line: { color: INK, width: 1, dash: "dot" } }],
  });
}
