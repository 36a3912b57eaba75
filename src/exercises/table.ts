import { escape } from "./report";

/** A small table as text and HTML. The first row is the head; cells of `strong` rows stand out. */
export function tableBundle(title: string, rows: readonly (readonly string[])[], strong: readonly number[] = []): Record<string, string> {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const text = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd());
  const html = rows.map((row, index) => {
    const cell = index === 0 ? "th" : "td";
    const style = `text-align:left;padding:2px 16px 2px 0${strong.includes(index) ? ";font-weight:bold" : ""}`;
    return `<tr>${row.map((value) => `<${cell} style="${style}">${escape(value)}</${cell}>`).join("")}</tr>`;
  });
  return {
    "text/plain": [title, ...text].join("\n"),
    "text/html": `<table><caption style="text-align:left;font-weight:bold">${escape(title)}</caption>${html.join("")}</table>`,
  };
}
