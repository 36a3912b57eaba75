/** Lines of text in columns: the first `texts` columns stand left, numbers right. */
export function textTable(heads: readonly string[], rows: readonly (readonly string[])[], texts: number): string[] {
  const widths = heads.map((head, i) => Math.max(head.length, ...rows.map((row) => row[i]!.length)));
  const format = (row: readonly string[]): string => row.map((text, i) => (i < texts ? text.padEnd(widths[i]!) : text.padStart(widths[i]!))).join("  ").trimEnd();
  return [heads, ...rows].map(format);
}
