import { finite, mean } from "./bins";
import { makeFigure } from "./bundle";
import { type Axis, type Figure, markup, type Numbers, plainNumbers, type Trace } from "./figure";
import { axis, baseLayout, colourBarMargin, FONT_SIZE } from "./theme";

export interface HeatmapOptions {
  title: string;
  /** Rows of values, the first row at the top. */
  values: ArrayLike<Numbers>;
  x: { label: string; names?: string[] };
  y: { label: string; names?: string[] };
  /** What the colours measure. */
  value: { label: string; range?: [number, number] };
  /** "sequential" from dark to light; "diverging" around zero: blue below, white at zero, vermilion above. */
  colours?: "sequential" | "diverging";
  /** Writes each value in its cell; by default where they fit, up to 200 cells. */
  numbers?: boolean;
  /** What stands in each cell in place of its value. */
  texts?: string[][];
  height?: number;
}

/** Nine points of viridis (van der Walt and Smith, 2015), even in lightness and safe for the colour-blind. */
export const SEQUENTIAL: [number, string][] = [
  [0, "#440154"], [0.125, "#472d7b"], [0.25, "#3b528b"], [0.375, "#2c728e"], [0.5, "#21918c"],
  [0.625, "#28ae80"], [0.75, "#5ec962"], [0.875, "#addc30"], [1, "#fde725"],
];
export const DIVERGING: [number, string][] = [[0, "#0072b2"], [0.5, "#f7f7f7"], [1, "#d55e00"]];

function ends(grid: (number | null)[][]): [number, number] {
  const all = finite(grid.flat());
  return all.length === 0 ? [0, 1] : [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
}

/** Cells along one side at most: of more, blocks are averaged, since a chart has no pixels to show them. */
const MOST_CELLS = 120;

/** A grid small enough to draw, and how many of the given rows and columns each of its cells stands for. */
function shrink(values: ArrayLike<Numbers>, columns: number): { grid: (number | null)[][]; down: number; across: number } {
  const [down, across] = [Math.ceil(values.length / MOST_CELLS) || 1, Math.ceil(columns / MOST_CELLS) || 1];
  const rows = Array.from(values, (row) => plainNumbers(row));
  if (down === 1 && across === 1) return { grid: rows, down, across };
  const grid = Array.from({ length: Math.ceil(rows.length / down) }, (_, i) =>
    Array.from({ length: Math.ceil(columns / across) }, (_, j) => {
      const block = finite(rows.slice(i * down, (i + 1) * down).flatMap((row) => row.slice(j * across, (j + 1) * across)));
      return block.length > 0 ? Number(mean(block).toPrecision(4)) : null;
    }),
  );
  return { grid, down, across };
}

const cellTexts = (grid: (number | null)[][]): string[][] =>
  grid.map((row) => row.map((value) => (value === null ? "" : String(Number(value.toPrecision(3))).replace("-", "\u2212"))));

/** Ticks at every cell: by name, or by number where there are few. */
function places(names: string[] | undefined, count: number): Axis {
  if (names) return { tickmode: "array", tickvals: names.map((_, index) => index), ticktext: names.map(markup) };
  return count <= 12 ? { tickmode: "array", tickvals: Array.from({ length: count }, (_, index) => index) } : {};
}

/** A grid of values as colours: attention, a confusion matrix, a tensor. NaN leaves a cell empty. */
export function heatmap(options: HeatmapOptions): Figure {
  const columns = Math.max(0, ...Array.from(options.values, (row) => row.length));
  for (const [what, names, count] of [["columns", options.x.names, columns], ["rows", options.y.names, options.values.length]] as const) {
    if (names && names.length !== count) throw new RangeError(`heatmap: ${names.length} names for ${count} ${what}; give one name for each.`);
  }
  const { grid, down, across } = shrink(options.values, columns);
  const centres = (count: number, each: number): number[] => Array.from({ length: count }, (_, index) => index * each + (each - 1) / 2);
  let range = options.value.range ?? ends(grid);
  if (options.colours === "diverging" && !options.value.range) {
    const reach = Math.max(Math.abs(range[0]), Math.abs(range[1])) || 1;
    range = [-reach, reach];
  }
  const numbers = options.numbers ?? (grid.length * columns <= 200 && columns <= 14);
  const label = markup(options.value.label);
  const trace: Trace = {
    type: "heatmap", name: label,
    z: grid as never, x: centres(grid[0]?.length ?? 0, across), y: centres(grid.length, down),
    zmin: range[0], zmax: range[1], colorscale: options.colours === "diverging" ? DIVERGING : SEQUENTIAL,
    colorbar: { title: { text: label, side: "top", font: { size: FONT_SIZE } }, thickness: 12, outlinewidth: 0, len: 1, exponentformat: "power" },
    ...(numbers ? { text: (options.texts?.map((row) => row.map(markup)) ?? cellTexts(grid)) as never, texttemplate: "%{text}" } : {}),
    hovertemplate: `${markup(options.x.label)} %{x}, ${markup(options.y.label)} %{y}: %{z}<extra></extra>`,
  };
  const height = options.height ?? Math.min(620, Math.max(260, 120 + grid.length * 26));
  return makeFigure([trace], {
    ...baseLayout({ title: options.title, height, margin: colourBarMargin(options.value.label) }),
    xaxis: { ...axis({ label: options.x.label, grid: false }), ...places(options.x.names, columns) },
    yaxis: { ...axis({ label: options.y.label, grid: false }), ...places(options.y.names, options.values.length), autorange: "reversed" },
  });
}
