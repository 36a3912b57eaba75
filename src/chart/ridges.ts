import { quantile } from "../stats/quantile";
import { finite } from "./bins";
import { makeFigure } from "./bundle";
import { short } from "./describe";
import type { Sample } from "./distribution";
import { type AxisOptions, type Figure, markup, plainNumbers, type Trace } from "./figure";
import { colourAt } from "./svg/colour";
import { axis, baseLayout, categoryAxis, COLOURS, GRID, withOpacity } from "./theme";

export interface RidgesOptions {
  title: string;
  x: AxisOptions;
  /** One sample a row, the first at the top: the same measure at step 0, 50, 100 … Values that are not finite are left out. */
  samples: Sample[];
  /** What the rows are: the label of their axis. */
  rows?: string;
  height?: number;
}

const POINTS = 120;
/** A kernel is no narrower than this part of the axis. */
const BLUNTEST = 30;
/** How far the tallest ridge reaches, in rows. */
const REACH = 1.5;
/** From the first colour of the palette to the second, as time goes on. */
const AGES: [number, string][] = [[0, COLOURS[0]], [1, COLOURS[1]]];

/** Silverman's bandwidth (1986, eq. 3.31): 0.9·min(s, IQR/1.34)·n^(−1/5). */
export function bandwidth(sorted: number[]): number {
  const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
  const deviation = Math.sqrt(sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, sorted.length - 1));
  const spread = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / 1.34;
  const scale = spread > 0 ? Math.min(deviation, spread) : deviation;
  return (0.9 * scale * sorted.length ** -0.2) || Math.abs(mean) * 0.01 || 0.1;
}

/** Gaussian kernel density of a sorted sample at those places. */
export function density(sorted: number[], places: number[], width = bandwidth(sorted)): number[] {
  const factor = 1 / (sorted.length * width * Math.sqrt(2 * Math.PI));
  return places.map((place) => factor * sorted.reduce((sum, value) => sum + Math.exp(-0.5 * ((place - value) / width) ** 2), 0));
}

interface Ridge {
  name: string;
  sorted: number[];
  width: number;
  heights: number[];
}

function ridgeTraces({ name, sorted, width, heights }: Ridge, row: number, context: { places: number[]; scale: number; hue: string }): Trace[] {
  if (sorted.length === 0) return [];
  const { places, scale, hue } = context;
  const median = quantile(sorted, 0.5);
  const top = row + scale * density(sorted, [median], width)[0]!;
  const words = `${sorted.length} values, median ${short(median)}, middle half from ${short(quantile(sorted, 0.25))} to ${short(quantile(sorted, 0.75))}`;
  return [
    {
      type: "scatter", mode: "lines", name: markup(name), x: plainNumbers([places[0]!, ...places, places.at(-1)!]), y: plainNumbers([row, ...heights.map((height) => row + scale * height), row]),
      fill: "toself", fillcolor: withOpacity(hue, 0.3), line: { color: hue, width: 1.5 }, hoverinfo: "skip", meta: { words },
    },
    {
      type: "scatter", mode: "lines", name: markup(`median, ${name}`), x: plainNumbers([median, median]), y: plainNumbers([row, top]),
      line: { color: hue, width: 2.5 }, hoverinfo: "skip",
    },
  ];
}

/**
 * Distributions under each other, as of the log-probabilities at each checkpoint: how a distribution moves while a model
 * learns. Each is a Gaussian kernel density with a line at its median; all share one scale, so that areas are equal.
 */
export function ridges(options: RidgesOptions): Figure {
  const sorted = options.samples.map((sample) => finite(sample.values).sort((a, b) => a - b));
  const held = sorted.filter((values) => values.length > 0);
  const widest = Math.max(0, ...held.map(bandwidth));
  const [low, high] = options.x.range ?? [Math.min(...held.map((values) => values[0]!)) - 2 * widest, Math.max(...held.map((values) => values.at(-1)!)) + 2 * widest];
  const places = Array.from({ length: POINTS }, (_, index) => low + ((high - low) * index) / (POINTS - 1));
  const all = options.samples.map((sample, index): Ridge => {
    const values = sorted[index]!;
    // A needle, as of a sample of one value, would flatten all the others.
    const width = values.length > 0 ? Math.max(bandwidth(values), (high - low) / BLUNTEST) : 0;
    return { name: sample.name, sorted: values, width, heights: values.length > 0 ? density(values, places, width) : [] };
  });
  const scale = REACH / Math.max(Number.MIN_VALUE, ...all.flatMap((ridge) => ridge.heights));
  const last = all.length - 1;
  const hue = (index: number): string => colourAt(AGES, last > 0 ? index / last : 0);
  return makeFigure(
    all.flatMap((ridge, index) => ridgeTraces(ridge, last - index, { places, scale, hue: hue(index) })),
    {
      ...baseLayout({ title: options.title, height: options.height ?? Math.min(620, 130 + all.length * 38) }),
      xaxis: axis({ ...options.x, ...(held.length > 0 ? { range: [low, high] } : {}) }),
      yaxis: {
        ...categoryAxis(options.rows ?? ""), type: "linear", showgrid: true, gridcolor: GRID, range: [-0.15, last + REACH + 0.1],
        tickmode: "array", tickvals: all.map((_, index) => last - index), ticktext: all.map(({ name }) => markup(name)),
      },
    },
  );
}
