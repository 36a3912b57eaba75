import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { runCommand } from "./command";
import { findNotebook, notebookNames, notebookPath, root, sourcePath } from "./folders";
import { codeHash, formatNotebook, makeNotebook, sha256, type Notebook, type RunMetadata } from "./ipynb";

/** The student notebook's text for a source. */
export function studentText(source: string, name: string): string {
  return formatNotebook(makeNotebook(source, "student", name));
}

/**
 * The solution notebook's text for a source. Outputs of the committed notebook are kept as long as the code they come
 * from is the code of the source; `outputsKept` tells.
 */
export function solutionText(source: string, name: string, committed: Notebook | null): { text: string; outputsKept: boolean } {
  const notebook = makeNotebook(source, "solution", name);
  const run = committed?.metadata.alignlab as Partial<RunMetadata> | undefined;
  if (!committed || run?.code_sha256 !== codeHash(source)) return { text: formatNotebook(notebook), outputsKept: false };
  const ran = committed.cells.filter((cell) => cell.cell_type === "code");
  notebook.cells
    .filter((cell) => cell.cell_type === "code")
    .forEach((cell, index) => {
      cell.outputs = ran[index].outputs;
      cell.execution_count = ran[index].execution_count;
    });
  notebook.metadata = { ...notebook.metadata, alignlab: { ...run, ...(notebook.metadata.alignlab as object), source_sha256: sha256(source) } };
  return { text: formatNotebook(notebook), outputsKept: true };
}

export function readNotebook(path: string): Notebook | null {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Notebook) : null;
}

/** Writes both editions of one notebook and says what changed. */
export function build(name: string, projectRoot = root): string[] {
  const source = readFileSync(sourcePath(name, projectRoot), "utf8");
  const file = `${name}.ts`;
  const solutionPath = notebookPath(name, "solution", projectRoot);
  const solution = solutionText(source, file, readNotebook(solutionPath));
  const lines = [
    write(notebookPath(name, "student", projectRoot), studentText(source, file), "student"),
    write(solutionPath, solution.text, "solution"),
  ];
  if (!solution.outputsKept) lines.push(`  without outputs: npm run notebook -- ${name.slice(0, 2)} --update`);
  return lines;
}

function write(path: string, text: string, what: string): string {
  if (existsSync(path) && readFileSync(path, "utf8") === text) return `  ${what}: up to date`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return `  ${what}: written`;
}

const usage = `npm run notebooks:build [-- NAME…]
Writes notebooks/NAME.ipynb (student edition) and notebooks/solutions/NAME.ipynb from notebooks/source/NAME.ts.
Outputs of a solution notebook are kept while the source's code is the code that ran.`;

function main(args: string[]): void {
  if (args.includes("--help") || args.includes("-h")) {
    console.log(usage);
    return;
  }
  const names = args.length > 0 ? args.map((wanted) => findNotebook(wanted)) : notebookNames();
  if (names.length === 0) throw new Error("notebooks/source holds no notebook (NN-name.ts).");
  for (const name of names) console.log([name, ...build(name)].join("\n"));
}

if (require.main === module) runCommand(main, 1);
