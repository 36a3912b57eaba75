import { heatmap } from "../chart/heatmap";
import { renderSvg } from "../chart/svg/render";
import type { Verdict } from "./judge";
import { shapeOf, Unreadable, type Plain } from "./values";

type Grid = number[][];

/** Pixels: three of these stand side by side in a notebook's column. */
const WIDTH = 300;
const MOST_ROWS = 12;

/** A list of lists of numbers as rows, a list of numbers as one row; null for anything else. */
function asGrid(value: Plain): Grid | null {
  if (!Array.isArray(value) || value.length === 0) return null;
  const rows = value.every((entry) => typeof entry === "number") ? [value as number[]] : value;
  const fine = rows.every((row) => Array.isArray(row) && row.every((entry) => typeof entry === "number"));
  return fine && rows.some((row) => (row as number[]).length > 0) ? (rows as Grid) : null;
}

/** Where the first difference lies, as keys from the outside in: `.chosen_input_ids[1][0]` is chosen_input_ids, 1, 0. */
const keysOf = (where: string): string[] => [...where.matchAll(/\.([^.[\]]+)|\[(\d+)\]/g)].map(([, name, index]) => name ?? index);

/** The innermost table of both values around the first difference: of a record its column, of more axes than two the last two. */
function tables(got: Plain, wanted: Plain, keys: readonly string[]): { got: Grid; wanted: Grid; place: string[] } | null {
  const [mine, theirs] = [asGrid(got), asGrid(wanted)];
  if (mine && theirs) return { got: mine, wanted: theirs, place: [] };
  if (keys.length === 0 || [got, wanted].some((value) => typeof value !== "object" || value === null || value instanceof Unreadable)) return null;
  const inner = tables((got as Record<string, Plain>)[keys[0]], (wanted as Record<string, Plain>)[keys[0]], keys.slice(1));
  return inner && { ...inner, place: [keys[0], ...inner.place] };
}

function ends(...grids: Grid[]): [number, number] {
  const all = grids.flat(2).filter(Number.isFinite);
  if (all.length === 0) return [0, 1];
  return [all.reduce((a, b) => Math.min(a, b)), all.reduce((a, b) => Math.max(a, b))];
}

interface Drawing {
  title: string;
  values: Grid;
  range: [number, number];
  colours: "sequential" | "diverging";
  columns?: string[];
}

function image({ title, values, range, colours, columns }: Drawing): string {
  const across = Math.max(...values.map((row) => row.length));
  const names = columns?.length === across ? columns : undefined;
  // Names are written aslant below the columns.
  const height = (names ? 148 : 84) + Math.min(values.length, MOST_ROWS) * 22;
  const { data, layout } = heatmap({ title, values, x: { label: "", names }, y: { label: "", names: values.length === 1 ? [""] : undefined }, value: { label: title, range }, colours, height });
  const small = { data: data.map((trace) => ({ ...trace, showscale: false })), layout: { ...layout, width: WIDTH, margin: { ...layout.margin, l: 34, r: 8 } } };
  const svg = Buffer.from(renderSvg(small as Parameters<typeof renderSvg>[0])).toString("base64");
  return `<img alt="${title}, as a heat map" src="data:image/svg+xml;base64,${svg}" style="margin:4px 12px 0 0">`;
}

/**
 * What came, what was wanted and, where their shapes agree, the difference, as small heat maps on one scale of colours; a
 * cell without a colour is no finite number, or not there. Empty for values that are not tables of numbers.
 */
export function picture({ got, wanted, difference, parts }: Verdict): string {
  if (!difference) return "";
  const found = tables(got, wanted, keysOf(difference.where));
  if (!found || Math.max(found.got.flat().length, found.wanted.flat().length) < 2) return "";
  const range = ends(found.got, found.wanted);
  const columns = Array.isArray(wanted) && parts.length === wanted.length ? [...parts] : undefined;
  const images = [
    image({ title: "got", values: found.got, range, colours: "sequential", columns }),
    image({ title: "wanted", values: found.wanted, range, colours: "sequential", columns }),
  ];
  if (String(shapeOf(found.got)) === String(shapeOf(found.wanted)) && shapeOf(found.wanted)) {
    const values = found.got.map((row, i) => row.map((value, j) => value - found.wanted[i][j]));
    const reach = Math.max(...ends(values).map(Math.abs)) || 1;
    images.push(image({ title: "got − wanted", values, range: [-reach, reach], colours: "diverging", columns }));
  }
  const place = found.place.length > 0 ? `<div>at ${found.place.map((key) => (/^\d+$/.test(key) ? `[${key}]` : key)).join("")}:</div>` : "";
  return `<div style="margin-top:6px">${place}${images.join("")}</div>`;
}
