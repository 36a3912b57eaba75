import { posix } from "node:path";
import type { SourceCell } from "./percent";

export type Edition = "student" | "solution";

/** Where each edition lies, relative to the project's root; imports are rewritten from `notebooks/source` to there. */
export const folderOf = { source: "notebooks/source", student: "notebooks", solution: "notebooks/solutions" } as const;

/** Where an edition lies that is not in its own folder. */
export interface EditionPlace {
  /** Relative to the project's root. */
  folder?: string;
  /** Imports `todo` even where nothing calls it: solutions are taken out later. */
  needsTodo?: boolean;
}

const begin = /^\s*\/\/ BEGIN SOLUTION(?::?\s+(.*))?$/;
const stub = /^\s*\/\/ STUDENT EDITION\s*$/;
const end = /^\s*\/\/ END SOLUTION\s*$/;
const hiddenBegin = /^\s*\/\/ BEGIN HIDDEN TESTS\s*$/;
const hiddenEnd = /^\s*\/\/ END HIDDEN TESTS\s*$/;

/**
 * The text of every cell in one edition.
 *
 * Student: the lines between `// BEGIN SOLUTION: what to do` and `// END SOLUTION` become `todo("what to do");`, or, where
 * the block has a `// STUDENT EDITION` line, the lines after it without their comment marks.
 * What stands between `// BEGIN HIDDEN TESTS` and `// END HIDDEN TESTS` is left out.
 * Solution: the blocks stay with their marks (nbgrader reads them), without their student lines.
 */
export function editionCells(cells: SourceCell[], edition: Edition, name = "the source", { folder = folderOf[edition], needsTodo = false }: EditionPlace = {}): SourceCell[] {
  const texts = cells.map((cell) => {
    if (cell.kind === "markdown") return rewriteLinks(cell.text, folder);
    const text = replaceSolutions(cell, edition, name);
    const shown = edition === "student" ? withoutHiddenTests(text, `${name}:${cell.line}`) : text;
    return rewriteImports(shown, folder);
  });
  if (needsTodo || callsTodo(texts, cells)) importTodo(texts, cells);
  return cells.map((cell, index) => ({ ...cell, text: texts[index] }));
}

function replaceSolutions(cell: SourceCell, edition: Edition, name: string): string {
  const output: string[] = [];
  const lines = cell.text.split("\n");
  let block: { head: string; message: string; line: number; solution: string[]; student: string[] | null } | null = null;
  lines.forEach((line, offset) => {
    const at = `${name}:${cell.line + offset + 1}`;
    const started = begin.exec(line);
    if (started) {
      if (block) throw new Error(`${at}: BEGIN SOLUTION inside the solution begun at line ${block.line}.`);
      block = { head: line, message: started[1] ?? "", line: cell.line + offset + 1, solution: [], student: null };
    } else if (end.test(line)) {
      if (!block) throw new Error(`${at}: END SOLUTION without its BEGIN SOLUTION.`);
      if (edition === "solution") output.push(block.head, ...block.solution, line);
      else output.push(...(block.student ?? [todoLine(block.head, block.message)]));
      block = null;
    } else if (block && stub.test(line)) {
      block.student = [];
    } else if (block?.student) {
      block.student.push(line.replace(/^(\s*)\/\/ ?/, "$1"));
    } else {
      (block?.solution ?? output).push(line);
    }
  });
  const open = block as { line: number } | null;
  if (open) throw new Error(`${name}:${open.line}: BEGIN SOLUTION without an END SOLUTION in the same cell.`);
  return output.join("\n");
}

function withoutHiddenTests(text: string, at: string): string {
  let hidden = false;
  const kept = text.split("\n").filter((line) => {
    const mark = hiddenBegin.test(line) ? "BEGIN" : hiddenEnd.test(line) ? "END" : null;
    if (mark && (mark === "BEGIN") === hidden) throw new Error(`${at}: ${line.trim()} without its partner in the same cell.`);
    if (mark) hidden = !hidden;
    return !hidden && !mark;
  });
  if (hidden) throw new Error(`${at}: BEGIN HIDDEN TESTS without an END HIDDEN TESTS in the same cell.`);
  return kept.join("\n");
}

function todoLine(head: string, message: string): string {
  const indent = /^\s*/.exec(head)![0];
  return `${indent}todo(${message === "" ? "" : JSON.stringify(message)});`;
}

const codeOf = (texts: string[], cells: SourceCell[]): string => texts.filter((_, index) => cells[index].kind === "code").join("\n");

const callsTodo = (texts: string[], cells: SourceCell[]): boolean => /(^|\n)\s*todo\(/.test(codeOf(texts, cells));

/** The student edition calls `todo` where the source does not: it joins the names imported from the library. */
function importTodo(texts: string[], cells: SourceCell[]): void {
  if (/import\s*\{[^}]*\btodo\b[^}]*\}\s*from/.test(codeOf(texts, cells))) return;
  const library = /import\s*\{([^}]*?),?\s*\}\s*from\s*(["'][./]+\/src["'])/;
  const index = texts.findIndex((text, at) => cells[at].kind === "code" && library.test(text));
  if (index === -1) throw new Error("The student edition needs todo, but no cell imports { … } from \"../../src\".");
  texts[index] = texts[index].replace(library, (_, names: string, from: string) => {
    const separator = names.includes("\n") ? ",\n  " : ", ";
    const tail = names.includes("\n") ? ",\n" : " ";
    return `import {${names.trimEnd()}${separator}todo${tail}} from ${from}`;
  });
}

const movedTo = (path: string, folder: string, from: string): string => {
  const moved = posix.relative(folder, posix.join(from, path));
  return moved.startsWith(".") ? moved : `./${moved}`;
};

/** Rewrites links that lead out of the notebooks' folder, as `rewriteImports` does; those to a neighbour stay. */
export function rewriteLinks(text: string, folder: string): string {
  return text.replace(/(\]\()(\.\.\/[^)\s]*)/g, (_, before: string, path: string) => `${before}${movedTo(path, folder, folderOf.source)}`);
}

/** Rewrites relative imports written for one folder, `notebooks/source` unless named, so that they resolve from another. */
export function rewriteImports(code: string, folder: string, from: string = folderOf.source): string {
  const specifier = /(\bfrom\s*|\bimport\s*\(\s*|\bimport\s+)(["'])(\.{1,2}\/[^"']*)\2/g;
  return code.replace(specifier, (_, before: string, quote: string, path: string) => `${before}${quote}${movedTo(path, folder, from)}${quote}`);
}
