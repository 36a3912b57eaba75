/** The parts of a danfojs DataFrame or Series that a table needs. */
interface Frame {
  columns: unknown[];
  index: unknown[];
  values: unknown[];
}

const headRows = 30;
const tailRows = 10;
const mostColumns = 40;

export function isFrame(value: unknown): value is Frame {
  if (typeof value !== "object" || value === null) return false;
  const { columns, index, values } = value as Partial<Frame>;
  return [columns, index, values].every(Array.isArray) && "dtypes" in value && "iloc" in value;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function formatNumber(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) return String(value);
  const size = Math.abs(value);
  return size >= 1e-3 && size < 1e6 ? String(Number(value.toPrecision(6))) : value.toExponential(3);
}

export function formatValue(value: unknown): string {
  if (typeof value === "number") return formatNumber(value);
  if (value === null || value === undefined) return "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

interface Table {
  columns: string[];
  /** Undefined stands for the rows left out. */
  rows: ({ label: string; cells: unknown[] } | undefined)[];
  note: string;
}

function toTable(frame: Frame): Table {
  const isSeries = frame.values.length > 0 && !Array.isArray(frame.values[0]);
  const total = frame.index.length;
  const row = (at: number) => {
    const value = frame.values[at];
    const cells = isSeries ? [value] : (value as unknown[]);
    return { label: formatValue(frame.index[at]), cells: cells.slice(0, mostColumns) };
  };
  const range = (from: number, to: number) => Array.from({ length: Math.max(0, to - from) }, (_, i) => row(from + i));
  const rows = total <= headRows + tailRows ? range(0, total) : [...range(0, headRows), undefined, ...range(total - tailRows, total)];
  const width = frame.columns.length;
  const hidden = width > mostColumns ? `, the first ${mostColumns} shown` : "";
  const note = isSeries ? `${total} values` : `${total} rows × ${width} columns${hidden}`;
  return { columns: frame.columns.slice(0, mostColumns).map(formatValue), rows, note };
}

function toHtml({ columns, rows, note }: Table): string {
  const head = columns.map((column) => `<th>${escapeHtml(column)}</th>`).join("");
  const body = rows.map((row) => {
    if (!row) return `<tr><th>…</th>${columns.map(() => "<td>…</td>").join("")}</tr>`;
    const cells = row.cells.map((cell) => {
      const style = typeof cell === "number" ? "" : ' style="text-align: left; white-space: pre-wrap"';
      return `<td${style}>${escapeHtml(formatValue(cell))}</td>`;
    });
    return `<tr><th>${escapeHtml(row.label)}</th>${cells.join("")}</tr>`;
  });
  return `<table class="dataframe"><thead><tr><th></th>${head}</tr></thead><tbody>${body.join("")}</tbody></table><p>${note}</p>`;
}

const widest = 60;

function toText({ columns, rows, note }: Table): string {
  const short = (text: string) => {
    const line = text.replaceAll("\n", "⏎");
    return line.length > widest ? `${line.slice(0, widest - 1)}…` : line;
  };
  const lines = [["", ...columns], ...rows.map((row) => (row ? [row.label, ...row.cells.map(formatValue)] : ["…", ...columns.map(() => "…")]))];
  const cells = lines.map((line) => line.map(short));
  const widths = cells[0]!.map((_, at) => Math.max(...cells.map((line) => (line[at] ?? "").length)));
  return `${cells.map((line) => line.map((cell, at) => cell.padEnd(widths[at]!)).join("  ").trimEnd()).join("\n")}\n${note}`;
}

/** A data frame or series as an HTML table and as text; long ones by their head and tail. */
export function frameBundle(frame: Frame): Record<string, string> {
  const table = toTable(frame);
  return { "text/html": toHtml(table), "text/plain": toText(table) };
}
