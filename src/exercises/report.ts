import { escapeHtml } from "../engine/html";
import type { Verdict } from "./judge";
import { picture } from "./picture";
import { count, inWords, type Plain } from "./values";

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

/** Puts a verdict into words, with a picture of both values where they are tables of numbers. */
export function report(verdict: Verdict, hintAt: string): Report {
  const { mark, word, colour } = heads[verdict.state];
  const lines = linesOf(verdict, hintAt);
  const title = `${mark} ${verdict.title}: ${word}`;
  const rows = lines.map(
    ({ label, text }) =>
      `<tr><th scope="row" style="text-align:left;vertical-align:top;padding:2px 12px 2px 0;white-space:nowrap">${escapeHtml(label)}</th>` +
      `<td style="text-align:left;vertical-align:top;white-space:pre-wrap">${escapeHtml(text)}</td></tr>`,
  );
  return {
    "text/plain": [title, ...lines.map(({ label, text }) => `  ${label}: ${text}`)].join("\n"),
    "text/html":
      `<div style="border-left:6px ${verdict.state === "passed" ? "solid" : "double"} ${colour};padding:4px 12px">` +
      `<strong>${escapeHtml(title)}</strong><table style="margin:6px 0 0 0">${rows.join("")}</table>${picture(verdict)}</div>`,
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
  if (verdict.remark) lines.push({ label: "noticed", text: verdict.remark });
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

/** Where got and wanted first differ, with both. */
export function placeInWords({ difference, parts }: Verdict): string {
  const { where, got, wanted, says } = difference!;
  const named = where.replace(/^\[(\d+)\]/, (whole, index: string) => parts[Number(index)] ?? whole).replace(/^\./, "");
  const place = named === "" ? "the result itself" : `at ${named}`;
  if (says !== "another number") return `${place}: ${says}`;
  return `${place}: got ${inWords(got)}, wanted ${inWords(wanted)}`;
}
