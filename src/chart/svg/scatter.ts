import type { Trace } from "../figure";
import { FONT_SIZE, INK } from "../theme";
import type { Box, Panel } from "./panel";
import type { Extent, Letter } from "./scale";
import { errorsOf, valuesOf } from "./values";
import { element, paint, pixels, textElement } from "./xml";

type Scatter = Extract<Trace, { type?: "scatter" }>;
type Point = [x: number, y: number];

export const DASH_ARRAYS: Record<string, string | undefined> = { dash: "7 4", dot: "2 3", dashdot: "7 3 2 3" };

export function scatterExtent(trace: Trace, letter: Letter): Extent {
  const values = valuesOf(trace, letter);
  const errors = errorsOf(trace, letter);
  if (errors) {
    valuesOf(trace, letter).forEach((value, index) => {
      if (typeof value === "number") values.push(value + errors.up[index]!, value - errors.down[index]!);
    });
  }
  const room = ((trace as Scatter).mode ?? "").includes("text") ? (letter === "y" ? 0.14 : 0.06) : 0;
  const zero = letter === "y" && (trace as Scatter).fill === "tozeroy";
  return { values: zero ? [...values, 0] : values, zero, room };
}

/** The points of a trace in pixels; those that have no place are NaN. */
function placed(trace: Trace, panel: Panel, box: Box): Point[] {
  const [x, y] = [valuesOf(trace, "x"), valuesOf(trace, "y")];
  return x.map((value, index) => [
    panel.x.share(value) * box.width,
    (1 - panel.y.share(y[index])) * box.height,
  ]);
}

/** Runs of points between gaps. */
function runsOf(points: Point[], connectGaps: boolean): Point[][] {
  const runs: Point[][] = [];
  let run: Point[] = [];
  for (const point of points) {
    if (Number.isFinite(point[0]) && Number.isFinite(point[1])) {
      if (run.length === 0) runs.push(run);
      run.push(point);
    } else if (!connectGaps) run = [];
  }
  return runs;
}

/** A run with no more points than a reader can see: first, lowest, highest and last of each pixel column. */
function thinned(run: Point[], width: number): Point[] {
  if (run.length <= 3 * width) return run;
  const kept: Point[] = [];
  let column: Point[] = [];
  const flush = (): void => {
    if (column.length === 0) return;
    const lowest = column.reduce((a, b) => (b[1] < a[1] ? b : a));
    const highest = column.reduce((a, b) => (b[1] > a[1] ? b : a));
    const picked = new Set([column[0]!, lowest, highest, column.at(-1)!]);
    kept.push(...column.filter((point) => picked.has(point)));
    column = [];
  };
  for (const point of run) {
    if (column.length > 0 && Math.floor(point[0]) !== Math.floor(column[0]![0])) flush();
    column.push(point);
  }
  flush();
  return kept;
}

function pathOf(run: Point[], steps: boolean): string {
  let path = "";
  run.forEach(([x, y], index) => {
    if (index === 0) path += `M${pixels(x)} ${pixels(y)}`;
    else if (steps) path += `H${pixels(x)}V${pixels(y)}`;
    else path += `L${pixels(x)} ${pixels(y)}`;
  });
  return path;
}

function lines(trace: Scatter, points: Point[], box: Box): string {
  const stroke = String(trace.line?.color ?? INK);
  const runs = runsOf(points, trace.connectgaps === true);
  const steps = trace.line?.shape === "hv";
  const path = runs.filter((run) => run.length > 1).map((run) => pathOf(thinned(run, box.width), steps)).join("");
  const lonely = runs.filter((run) => run.length === 1).map((run) => run[0]!);
  const width = Number(trace.line?.width ?? 2);
  const dots = (trace.mode ?? "").includes("markers") ? [] : lonely.map(([x, y]) => dot(x, y, width + 1, "circle"));
  return (
    (path
      ? element("path", {
          d: path, fill: "none", ...paint("stroke", stroke, Number(trace.opacity ?? 1)), "stroke-width": width,
          "stroke-linejoin": "round", "stroke-dasharray": DASH_ARRAYS[String(trace.line?.dash)],
        })
      : "") + (dots.length > 0 ? element("path", { d: dots.join(""), ...paint("fill", stroke, Number(trace.opacity ?? 1)) }) : "")
  );
}

function area(trace: Scatter, points: Point[], panel: Panel, box: Box): string {
  const foot = (1 - panel.y.share(panel.y.kind === "log" ? 10 ** panel.y.low : 0)) * box.height;
  const steps = trace.line?.shape === "hv";
  const path = runsOf(points, trace.fill === "toself")
    .filter((run) => run.length > 1)
    .map((run) => {
      const outline = pathOf(run, steps);
      if (trace.fill === "toself") return `${outline}Z`;
      return `${outline}V${pixels(foot)}H${pixels(run[0]![0])}Z`;
    })
    .join("");
  if (!path) return "";
  return element("path", { d: path, ...paint("fill", String(trace.fillcolor ?? trace.line?.color ?? INK)) });
}

/** The outline of a point's sign, centred on (x, y), `size` pixels across. */
export function dot(x: number, y: number, size: number, symbol: string): string {
  const half = size / 2;
  const [px, py] = [pixels(x), pixels(y)];
  if (symbol === "square") return `M${pixels(x - half)} ${pixels(y - half)}h${size}v${size}h${-size}z`;
  if (symbol === "diamond") return `M${px} ${pixels(y - half)}l${half} ${half}l${-half} ${half}l${-half} ${-half}z`;
  if (symbol === "triangle-up") return `M${px} ${pixels(y - half)}l${half} ${size}h${-size}z`;
  return `M${pixels(x - half)} ${py}a${half} ${half} 0 1 0 ${size} 0a${half} ${half} 0 1 0 ${-size} 0`;
}

function markers(trace: Scatter, points: Point[]): string {
  const size = Number(trace.marker?.size ?? 6);
  const symbol = String(trace.marker?.symbol ?? "circle");
  const path = points
    .filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y))
    .map(([x, y]) => dot(x, y, size, symbol))
    .join("");
  const fill = String(trace.marker?.color ?? trace.line?.color ?? INK);
  const opacity = Number(trace.marker?.opacity ?? trace.opacity ?? 1);
  return path ? element("path", { d: path, ...paint("fill", fill, opacity) }) : "";
}

function labels(trace: Scatter, points: Point[], box: Box): string {
  const texts = trace.text as string[] | undefined;
  if (!texts) return "";
  return points
    .map(([x, y], index) => {
      if (!Number.isFinite(x) || !Number.isFinite(y) || !texts[index]) return "";
      const anchor = x > box.width * 0.85 ? "end" : x < box.width * 0.15 ? "start" : "middle";
      return textElement({ x, y: y - 8, "text-anchor": anchor, fill: INK, "font-size": FONT_SIZE - 1 }, texts[index]);
    })
    .join("");
}

/** Error bars of any trace whose points are known in pixels. */
export function errorBars(trace: Trace, letter: Letter, points: Point[], panel: Panel, box: Box): string {
  const errors = errorsOf(trace, letter);
  if (!errors) return "";
  const values = valuesOf(trace, letter);
  let path = "";
  points.forEach(([x, y], index) => {
    const value = values[index];
    if (typeof value !== "number" || !Number.isFinite(x) || !Number.isFinite(y)) return;
    const ends = [value + errors.up[index]!, value - errors.down[index]!];
    for (const end of ends) {
      if (letter === "y") path += `M${pixels(x)} ${pixels(y)}V${pixels((1 - panel.y.share(end)) * box.height)}m-4 0h8`;
      else path += `M${pixels(x)} ${pixels(y)}H${pixels(panel.x.share(end) * box.width)}m0 -4v8`;
    }
  });
  const error = (trace as Scatter)[letter === "y" ? "error_y" : "error_x"];
  return element("path", { d: path, fill: "none", ...paint("stroke", String(error?.color ?? INK)), "stroke-width": 1.5 });
}

/** Lines, areas, points, labels and error bars of one trace. */
export function drawScatter(trace: Trace, panel: Panel, box: Box): string {
  const scatter = trace as Scatter;
  const points = placed(trace, panel, box);
  const mode = scatter.mode ?? "lines";
  return [
    scatter.fill && scatter.fill !== "none" ? area(scatter, points, panel, box) : "",
    mode.includes("lines") && scatter.line?.width !== 0 ? lines(scatter, points, box) : "",
    errorBars(trace, "y", points, panel, box),
    errorBars(trace, "x", points, panel, box),
    mode.includes("markers") ? markers(scatter, points) : "",
    mode.includes("text") ? labels(scatter, points, box) : "",
  ].join("");
}
