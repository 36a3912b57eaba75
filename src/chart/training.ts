import type { Layout } from "plotly.js-dist-min";
import type { LogRow } from "../step/callbacks";
import { emptyNote, makeFigure } from "./bundle";
import { type Figure, markup, type Trace } from "./figure";
import { type LineSeries, lineTraces } from "./line";
import { metricLabel, metricOf } from "./metrics";
import { defaultSpan } from "./series";
import { axis, baseLayout, colour, FONT_SIZE, INK, wholeTicks } from "./theme";

/** One small chart of the grid: one key of the log, or several that share a scale. */
export interface CurvePanel {
  title: string;
  keys: string[];
  unit?: string;
  /** A logarithmic scale, for learning rates or norms that span decades. */
  log?: boolean;
  range?: [number, number];
}

export interface TrainingCurvesOptions {
  title?: string;
  /** Keys of the log in TRL's names, each with its own panel, or panels that hold several keys. By default those that tell whether a run of its method works. */
  keys?: (string | CurvePanel)[];
  /** Panels side by side; by default up to three. */
  columns?: number;
  /** Steps of the whole run: the axis then reaches to its end from the start. */
  maxSteps?: number;
  /** Reach of the smoothing in logged points; 1 for none. By default it grows with the number of points. */
  smooth?: number;
  /** Height of one row of panels in pixels. */
  panelHeight?: number;
}

/** The curves that tell whether DPO works. */
export const DPO_KEYS = ["loss", "rewards/accuracies", "rewards/margins"];

/** What grows where a trainer trains another distribution than the one that it draws from. */
const DRAWN_AGAINST_RECOMPUTED = "sampling/sampling_logp_difference/mean";

/** Those of other methods, told by a key that only they log. */
const KEYS_BY_MARK: [mark: string, keys: string[]][] = [
  ["rewards/margins", DPO_KEYS],
  ["objective/kl", ["objective/scores", "reward", "objective/kl", "objective/entropy", "entropy", "completions/mean_length", DRAWN_AGAINST_RECOMPUTED]],
  ["reward", ["reward", "kl", "entropy", "completions/mean_length", DRAWN_AGAINST_RECOMPUTED]],
  ["margin", ["loss", "accuracy", "margin"]],
  ["mean_token_accuracy", ["loss", "mean_token_accuracy", "entropy"]],
];

/** The keys to show of a log: of its method, as far as it has them. */
function defaultKeys(rows: LogRow[]): string[] {
  const held = new Set(rows.flatMap((row) => Object.keys(row).map((key) => key.replace(/^eval_/, ""))));
  const keys = KEYS_BY_MARK.find(([mark]) => held.has(mark))?.[1] ?? ["loss"];
  const shown = keys.filter((key) => held.has(key));
  return shown.length > 0 ? shown : DPO_KEYS;
}

const GAP_ACROSS = 56;
const GAP_DOWN = 62;
const MARGIN = { l: 50, r: 16, b: 46 };

/** The logged values of one key, in the order of their steps. */
function seriesOf(rows: LogRow[], key: string): { x: number[]; y: number[] } {
  const held = rows.filter((row) => row[key] !== undefined);
  return { x: held.map((row) => row.step), y: held.map((row) => row[key]!) };
}

function panelOf(key: string | CurvePanel): CurvePanel {
  if (typeof key !== "string") return key;
  return { ...metricOf(key), keys: [key] };
}

/** Training and evaluation curves of one panel. */
function panelSeries(panel: CurvePanel, rows: LogRow[], span: number | undefined): { series: LineSeries; hue: number }[] {
  return panel.keys.flatMap((key, index) => {
    const [train, held] = [seriesOf(rows, key), seriesOf(rows, `eval_${key}`)];
    const several = panel.keys.length > 1;
    const name = several ? metricOf(key).title : "training";
    const shift = several ? 2 : 0;
    const curves = [
      { series: { name, ...train, smooth: span ?? defaultSpan(train.x.length) }, hue: shift + 2 * index },
      { series: { name: several ? `${name}, evaluation` : "evaluation", ...held, markers: held.x.length <= 40 }, hue: shift + 2 * index + 1 },
    ];
    return curves.filter((curve) => curve.series.x.length > 0);
  });
}

/** Holds the place of a panel without data: plotly draws no axes that no trace is on. */
const EMPTY: Trace = { type: "scatter", mode: "lines", x: [null], y: [null], hoverinfo: "skip", showlegend: false };

interface Place {
  id: string;
  x: [number, number];
  y: [number, number];
  bottom: boolean;
}

/** Where each panel of the grid lies, as shares of the plot area. */
function places(count: number, columns: number, plotWidth: number, plotHeight: number): Place[] {
  const rows = Math.ceil(count / columns);
  const [gapX, gapY] = [GAP_ACROSS / plotWidth, GAP_DOWN / plotHeight];
  const [width, height] = [(1 - gapX * (columns - 1)) / columns, (1 - gapY * (rows - 1)) / rows];
  const round = (value: number): number => Number(value.toFixed(5));
  return Array.from({ length: count }, (_, index) => {
    const [row, column] = [Math.floor(index / columns), index % columns];
    const [left, top] = [column * (width + gapX), 1 - row * (height + gapY)];
    return {
      id: index === 0 ? "" : String(index + 1),
      x: [round(left), round(Math.min(1, left + width))],
      y: [round(Math.max(0, top - height)), round(top)],
      bottom: index + columns >= count,
    };
  });
}

function panelLayout(panel: CurvePanel, place: Place, options: TrainingCurvesOptions, rows: LogRow[]): Record<string, unknown> {
  const steps = [0, ...(options.maxSteps ? [options.maxSteps] : rows.map((row) => row.step))];
  return {
    [`xaxis${place.id}`]: {
      ...axis({ label: place.bottom ? "step" : "", range: options.maxSteps ? [0, options.maxSteps] : undefined, minexponent: 6 }),
      ...wholeTicks(steps),
      domain: place.x, anchor: `y${place.id}`,
    },
    [`yaxis${place.id}`]: {
      ...axis({ label: "", type: panel.log ? "log" : "linear", range: panel.range }),
      domain: place.y, anchor: `x${place.id}`, nticks: 6,
    },
  };
}

function panelTitle(panel: CurvePanel, place: Place): NonNullable<Layout["annotations"]>[number] {
  return {
    text: markup(metricLabel(panel)), showarrow: false, xref: "paper", yref: "paper",
    x: place.x[0], y: place.y[1], xanchor: "left", yanchor: "bottom", font: { size: FONT_SIZE, color: INK },
  };
}

/**
 * A run's log as a grid of small charts: for each key the training curve (raw and smoothed) and, where rows have
 * `eval_<key>`, the evaluation's. Keys that no row has yet give an empty panel.
 */
export function trainingCurves(rows: LogRow[], options: TrainingCurvesOptions = {}): Figure {
  const panels = (options.keys ?? defaultKeys(rows)).map(panelOf);
  if (panels.length === 0) throw new RangeError("trainingCurves: no keys; name at least one key of the log, for example \"loss\".");
  const columns = Math.min(panels.length, options.columns ?? (panels.length === 4 ? 2 : 3));
  const gridRows = Math.ceil(panels.length / columns);
  const panelHeight = options.panelHeight ?? (columns === 1 ? 260 : 190);
  const plotHeight = gridRows * panelHeight + (gridRows - 1) * GAP_DOWN;
  const curves = panels.map((panel) => panelSeries(panel, rows, options.smooth));
  const names = [...new Set(curves.flat().map((curve) => curve.series.name))];
  const layout = baseLayout({ title: options.title ?? "Training", height: plotHeight + MARGIN.b + 42, legend: names, panelTitles: true, margin: MARGIN });
  const plotWidth = layout.width - layout.margin.l - layout.margin.r;
  const grid = places(panels.length, columns, plotWidth, plotHeight);
  const listed = new Set<string>();
  const data: Trace[] = curves.flatMap((panel, index) => {
    const place = { xaxis: `x${grid[index]!.id}` as "x", yaxis: `y${grid[index]!.id}` as "y" };
    if (panel.length === 0) return [{ ...EMPTY, ...place }];
    return panel.flatMap(({ series, hue }) => {
      const first = !listed.has(series.name);
      listed.add(series.name);
      return lineTraces({ ...series, colour: colour(hue) }, 0, { place, showlegend: first, panel: metricLabel(panels[index]!) });
    });
  });
  return makeFigure(data, {
    ...layout,
    ...Object.assign({}, ...panels.map((panel, index) => panelLayout(panel, grid[index]!, options, rows))),
    annotations: panels.flatMap((panel, index) => {
      const { x, y } = grid[index]!;
      const waits = curves[index]!.length === 0 ? [emptyNote((x[0] + x[1]) / 2, (y[0] + y[1]) / 2)] : [];
      return [panelTitle(panel, grid[index]!), ...waits];
    }),
  });
}
