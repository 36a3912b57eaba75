import { homedir, hostname } from "node:os";
import { codeHash, formatNotebook, joined, makeNotebook, sha256, type Cell, type Notebook, type Output } from "./ipynb";

export const MAXIMUM_BYTES = 1_000_000;

/**
 * What keeps a solution notebook from being committed: stale against its source, without a full run's outputs, with an
 * error, too big, or with traces of the machine it ran on. An empty list means that it is fine.
 */
export function solutionProblems(notebook: Notebook, source: string, name: string): string[] {
  const problems = [...staleness(notebook, source, name)];
  notebook.cells.forEach((cell, index) => problems.push(...cellProblems(cell, index + 1)));
  if (!notebook.cells.some((cell) => (cell.outputs ?? []).length > 0)) problems.push("no cell has an output");
  const bytes = Buffer.byteLength(formatNotebook(notebook));
  if (bytes > MAXIMUM_BYTES) problems.push(`the file has ${bytes} bytes, the limit is ${MAXIMUM_BYTES}`);
  return problems;
}

function* staleness(notebook: Notebook, source: string, name: string): Generator<string> {
  const run = notebook.metadata.alignlab as Record<string, unknown> | undefined;
  for (const key of ["date", "seed", "backend", "profile", "machine"]) {
    if (run?.[key] === undefined) yield `metadata.alignlab.${key} is missing: the outputs are not of a recorded run`;
  }
  const expected = makeNotebook(source, "solution", name);
  const sameCells =
    expected.cells.length === notebook.cells.length &&
    expected.cells.every((cell, index) => joined(cell.source) === joined(notebook.cells[index].source));
  if (run?.code_sha256 !== codeHash(source)) {
    yield `the outputs are stale: the code of ${name} has changed since the run`;
  } else if (run?.source_sha256 !== sha256(source) || !sameCells) {
    yield `the text of ${name} has changed: npm run notebooks:build`;
  }
}

function* cellProblems(cell: Cell, number: number): Generator<string> {
  if (cell.cell_type !== "code") return;
  if (cell.execution_count == null) yield `cell ${number} was not run`;
  for (const output of cell.outputs ?? []) {
    if (output.output_type === "error") yield `cell ${number} ended with ${output.ename}: ${output.evalue}`;
    const trace = machineTrace(outputText(output));
    if (trace) yield `cell ${number} shows something of this machine: ${trace}`;
  }
}

export function outputText(output: Output): string {
  if (output.output_type === "stream") return joined(output.text);
  if (output.output_type === "error") return [output.ename, output.evalue, ...(output.traceback ?? [])].join("\n");
  return Object.values(output.data ?? {})
    .map((value) => (typeof value === "string" || isLines(value) ? joined(value) : JSON.stringify(value)))
    .join("\n");
}

function isLines(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((line) => typeof line === "string");
}

const absolutePath =
  /(?<![\w.:\/<-])\/(?:home|root|Users|work|tmp|var|mnt|media|opt|srv|private|workspace)\/[^\s"'<>)]*|\b[A-Z]:\\[^\s"'<>]*/;
const secret = /\bhf_[A-Za-z0-9]{20,}\b/;

/** The first absolute path, host name or access token in a text. */
export function machineTrace(text: string): string | null {
  const match = absolutePath.exec(text) ?? secret.exec(text);
  if (match) return match[0];
  const here = [process.cwd(), homedir(), hostname()].filter((value) => value.length > 3 && value !== "localhost");
  return here.find((value) => text.includes(value)) ?? null;
}
