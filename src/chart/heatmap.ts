import { makeFigure } from "./bundle";
import { type Figure, markup, plainNumbers, type Numbers } from "./figure";
import { axis, baseLayout } from "./theme";

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
  /** Writes each value in its cell; by default up to 200 cells. */
  numbers?: boolean;
  height?: number;
}

/** Nine points of viridis (van der Walt and Smith, 2015), even in lightness and safe for the colour-blind. */
const SEQUENTIAL: [number, string][] = [
  [0, "#440154"], [0.125, "#472d7b"], [0.25, "#3b528b"], [0.375, "#2c728e"], [0.5, "#21918c"],
  [0.625, "#28ae80"], [0.75, "#5ec962"], [0.875, "#addc30"], [1, "#fde725"],
];
const DIVERGING: [number, string][] = [[0, "#0072b2"], [0.5, "#f7f7f7"], [1, "#d55e00"]];

const ends = (grid: (number | null)[][]): [number, number] => {
  const all = grid.flat().filter((value) => value !== null);
  return all.length === 0 ? [0, 1] : [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
};

/** A grid of values as colours: attention, a confusion matrix, a tensor. NaN leaves a cell empty. */
export function heatmap(options: HeatmapOptions): Figure {
  const grid = Array.from(options.values, (row) => plainNumbers(row));
  const columns = Math.max(0, ...grid.map((row) => row.length));
  for (const [what, names, count] of [["columns", options.x.names, columns], ["rows", options.y.names, grid.length]] as const) {
    if (names && names.length !== count) throw new RangeError(`heatmap: ${names.length} names for ${count} ${what}; give one name for each.`);
  }
  let range = options.value.range ?? ends(grid);
  if (options.colours === "diverging" && !options.value.range) {
    const reach = Math.max(Math.abs(range[0]), Math.abs(range[1])) || 1;
    range = [-reach, reach];
  }
  const numbers = options.numbers ?? grid.length * columns <= 200;
  const places = (names: string[] | undefined, count: number) => ({
    showgrid: false,
    ...(names ? { tickmode: "array" as const, tickvals: names.map((_, index) => index), ticktext: names.map(markup) } : count <= 12 ? { tickmode: "array" as const, tickvals: Array.from({ length: count }, (_, index) => index) } : {}),
  });
  return makeFigure(
    [
      {
        type: "heatmap", name: markup(options.value.label), z: grid as never, zmin: range[0], zmax: range[1],
        colorscale: options.colours === "diverging" ? DIVERGING : SEQUENTIAL, xgap: 0, ygap: 0,
        colorbar: { title: { text: markup(options.value.label), side: "top" }, thickness: 12, outlinewidth: 0, len: 1, exponentformat: "power" },
        ...(numbers ? { text: grid.map((row) => row.map((value) => (value === null ? "" : String(Number(value.toPrecision(3)))))) as never, texttemplate: "%{text}" } : {}),
        hovertemplate: `${markup(options.x.label)} %{x}, ${markup(options.y.label)} %{y}: %{z}<extra></extra>`,
      },
    ],
    {
      ...baseLayout({ title: options.title, height: options.height ?? Math.min(620, Math.max(260, 120 + grid.length * 26)), margin: { r: 90 } }),
      xaxis: { ...axis({ label: options.x.label }), ...places(options.x.names, columns) },
      yaxis: { ...axis({ label: options.y.label }), ...places(options.y.names, grid.length), autorange: "reversed" },
    },
  );
}
