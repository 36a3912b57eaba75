import { display } from "../engine/host";
import { escapeHtml } from "../engine/html";
import { inTime } from "./announce";
import { exercises } from "./checks/index";
import { course } from "./course";
import { readEvents, resetEvents, type ProgressEvent } from "./progressStore";
import { questions } from "./questions";

/** How far an exercise or question is. */
export interface ItemProgress {
  id: string;
  title: string;
  kind: "exercise" | "question";
  state: "done" | "begun" | "open";
  /** What it counts for; a question's are for a reader to give. */
  points: number;
  checks: number;
  hints: number;
  /** Until it was done for the first time. */
  seconds: number;
}

export interface NotebookProgress {
  notebook: string;
  title: string;
  items: ItemProgress[];
  /** Of exercises whose check has passed, of all of its exercises. */
  points: { earned: number; possible: number };
  seconds: number;
}

/** A gap longer than this between two events was a break. */
const LONGEST_WORK_MS = 15 * 60_000;

/** The time that led up to each event: since the one before it in the same session, or since the session began. */
function spent(events: readonly ProgressEvent[]): number[] {
  const last = new Map<string, number>();
  return events.map(({ at, session }) => {
    const now = Date.parse(at);
    const since = last.get(session) ?? Date.parse(session.split(" ")[0]);
    last.set(session, now);
    const gap = now - since;
    return gap > 0 ? Math.min(gap, LONGEST_WORK_MS) / 1000 : 0;
  });
}

const isDone = ({ kind, state }: ProgressEvent): boolean => kind === "question" || state === "passed";

function item(id: string, kind: ItemProgress["kind"], points: number, events: readonly ProgressEvent[], times: readonly number[]): ItemProgress {
  const own = events.flatMap((event, at) => (event.id === id && (event.kind === "question") === (kind === "question") ? [{ event, seconds: times[at] }] : []));
  const firstDone = own.findIndex(({ event }) => isDone(event));
  const until = own.slice(0, firstDone === -1 ? undefined : firstDone + 1);
  const title = kind === "exercise" ? exercises[id as keyof typeof exercises].title : questions[id as keyof typeof questions].ask;
  return {
    id, title, kind, points,
    state: firstDone !== -1 ? "done" : own.length > 0 ? "begun" : "open",
    checks: own.filter(({ event }) => event.kind === "check").length,
    hints: own.filter(({ event }) => event.kind === "hint").length,
    seconds: until.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}

/** The whole course as recorded events tell it. An exercise that has passed once stays done. */
export function courseProgress(events: readonly ProgressEvent[]): NotebookProgress[] {
  const times = spent(events);
  return course.map(({ notebook, title, exercises: own, questions: asked }) => {
    const items = [
      ...Object.entries(own).map(([id, points]) => item(id, "exercise", points, events, times)),
      ...Object.entries(asked).map(([id, points]) => item(id, "question", points, events, times)),
    ];
    const marked = items.filter(({ kind }) => kind === "exercise");
    const sum = (of: ItemProgress[]): number => of.reduce((total, { points }) => total + points, 0);
    return {
      notebook, title, items,
      points: { earned: sum(marked.filter(({ state }) => state === "done")), possible: sum(marked) },
      seconds: items.reduce((total, { seconds }) => total + seconds, 0),
    };
  });
}

const marks = { done: "✓", begun: "…", open: "○" } as const;
const words = { done: "done", begun: "begun", open: "to do" } as const;

const done = (items: readonly ItemProgress[], kind: ItemProgress["kind"]): string => {
  const of = items.filter((entry) => entry.kind === kind);
  return `${of.filter(({ state }) => state === "done").length} of ${of.length}`;
};

/** A notebook's figures in one line. */
function summary({ items, points, seconds }: NotebookProgress): string {
  const earned = points.possible > 0 ? [`${points.earned} of ${points.possible} points`] : [];
  return [`${done(items, "exercise")} exercises`, ...earned, `${done(items, "question")} written answers`, seconds > 0 ? inTime(seconds) : "no time yet"].join(", ");
}

function details(entry: ItemProgress): string {
  const reader = entry.points > 0 ? `up to ${entry.points} points from a reader` : "practice";
  if (entry.kind === "question") return entry.state === "done" ? `answered; ${reader}` : reader;
  const tries = entry.checks > 0 ? `, ${entry.checks} ${entry.checks === 1 ? "check" : "checks"}` : "";
  const hints = entry.hints > 0 ? `, ${entry.hints} ${entry.hints === 1 ? "hint" : "hints"}` : "";
  const time = entry.seconds > 0 ? `, ${inTime(entry.seconds)}` : "";
  const points = entry.points > 0 ? `${entry.state === "done" ? entry.points : 0} of ${entry.points} points` : "practice";
  return `${points}${tries}${hints}${time}`;
}

/** By points, or by what is done in a notebook where all is practice. */
function share({ items, points }: NotebookProgress): number {
  return points.possible > 0 ? points.earned / points.possible : items.filter(({ state }) => state === "done").length / items.length;
}

const short = (text: string): string => (text.length > 60 ? `${text.slice(0, 59)}…` : text);

function asText(all: readonly NotebookProgress[]): string {
  return all.flatMap((notebook) => {
    const full = Math.round(20 * share(notebook));
    const head = `${notebook.notebook} ${notebook.title}`;
    if (notebook.items.length === 0) return [`${head}: nothing is marked here`];
    return [
      `${head}: ${summary(notebook)}`,
      `  ${"█".repeat(full)}${"░".repeat(20 - full)} ${Math.round(100 * share(notebook))} %`,
      ...notebook.items.map((entry) => `  ${marks[entry.state]} ${short(entry.title)}: ${details(entry)}`),
    ];
  }).join("\n");
}

function bar(notebook: NotebookProgress): string {
  const percent = Math.round(100 * share(notebook));
  const { earned, possible } = notebook.points;
  const label = possible > 0 ? `${earned} of ${possible} points` : `${percent} % done`;
  return (
    `<div role="img" aria-label="${label}" style="width:320px;max-width:100%;height:12px;border:1px solid #888888;border-radius:3px">` +
    `<div style="width:${percent}%;height:12px;background:#117733"></div></div>`
  );
}

function asHtml(all: readonly NotebookProgress[]): string {
  const cell = (text: string): string => `<td style="text-align:left;padding:1px 12px 1px 0">${escapeHtml(text)}</td>`;
  const parts = all.map((notebook) => {
    const head = `<strong>${escapeHtml(`${notebook.notebook} ${notebook.title}`)}</strong>`;
    if (notebook.items.length === 0) return `<div style="margin:6px 0">${head}: nothing is marked here</div>`;
    const rows = notebook.items.map((entry) => `<tr title="${escapeHtml(entry.title)}">${cell(`${marks[entry.state]} ${words[entry.state]}`)}${cell(short(entry.title))}${cell(details(entry))}</tr>`);
    return `<div style="margin:6px 0">${head}: ${escapeHtml(summary(notebook))}${bar(notebook)}<table style="margin:4px 0 0 0">${rows.join("")}</table></div>`;
  });
  return `<div>${parts.join("")}</div>`;
}

function showProgress(): void {
  const all = courseProgress(readEvents());
  display({ "text/plain": asText(all), "text/html": asHtml(all) });
}

function reset(): void {
  const kept = resetEvents();
  display({ "text/plain": kept ? `Your progress begins anew. What was there is kept as work/${kept}; renamed back to progress.jsonl it counts again.` : "There is no progress to reset yet." });
}

/**
 * Draws the course: which exercises are done, their points, and the time spent. `progress.reset()` begins anew. Time is
 * what lies between one check, hint or written answer and the next; a gap counts for 15 minutes at most.
 */
export const progress: { (): void; reset(): void } = Object.assign(showProgress, { reset });
