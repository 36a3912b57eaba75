import { SourceMap } from "node:module";
import { relative } from "node:path";
import { inspect } from "node:util";
import { CompileError } from "./compiler";
import { limitText } from "./limit";

interface Run {
  source: string;
  maps: string[];
}

export interface ErrorReport {
  ename: string;
  evalue: string;
  traceback: string[];
}

/** Lines that the converter puts before a cell's own first line. */
const linesBefore = 1;
/** Of an error's message and of each line of its traceback. */
const messageCharacters = 100_000;
const runs = new Map<number, Run>();
const parsedMaps = new Map<number, SourceMap[]>();

/** The name under which a run of a cell appears in a stack before it is labelled. */
export function scriptName(count: number): string {
  return `alignlab-cell-${count}`;
}

/** Remembers what a run was made from, so that its stack frames can be led back to the cell's lines. */
export function rememberRun(count: number, source: string, maps: string[]): void {
  runs.set(count, { source, maps });
}

function toSource(count: number, line: number, column: number): { line: number; column: number } {
  const maps = parsedMaps.get(count) ?? runs.get(count)?.maps.map((map) => new SourceMap(JSON.parse(map)));
  if (!maps) return { line, column };
  parsedMaps.set(count, maps);
  let at = { line: line - 1, column: column - 1 };
  for (const map of maps) {
    const entry = map.findEntry(at.line, at.column);
    if (!("originalLine" in entry) || entry.originalLine === undefined) return { line, column };
    at = { line: entry.originalLine, column: entry.originalColumn };
  }
  return { line: at.line + 1 - linesBefore, column: at.column + 1 };
}

const cellPlace = /(?:evalmachine\.)?alignlab-cell-(\d+):(\d+):(\d+)/g;

/** Replaces places in compiled cells by `Cell [n], line:column`. */
export function labelCells(text: string): string {
  if (!text.includes("alignlab-cell-")) return text;
  return text.replace(cellPlace, (_, count: string, line: string, column: string) => {
    const place = toSource(Number(count), Number(line), Number(column));
    return `Cell [${count}], ${place.line}:${place.column}`;
  });
}

const notShown = /\bnode:|\/node_modules\/tslab\/|\/node_modules\/tsx\//;

function frames(stack: string, root: string): string[] {
  return stack
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .filter((line) => !notShown.test(line) && !line.includes(`${root}/kernel/`))
    .map((line) => labelCells(line).replaceAll("file://", ""))
    .map((line) => line.replace(/\/[^\s():]+/g, (path) => (path.startsWith(`${root}/`) ? relative(root, path) : path)))
    .map((line) => line.replace(/at (async )?(?:Proxy|Object|exports)\./, "at $1"))
    .map((line) => line.replace(/at (async )?(?:<anonymous>|eval) \((Cell [^)]*)\)/, "at $1$2"));
}

/** The line of the cell that a traceback's first frame in a cell points at, with a mark under the column. */
function excerpt(traceback: string[]): string[] {
  const place = traceback.map((line) => /Cell \[(\d+)\], (\d+):(\d+)/.exec(line)).find((match) => match !== null);
  return place ? pointAt(runs.get(Number(place[1]))?.source, Number(place[2]), Number(place[3])) : [];
}

function pointAt(source: string | undefined, line: number, column: number): string[] {
  const text = source?.split("\n")[line - 1];
  if (text === undefined) return [];
  const label = `${line} | `;
  return [`  ${label}${text}`, `  ${" ".repeat(label.length + column - 1)}^`];
}

function describe(error: Error, root: string): string[] {
  const places = frames(error.stack ?? "", root);
  const lines = [`${error.name}: ${error.message}`, ...places, ...excerpt(places)];
  if (error.cause instanceof Error) lines.push("Caused by:", ...describe(error.cause, root));
  if (error instanceof AggregateError) for (const inner of error.errors) if (inner instanceof Error) lines.push(...describe(inner, root));
  return lines;
}

function reportProblems(error: CompileError, source: string, count: number): ErrorReport {
  const lines: string[] = [];
  let last = "";
  for (const { start, messageText, code } of error.problems) {
    const place = `${start.line + 1}:${start.character + 1}`;
    if (place === last) lines.push(`    ${messageText}`);
    else lines.push(`Cell [${count}], ${place} - TS${code}: ${messageText}`, ...pointAt(source, start.line + 1, start.character + 1));
    last = place;
  }
  const first = error.problems[0]!;
  const evalue = `${first.start.line + 1}:${first.start.character + 1} - ${first.messageText}`;
  return { ename: error.name, evalue, traceback: [`${error.name}: ${evalue}`, ...lines] };
}

function isError(value: unknown): value is Error {
  return value instanceof Error || (typeof value === "object" && value !== null && "stack" in value && "message" in value);
}

/** What Jupyter shows for a thrown value: frames of cells and of the project, none of the kernel's; long texts are cut. */
export function report(thrown: unknown, source: string, count: number, root: string): ErrorReport {
  const { ename, evalue, traceback } = wholeReport(thrown, source, count, root);
  return { ename, evalue: limitText(evalue, messageCharacters), traceback: traceback.map((line) => limitText(line, messageCharacters)) };
}

function wholeReport(thrown: unknown, source: string, count: number, root: string): ErrorReport {
  if (thrown instanceof CompileError) return reportProblems(thrown, source, count);
  if (!isError(thrown)) {
    const evalue = inspect(thrown);
    return { ename: "Thrown", evalue, traceback: [`Thrown: ${evalue}`] };
  }
  return { ename: thrown.name, evalue: thrown.message, traceback: describe(thrown, root) };
}
