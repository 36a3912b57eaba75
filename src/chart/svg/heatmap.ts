import type { Trace } from "../figure";
import { FONT_SIZE } from "../theme";
import { type ColourScale, colourScale, inkOn } from "./colour";
import type { Box, Panel } from "./panel";
import type { Extent, Letter, Value } from "./scale";
import { plainText, textWidth } from "./text";
import { element, textElement } from "./xml";

type Heatmap = Extract<Trace, { type?: "heatmap" }>;
type Grid = (number | null)[][];

const gridOf = (trace: Heatmap): Grid => (trace.z ?? []) as Grid;

/** Names or numbers of the columns ("x") or rows ("y"), counted from 0 where the figure gives none. */
function places(trace: Heatmap, letter: Letter): Value[] {
  const given = trace[letter] as Value[] | undefined;
  const grid = gridOf(trace);
  const count = letter === "y" ? grid.length : Math.max(0, ...grid.map((row) => row.length));
  return Array.from({ length: count }, (_, index) => given?.[index] ?? index);
}

export function heatmapExtent(trace: Trace, letter: Letter): Extent {
  const values = places(trace as Heatmap, letter);
  const numbers = values.filter((value): value is number => typeof value === "number");
  if (numbers.length < values.length || values.length === 0) return { values, edges: true };
  const half = numbers.length > 1 ? Math.abs(numbers[1]! - numbers[0]!) / 2 : 0.5;
  return { values: [Math.min(...numbers) - half, Math.max(...numbers) + half], edges: true };
}

/** The lowest and highest value that the colours tell apart. */
function colourRange(trace: Heatmap): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const row of gridOf(trace)) {
    for (const value of row) {
      if (typeof value !== "number" || !Number.isFinite(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) [low, high] = [0, 1];
  const range: [number, number] = [Number(trace.zmin ?? low), Number(trace.zmax ?? high)];
  return range[0] < range[1] ? range : [range[0] - 0.5, range[0] + 0.5];
}

/** The scale of colours of a heat map. */
export function heatmapColours(trace: Trace): ColourScale {
  return colourScale((trace as Heatmap).colorscale as [number, string][], ...colourRange(trace as Heatmap));
}

/** A whole pixel, so that neighbours share an edge and no seam shows between them. */
const edge = Math.round;

/** Cells of one colour are one path; neighbours of one colour in a row are one rectangle. */
function cells(trace: Heatmap, box: Box, flip: boolean): string {
  const grid = gridOf(trace);
  const colours = heatmapColours(trace);
  const [columns, rows] = [Math.max(1, ...grid.map((row) => row.length)), Math.max(1, grid.length)];
  const [width, height] = [box.width / columns, box.height / rows];
  const paths = new Map<string, string>();
  grid.forEach((row, i) => {
    const [top, bottom] = [edge((flip ? i : rows - 1 - i) * height), edge((flip ? i + 1 : rows - i) * height)];
    let start = 0;
    for (let j = 0; j < row.length; j = start) {
      const value = row[j];
      start = j + 1;
      if (typeof value !== "number" || !Number.isFinite(value)) continue;
      const shade = colours.colourOf(value);
      while (start < row.length && typeof row[start] === "number" && colours.colourOf(row[start]!) === shade) start++;
      const [left, right] = [edge(j * width), edge(start * width)];
      const rectangle = `M${left} ${top}H${right}V${bottom}H${left}z`;
      paths.set(shade, (paths.get(shade) ?? "") + rectangle);
    }
  });
  return [...paths]
    .map(([shade, d]) => element("path", { d, fill: shade, "shape-rendering": "crispEdges" }))
    .join("");
}

/** The texts in the cells, where they fit. */
function cellTexts(trace: Heatmap, box: Box, flip: boolean): string {
  const texts = trace.text as unknown as string[][] | undefined;
  const grid = gridOf(trace);
  if (!texts || !trace.texttemplate) return "";
  const colours = heatmapColours(trace);
  const rows = grid.length;
  return grid
    .map((row, i) =>
      row
        .map((value, j) => {
          const text = plainText(texts[i]?.[j] ?? "");
          const [width, height] = [box.width / row.length, box.height / rows];
          if (!text || typeof value !== "number" || height < FONT_SIZE + 2 || textWidth(text, FONT_SIZE - 1) > width) return "";
          const y = ((flip ? i : rows - 1 - i) + 0.5) * height + 4;
          const fill = inkOn(colours.colourOf(value));
          return textElement({ x: (j + 0.5) * width, y, fill, "text-anchor": "middle", "font-size": FONT_SIZE - 1 }, text);
        })
        .join(""),
    )
    .join("");
}

/** A heat map's cells and the texts in them. */
export function drawHeatmap(trace: Trace, panel: Panel, box: Box): string {
  const heatmap = trace as Heatmap;
  const flip = panel.y.low > panel.y.high;
  return cells(heatmap, box, flip) + cellTexts(heatmap, box, flip);
}
