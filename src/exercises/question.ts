import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { display } from "../engine/host";
import { escapeHtml } from "../engine/html";
import { writeWholeSync } from "../hub/whole";
import { keepsWork, workFolder } from "./folders";
import { record } from "./progressStore";
import { questions, type Question, type QuestionId } from "./questions";

interface StoredAnswer {
  answer: string;
  date: string;
}

/**
 * Keeps a written answer and shows what a good one says. Nobody scores it: compare and judge for yourself.
 * An empty answer shows the question alone. Every version stays in `work/answers.json`.
 */
export function question(id: QuestionId, answer: string): void {
  const asked = (questions as Record<string, Question>)[id];
  if (!asked) throw new Error(`There is no question "${id}". The questions: ${Object.keys(questions).join(", ")}.`);
  const written = answer.trim();
  if (written === "") {
    display(bundle([["Question", asked.ask], ["To do", "Write two or three sentences between the quotes and run the cell again. What a good answer says is shown after."]], []));
    return;
  }
  if (keepsWork()) store(id, written);
  record({ kind: "question", id });
  display(bundle([["Question", asked.ask], ["Your answer", written]], asked.rubric));
}

function store(id: string, answer: string): void {
  const file = join(workFolder(), "answers.json");
  const all = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Record<string, StoredAnswer[]>) : {};
  const versions = (all[id] ??= []);
  if (versions.at(-1)?.answer === answer) return;
  versions.push({ answer, date: new Date().toISOString() });
  writeWholeSync(file, `${JSON.stringify(all, null, 2)}\n`);
}

function bundle(lines: [string, string][], rubric: readonly string[]): Record<string, string> {
  const text = lines.map(([label, value]) => `${label}: ${value}`);
  const html = lines.map(([label, value]) => `<p><strong>${label}</strong><br>${escapeHtml(value).replace(/\n/g, "<br>")}</p>`);
  if (rubric.length > 0) {
    text.push("A good answer says:", ...rubric.map((point) => `  [ ] ${point}`));
    html.push(`<p><strong>A good answer says</strong></p><ul>${rubric.map((point) => `<li>${escapeHtml(point)}</li>`).join("")}</ul>`);
  }
  return { "text/plain": text.join("\n"), "text/html": `<div style="border-left:6px dotted #888888;padding:0 12px">${html.join("")}</div>` };
}
