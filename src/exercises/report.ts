import type { Verdict } from "./judge";
import { count, inWords, shapeOf, type Plain } from "./values";

/** What a check shows: the same words as text and as HTML. */
export interface Report {
  "text/plain": string;
  "text/html": string;
}

interface Line {
  label: string;
  text: string;
}

const heads = {
  passed: { mark: "✓", word: "passed", colour: "#117733" },
  failed: { mark: "✗", word: "not right yet", colour: "#aa3377" },
  todo: { mark: "○", word: "not done yet", colour: "#666666" },
} as const;

/** Puts a verdict into words, with a picture of both values where they are small tables. */
export function report(verdict: Verdict, hintAt: string): Report {
  const { mark, word, colour } = heads[verdict.state];
  const lines = linesOf(verdict, hintAt);
  const title = `${mark} ${verdict.title}: ${word}`;
  const picture = verdict.state === "failed" && verdict.difference ? comparison(verdict) : "";
  const rows = lines.map(
    ({ label, text }) =>
      `<tr><th scope="row" style="text-align:left;vertical-align:top;padding:2px 12px 2px 0;white-space:nowrap">${escape(label)}</th>` +
      `<td style="text-align:left;vertical-align:top;white-space:pre-wrap">${escape(text)}</td></tr>`,
  );
  return {
    "text/plain": [title, ...lines.map(({ label, text }) => `  ${label}: ${text}`)].join("\n"),
    "text/html":
      `<div style="border-left:6px ${verdict.state === "passed" ? "solid" : "double"} ${colour};padding:4px 12px">` +
      `<strong>${escape(title)}</strong><table style="margin:6px 0 0 0">${rows.join("")}</table>${picture}</div>`,
  };
}

function linesOf(verdict: Verdict, hintAt: string): Line[] {
  if (verdict.state === "todo") {
    return [{ label: "to do", text: verdict.thrown ?? "" }, { label: "stuck?", text: hintAt }];
  }
  if (verdict.state === "passed") {
    return [{ label: "tried", text: `${count(verdict.right.length, "trial", "trials")}: ${verdict.right.join("; ")}` }];
  }
  const lines: Line[] = verdict.mistakes.map(({ says }) => ({ label: "what happened", text: says }));
  if (verdict.tried) lines.push({ label: "tried", text: verdict.tried });
  if (verdict.thrown !== undefined) lines.push({ label: verdict.tried ? "it threw" : "problem", text: verdict.thrown });
  if (verdict.difference) {
    lines.push({ label: "got", text: inWords(verdict.got as Plain, 400) });
    lines.push({ label: "wanted", text: inWords(verdict.wanted as Plain, 400) });
    lines.push({ label: "first difference", text: placeInWords(verdict) });
  }
  if (verdict.right.length > 0) lines.push({ label: "right so far", text: verdict.right.join("; ") });
  lines.push({ label: "stuck?", text: hintAt });
  return lines;
}

function placeInWords({ difference, parts }: Verdict): string {
  const { where, got, wanted, says } = difference!;
  const named = where.replace(/^\[(\d+)\]/, (whole, index: string) => parts[Number(index)] ?? whole).replace(/^\./, "");
  const place = named === "" ? "the result itself" : `at ${named}`;
  if (says !== "another number") return `${place}: ${says}`;
  return `${place}: got ${inWords(got)}, wanted ${inWords(wanted)}`;
}

/** Both values as tables with the differing cells framed, where they are lists of numbers small enough to look at. */
function comparison({ got, wanted }: Verdict): string {
  const pairs = typeof wanted === "object" && wanted !== null && !Array.isArray(wanted) ? Object.keys(wanted) : [""];
  const tables = pairs.map((key) => {
    const [yours, theirs] = [got, wanted].map((value) => (key === "" ? value : (value as Record<string, Plain>)?.[key]));
    const [a, b] = [asRows(yours), asRows(theirs)];
    if (!a || !b || JSON.stringify(a) === JSON.stringify(b)) return "";
    return `<td style="text-align:left;padding-right:24px">${key === "" ? "" : `<div>${escape(key)}</div>`}${table("got", a, b)}${table("wanted", b, a)}</td>`;
  });
  return tables.some(Boolean) ? `<table><tr>${tables.join("")}</tr></table>` : "";
}

function asRows(value: Plain): number[][] | null {
  if (!Array.isArray(value) || value.length === 0 || value.length > 8) return null;
  const rows = (Array.isArray(value[0]) ? value : [value]) as Plain[];
  const fine = rows.every((row) => Array.isArray(row) && row.length <= 14 && row.every((entry) => typeof entry === "number"));
  return fine && (shapeOf(value)?.length ?? 2) <= 2 ? (rows as number[][]) : null;
}

function table(caption: string, rows: number[][], other: number[][]): string {
  const cells = rows.map((row, i) => {
    const tds = row.map((value, j) => {
      const differs = other[i]?.[j] === undefined || Math.abs(other[i][j] - value) > 1e-4 * (1 + Math.abs(value));
      const frame = differs ? "border:2px solid #aa3377;font-weight:bold" : "border:1px solid #88888855";
      return `<td style="${frame};padding:1px 6px;text-align:right">${inWords(value)}</td>`;
    });
    return `<tr>${tds.join("")}</tr>`;
  });
  return `<table style="display:inline-table;margin:4px 12px 4px 0;border-collapse:collapse"><caption style="text-align:left">${caption}</caption>${cells.join("")}</table>`;
}

export function escape(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}
