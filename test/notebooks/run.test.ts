import { test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Writable } from "node:stream";
import { findNotebook, notebookNames, root, sourcePath } from "../../scripts/notebooks/folders";
import { makeNotebook, type Notebook, type RunMetadata } from "../../scripts/notebooks/ipynb";
import { cellTitles, ProgressPrinter } from "../../scripts/notebooks/progress";
import { runMimeType, withOutputs } from "../../scripts/notebooks/run";
import { runMimeType as announcedType } from "../../src/exercises/announce";

const source = '// %% [markdown]\n// ## One\n// %%\nimport {\n  a,\n} from "../../src";\n\nconst x = a;\n// %%\n// a remark\nx + 1;\n';

function command(...args: string[]): { status: number | null; text: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", "scripts/notebooks/run.ts", ...args], { cwd: root, encoding: "utf8" });
  return { status, text: stdout + stderr };
}

test("--help lists options and notebooks", () => {
  const { status, text } = command("--help");
  assert.equal(status, 0);
  for (const word of ["--edition", "--profile", "--timeout", "--update", "01-dpo-from-scratch"]) assert.ok(text.includes(word), word);
});

test("an unknown notebook lists the known ones; a wrong option says what it may be", () => {
  assert.deepEqual(command("99"), { status: 2, text: `There is no notebook "99". The notebooks: ${notebookNames().join(", ")}.\n` });
  assert.match(command("00", "--profile", "fast").text, /--profile is quick, small, default or full, not "fast"/);
  assert.match(command("00", "--update", "--edition", "student").text, /leave --edition out/);
});

test("a notebook is found by number, word, or file", () => {
  const names = ["00-tour", "01-dpo-from-scratch", "04-imdb-dpo"];
  assert.deepEqual(["1", "01", "tour", "notebooks/00-tour.ipynb"].map((wanted) => findNotebook(wanted, names)), [names[1], names[1], names[0], names[0]]);
  assert.throws(() => findNotebook("dpo", names), /could be 01-dpo-from-scratch or 04-imdb-dpo/);
});

test("a cell is known by its section and its first line of code", () => {
  assert.deepEqual(cellTitles(makeNotebook(source, "solution", "x.ts")), ["One", "One · const x = a;", "One · x + 1;"]);
});

test("progress is one line a cell with its time and last output; a failure shows number, source and error", () => {
  let text = "";
  const out = new Writable({ write: (chunk: Buffer, _, done) => { text += chunk.toString(); done(); } });
  const printer = new ProgressPrinter(makeNotebook(source, "solution", "x.ts"), out as unknown as NodeJS.WriteStream);
  printer.on({ event: "kernel" });
  printer.on({ event: "cell", index: 1 });
  printer.on({ event: "output", index: 1, text: "loss 0.6931" });
  printer.on({ event: "cell-end", index: 1, seconds: 2.5, failure: null });
  printer.on({ event: "end", stopped: false, failed: [], peak: null });
  assert.match(text, /^kernel ready after 0\.\d s\n\[1\/2\] One · const x = a; +2\.5 s {2}\| loss 0\.6931\n$/);
  const failure = printer.failureText(2, { ename: "TypeError", evalue: "no" });
  assert.match(failure, /^Cell 2 of 2 failed \(One · x \+ 1;\):\n {4}1 \| \/\/ a remark\n {4}2 \| x \+ 1;\n\nTypeError: no$/);
});

function executed(): Notebook {
  const notebook = makeNotebook(source, "solution", "08-x.ts");
  notebook.cells[1].outputs = [{ output_type: "display_data", data: { [runMimeType]: { seed: 7, backend: "TensorFlow", model: "m" } }, metadata: {} }];
  notebook.cells.forEach((cell, index) => cell.cell_type === "code" && (cell.execution_count = index));
  return notebook;
}

test("outputs are stored with what the notebook announced about its run", () => {
  assert.equal(runMimeType, announcedType);
  const stored = withOutputs(executed(), source, "08-x", "default");
  const run = stored.metadata.alignlab as RunMetadata;
  assert.deepEqual([run.seed, run.backend, run.profile, run.machine.cores > 0], [7, "TensorFlow", "default", true]);
  assert.equal(stored.cells[1].outputs?.length, 1);
});

test("a run that announced nothing, or failed, is not stored", () => {
  const silent = executed();
  silent.cells[1].outputs = [];
  assert.throws(() => withOutputs(silent, source, "08-x", "default"), /has to call announceRun/);
  const failed = executed();
  failed.cells[2].outputs = [{ output_type: "error", ename: "Error", evalue: "x", traceback: [] }];
  assert.throws(() => withOutputs(failed, source, "08-x", "default"), /not fit to be stored:\n {2}cell 3 ended with Error/);
});

test("every notebook says what it runs on", () => {
  for (const name of notebookNames()) assert.match(readFileSync(join(sourcePath(name)), "utf8"), /announceRun\(\{/, name);
});
