import type { Layout } from "plotly.js-dist-min";
import { type Axis, type AxisOptions, markup } from "./figure";
import { textWidth, wrapText } from "./svg/text";

/** Okabe and Ito's colours (2008), told apart with every common colour blindness; those clear on white and on #111 come first. */
export const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"] as const;
/** Second sign beside colour, for print and for readers who see none. */
export const DASHES = ["solid", "solid", "solid", "dash", "dash", "dash", "dot", "dot", "dot", "dashdot", "dashdot", "dashdot"] as const;
/** One grey that reads on JupyterLab's light (#fff) and dark (#111) ground: contrast 4.5 and 4.2. */
export const INK = "#767676";
export const GRID = "rgba(128,128,128,0.25)";
export const CLEAR = "rgba(0,0,0,0)";
export const FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif";
export const MONO = "ui-monospace, 'SFMono-Regular', Menlo, 'DejaVu Sans Mono', 'Liberation Mono', monospace";

export const WIDTH = 760;
export const HEIGHT = 360;
export const FONT_SIZE = 12;
export const TITLE_SIZE = 15;
export const TITLE_LINE = 20;
export const LEGEND_ROW = 19;
const LEGEND_SWATCH = 60;
/** By so many pixels for each further line plotly sets a title of several lines too high. */
const RISE = 4.5;
const MARGIN = { l: 62, r: 20, t: 14, b: 50 };

/** The colour of the n-th series. */
export function colour(index: number): string {
  return COLOURS[index % COLOURS.length]!;
}

/** A colour with an opacity, as CSS writes it. */
export function withOpacity(hex: string, opacity: number): string {
  const parts = [1, 3, 5].map((start) => Number.parseInt(hex.slice(start, start + 2), 16));
  return `rgba(${parts.join(",")},${opacity})`;
}

/** An axis in the common look. Counts of steps and tokens are written out up to 10 to the `minexponent`. */
export function axis(options: AxisOptions & { grid?: boolean; minexponent?: number }): Axis {
  const place = (bound: number): number => (options.type === "log" ? Math.log10(bound) : bound);
  const range = options.range && ([place(options.range[0]), place(options.range[1])] as [number, number]);
  return {
    title: { text: markup(options.unit ? `${options.label} (${options.unit})` : options.label), standoff: 8, font: { size: FONT_SIZE } },
    type: options.type ?? "linear",
    ...(range ? { range } : {}),
    ...(options.grid === false ? { showgrid: false } : { showgrid: true, gridcolor: GRID }),
    zeroline: false,
    showline: true,
    linecolor: INK,
    ticks: "outside",
    ticklen: 4,
    tickcolor: INK,
    exponentformat: "power",
    minexponent: options.minexponent ?? 4,
    separatethousands: true,
    automargin: true,
  };
}

/** Ticks on whole numbers only, for an axis of few steps; nothing for others. */
export function wholeTicks(values: readonly (number | null | undefined)[]): Axis {
  const known = values.filter((value): value is number => typeof value === "number" && Number.isFinite(value));
  const [low, high] = [known.reduce((a, b) => Math.min(a, b), Infinity), known.reduce((a, b) => Math.max(a, b), -Infinity)];
  return high - low <= 8 && known.every(Number.isInteger) ? { tick0: 0, dtick: 1 } : {};
}

/** An axis of named places in the common look: names alone, without grid and ticks. */
export function categoryAxis(label: string): Axis {
  return {
    title: { text: markup(label), standoff: 8, font: { size: FONT_SIZE } },
    type: "category",
    showgrid: false,
    zeroline: false,
    showline: true,
    linecolor: INK,
    ticks: "",
    automargin: true,
  };
}

/** The right margin that a scale of colours under that label needs. */
export function colourBarMargin(label: string): { r: number } {
  return { r: Math.max(90, Math.ceil(34 + textWidth(label, FONT_SIZE))) };
}

/** How many rows a legend of these names takes below a title. */
function legendRows(names: string[], width: number): number {
  let rows = names.length > 0 ? 1 : 0;
  let used = 0;
  for (const name of names) {
    const entry = LEGEND_SWATCH + textWidth(name, FONT_SIZE);
    if (used > 0 && used + entry > width) {
      rows++;
      used = 0;
    }
    used += entry;
  }
  return rows;
}

/** A legend in rows whose top is at that share of the drawing's height. */
function legendAt(top: number): Layout["legend"] {
  return {
    orientation: "h", x: 0, xref: "paper", xanchor: "left",
    y: Number(top.toFixed(4)), yref: "container", yanchor: "top", bgcolor: CLEAR,
  };
}

/**
 * The common layout: transparent ground, title at the left, the legend in rows under it, then the plot.
 * `legend` holds the names that the legend shows; `panelTitles` leaves room for a line of them.
 */
export function baseLayout(options: {
  title: string;
  height?: number;
  width?: number;
  legend?: string[];
  panelTitles?: boolean;
  margin?: Partial<typeof MARGIN>;
}): Partial<Layout> & { width: number; height: number; margin: typeof MARGIN } {
  const width = options.width ?? WIDTH;
  const margin = { ...MARGIN, ...options.margin };
  const plotWidth = width - margin.l - margin.r;
  const title = wrapText(options.title, plotWidth, TITLE_SIZE * 1.2);
  const legend = options.legend ?? [];
  const rows = legendRows(legend, plotWidth);
  const titleHeight = title.length * TITLE_LINE + 8;
  const extra = titleHeight + rows * LEGEND_ROW + (options.panelTitles ? 20 : 0);
  const height = (options.height ?? HEIGHT) + extra - TITLE_LINE - 8;
  return {
    width,
    height,
    autosize: false,
    title: {
      text: title.map(markup).join("<br>"),
      font: { size: TITLE_SIZE, weight: 600 },
      x: 0, xref: "paper", xanchor: "left", y: Number((1 - (12 + RISE * (title.length - 1)) / height).toFixed(4)), yref: "container", yanchor: "top",
    },
    font: { family: FONT, size: FONT_SIZE, color: INK },
    paper_bgcolor: CLEAR,
    plot_bgcolor: CLEAR,
    colorway: [...COLOURS],
    margin: { ...margin, t: margin.t + extra },
    showlegend: legend.length > 0,
    ...(rows > 0 ? { legend: legendAt(1 - (margin.t + titleHeight - 6) / height) } : {}),
    hovermode: "closest",
  };
}
