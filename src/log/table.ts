import { displayMethod, type MimeBundle } from "../engine/host";
import { BORDER, escapeHtml, FAINT, HEAD_GROUND, tag } from "./html";
import { numberWriter } from "./numbers";

/** A danfojs data frame, by the parts that a table needs. */
export interface FrameLike {
  columns: string[];
  index: (string | number)[];
  values: unknown;
}

export interface TableOptions {
  caption?: string;
  /** The columns to show, in this order; all by default. */
  columns?: string[];
  /** Other names for columns' heads. */
  heads?: Record<string, string>;
  /** Digits after the point: for all columns of numbers, or by column. By default what suits the column. */
  decimals?: number | Record<string, number>;
  /** Rows shown; of more, the first and the last, with a note between. 20 by default. */
  maxRows?: number;
  /** Characters shown of one text; 1,200 by default. */
  maxText?: number;
  /** Sorts the rows by a column, smallest first, or `{ column, descending: true }`; what is missing comes last. By default as they come. */
  sortBy?: string | { column: string; descending?: boolean };
  /** Shows the frame's index, or the rows' numbers from 0. By default only for a frame whose index is not 0, 1, 2 …. */
  index?: boolean;
}

/** A table that shows itself: rich in a notebook, in columns of text elsewhere. */
export interface Table {
  html: string;
  text: string;
  [displayMethod](): MimeBundle;
}

interface Cells {
  columns: string[];
  rows: unknown[][];
  index: (string | number)[];
}

function isFrame(value: unknown): value is FrameLike {
  const { columns, index, values } = value as Partial<FrameLike>;
  return Array.isArray(columns) && Array.isArray(index) && Array.isArray(values);
}

function cellsOf(data: FrameLike | readonly object[], wanted: string[] | undefined): Cells {
  const known = isFrame(data) ? data.columns.map(String) : [...new Set(data.flatMap((row) => Object.keys(row)))];
  const columns = wanted ?? known;
  const missing = columns.find((column) => !known.includes(column));
  if (missing !== undefined && (isFrame(data) || data.length > 0)) {
    throw new RangeError(`table: there is no column "${missing}"; the columns are ${known.join(", ")}.`);
  }
  if (!isFrame(data)) {
    return { columns, rows: data.map((row) => columns.map((column) => (row as Record<string, unknown>)[column])), index: data.map((_, at) => at) };
  }
  const places = columns.map((column) => known.indexOf(column));
  return { columns, rows: (data.values as unknown[][]).map((row) => places.map((at) => row[at])), index: data.index };
}

interface Sorting {
  column: string;
  descending: boolean;
}

const isMissing = (value: unknown): boolean => value === null || value === undefined || Number.isNaN(value);

/** Numbers by size, all else as text in the order of words, with numbers within words by size. */
function compare(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (a instanceof Date && b instanceof Date) return a.getTime() - b.getTime();
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

/** The rows in a column's order; rows that are equal there stay in theirs. */
function sorted(cells: Cells, data: FrameLike | readonly object[], { column, descending }: Sorting): Cells {
  const key = cellsOf(data, [column]).rows.map((row) => row[0]);
  const order = key.map((_, at) => at).sort((a, b) => {
    const [left, right] = [isMissing(key[a]), isMissing(key[b])];
    if (left || right) return Number(left) - Number(right);
    return descending ? compare(key[b], key[a]) : compare(key[a], key[b]);
  });
  return { columns: cells.columns, rows: order.map((at) => cells.rows[at]!), index: order.map((at) => cells.index[at]!) };
}

interface Cell {
  text: string;
  kind: "number" | "text" | "missing";
}

function written(value: unknown, write: (value: number) => string, maxText: number): Cell {
  if (value === null || value === undefined) return { text: "", kind: "missing" };
  if (typeof value === "number") return { text: write(value), kind: Number.isNaN(value) ? "missing" : "number" };
  const text = typeof value === "object" ? (value instanceof Date ? value.toISOString() : JSON.stringify(value)) : String(value);
  if (text.length <= maxText) return { text, kind: "text" };
  return { text: `${text.slice(0, maxText)}… (${text.length - maxText} more characters)`, kind: "text" };
}

const CAPTION = { "caption-side": "top", "text-align": "left", "font-weight": "600", padding: "4px 0", "white-space": "pre-wrap" };
const HEAD = { padding: "4px 10px", border: "none", background: HEAD_GROUND };
const NUMBER = { "white-space": "nowrap", "font-variant-numeric": "tabular-nums" };
const TEXT = { "white-space": "pre-wrap", "overflow-wrap": "anywhere", "min-width": "4em", "max-width": "34em" };

interface Layout {
  heads: string[];
  /** Undefined stands for the rows left out. */
  rows: (Cell[] | undefined)[];
  /** Columns that hold numbers. */
  numeric: boolean[];
  /** The place of the column that the rows are sorted by; −1 for none that is shown. */
  sortedAt: number;
  descending: boolean;
  caption: string;
  foot: string;
}

function cellHtml(cell: Cell, numeric: boolean): string {
  const style = {
    "text-align": numeric ? "right" : "left", "vertical-align": "top", padding: "4px 10px", border: "none",
    "border-bottom": `1px solid ${BORDER}`, ...(cell.kind === "text" ? TEXT : NUMBER), ...(cell.kind === "missing" ? { color: FAINT } : {}),
  };
  return tag("td", style, escapeHtml(cell.text));
}

/** A head, with an arrow where the rows are sorted by it. */
const headText = ({ heads, sortedAt, descending }: Layout, at: number): string => (at === sortedAt ? `${heads[at]!} ${descending ? "▼" : "▲"}` : heads[at]!);

function toHtml(layout: Layout): string {
  const { heads, rows, numeric, caption, foot, sortedAt, descending } = layout;
  const head = heads.map((_, at) => {
    const style = { "text-align": numeric[at] ? "right" : "left", "vertical-align": "bottom", ...HEAD };
    const sort = at === sortedAt ? ` aria-sort="${descending ? "descending" : "ascending"}"` : "";
    return tag("th", style, escapeHtml(headText(layout, at)), ` scope="col"${sort}`);
  });
  const body = rows.map((row) => {
    const cells = row ?? heads.map((): Cell => ({ text: "…", kind: "missing" }));
    return `<tr>${cells.map((cell, at) => cellHtml(cell, numeric[at]!)).join("")}</tr>`;
  });
  const content =
    (caption ? tag("caption", CAPTION, escapeHtml(caption)) : "") +
    `<thead><tr>${head.join("")}</tr></thead><tbody>${body.join("")}</tbody>`;
  const below = foot ? tag("div", { color: FAINT, "margin-top": "4px" }, escapeHtml(foot)) : "";
  return tag("div", { "max-width": "100%", "overflow-x": "auto" }, tag("table", { "border-collapse": "collapse", margin: "0" }, content) + below);
}

const WIDEST = 60;

function toText(layout: Layout): string {
  const { heads, rows, numeric, caption, foot } = layout;
  const short = (text: string): string => {
    const line = text.replaceAll("\n", " ⏎ ");
    return line.length > WIDEST ? `${line.slice(0, WIDEST - 1)}…` : line;
  };
  const lines = [heads.map((_, at) => headText(layout, at)), ...rows.map((row) => row?.map((cell) => cell.text) ?? heads.map(() => "…"))].map((line) => line.map(short));
  const widths = heads.map((_, at) => Math.max(...lines.map((line) => line[at]!.length)));
  const laid = lines.map((line) => line.map((cell, at) => (numeric[at] ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!))).join("  ").trimEnd());
  return [caption, ...laid, foot].filter(Boolean).join("\n");
}

function shownRows(rows: unknown[][], maxRows: number, toCells: (row: unknown[], at: number) => Cell[]): (Cell[] | undefined)[] {
  if (rows.length <= maxRows) return rows.map(toCells);
  const first = Math.ceil(maxRows * 0.6);
  const from = rows.length - (maxRows - first);
  return [...rows.slice(0, first).map(toCells), undefined, ...rows.slice(from).map((row, at) => toCells(row, from + at))];
}

function asTable(html: string, text: string): Table {
  return { html, text, [displayMethod]: () => ({ "text/html": html, "text/plain": text }) };
}

/**
 * A table of rows (objects, one key a column) or of a danfojs data frame. Numbers of one column share their decimals,
 * long texts wrap and keep their line breaks, NaN is faint.
 * @throws RangeError when a column is asked for, or sorted by, that is not there.
 */
export function table(data: FrameLike | readonly object[], options: TableOptions = {}): Table {
  const sorting = options.sortBy === undefined ? undefined : typeof options.sortBy === "string" ? { column: options.sortBy, descending: false } : { descending: false, ...options.sortBy };
  const given = cellsOf(data, options.columns);
  const { columns, rows, index } = sorting ? sorted(given, data, sorting) : given;
  const maxRows = options.maxRows ?? 20;
  const counted = options.index ?? given.index.some((name, at) => name !== at);
  const writers = columns.map((column, at) => {
    const decimals = typeof options.decimals === "number" ? options.decimals : options.decimals?.[column];
    return numberWriter(rows.map((row) => row[at]), decimals);
  });
  const toCells = (row: unknown[], at: number): Cell[] => {
    const cells = row.map((value, column) => written(value, writers[column]!, options.maxText ?? 1200));
    return counted ? [{ text: String(index[at]), kind: "missing" }, ...cells] : cells;
  };
  const shown = shownRows(rows, maxRows, toCells);
  const heads = [...(counted ? [""] : []), ...columns.map((column) => options.heads?.[column] ?? column)];
  const numeric = heads.map((_, at) => shown.some((row) => row?.[at]?.kind === "number"));
  const foot = rows.length > maxRows ? `${maxRows} of ${rows.length} rows` : rows.length === 0 ? "no rows" : "";
  const sortedAt = sorting && columns.includes(sorting.column) ? columns.indexOf(sorting.column) + (counted ? 1 : 0) : -1;
  const layout = { heads, rows: shown, numeric, sortedAt, descending: sorting?.descending ?? false, caption: options.caption ?? "", foot };
  return asTable(toHtml(layout), toText(layout));
}

/** Texts beside each other under their titles: the same question answered before and after training. */
export function sideBySide(columns: { title: string; text: string }[], options: { caption?: string } = {}): Table {
  if (columns.length === 0) throw new RangeError("sideBySide: there are no columns; give at least one { title, text }.");
  const common = { width: `${Math.floor(100 / columns.length)}%`, "text-align": "left", border: `1px solid ${BORDER}`, "overflow-wrap": "anywhere" };
  const head = columns.map(({ title }) => tag("th", { ...common, padding: "6px 12px", background: HEAD_GROUND }, escapeHtml(title), ' scope="col"'));
  const body = columns.map(({ text }) =>
    tag("td", { ...common, "vertical-align": "top", padding: "8px 12px", "white-space": "pre-wrap" }, escapeHtml(text)),
  );
  const content =
    (options.caption ? tag("caption", CAPTION, escapeHtml(options.caption)) : "") +
    `<thead><tr>${head.join("")}</tr></thead><tbody><tr>${body.join("")}</tr></tbody>`;
  const html = tag("table", { width: "100%", "table-layout": "fixed", "border-collapse": "collapse", margin: "0" }, content);
  const text = [options.caption, ...columns.map(({ title, text }) => `── ${title} ──\n${text}`)].filter(Boolean).join("\n\n");
  return asTable(html, text);
}
