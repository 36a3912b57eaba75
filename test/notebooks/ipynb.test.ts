import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { solutionText, studentText } from "../../scripts/notebooks/build";
import { root } from "../../scripts/notebooks/folders";
import { MAXIMUM_BYTES, machineTrace, solutionProblems } from "../../scripts/notebooks/inspect";
import { codeHash, formatNotebook, makeNotebook, sha256, type Notebook } from "../../scripts/notebooks/ipynb";

const source = '// %% [markdown]\n// ## Part 1: first, things\n// %%\nconst x = 1;\nx;\n// %% id="own-id" tags=["a"]\nconst y = 2;\n';
const name = "09-sample.ts";

/** A notebook as a good run leaves it. */
function ran(): Notebook {
  const notebook = makeNotebook(source, "solution", name);
  notebook.cells.forEach((cell, index) => {
    if (cell.cell_type !== "code") return;
    cell.execution_count = index;
    cell.outputs = [{ output_type: "stream", name: "stdout", text: ["loss 0.6931\n", "saved to runs/09 and https://huggingface.co/home/x\n"] }];
  });
  notebook.metadata.alignlab = {
    source: name, edition: "solution", source_sha256: sha256(source), code_sha256: codeHash(source), date: "2026-01-01", seed: 42,
    backend: "tensorflow (cpu)", profile: "default", machine: { cores: 2, memory_gib: 16 },
  };
  return notebook;
}

test("nbformat accepts the notebook and writes the same bytes", { skip: !existsSync(join(root, ".venv")) }, () => {
  const text = formatNotebook(makeNotebook(source, "student", name));
  const program = "import sys, nbformat; n = nbformat.reads(sys.stdin.read(), as_version=4); nbformat.validate(n); print(nbformat.writes(n))";
  assert.equal(execFileSync(join(root, ".venv/bin/python"), ["-c", program], { input: text, encoding: "utf8" }), text);
});

test("ids come from the heading and the place, or from the option", () => {
  const ids = makeNotebook(source, "student", name).cells.map((cell) => cell.id);
  assert.deepEqual(ids, ["part-1-first-things-1", "part-1-first-things-2", "own-id"]);
  const edited = makeNotebook(source.replace("const x = 1", "const x = 7"), "student", name);
  assert.deepEqual(edited.cells.map((cell) => cell.id), ids);
});

test("a good run has no problems", () => {
  assert.deepEqual(solutionProblems(ran(), source, name), []);
});

test("stale, unrecorded, failed, empty, big and machine-bound notebooks are refused", () => {
  const problem = (change: (notebook: Notebook) => void, text = source) => {
    const notebook = ran();
    change(notebook);
    return solutionProblems(notebook, text, name).join("\n");
  };
  const output = (notebook: Notebook) => notebook.cells[1].outputs![0];
  assert.match(problem(() => {}, source.replace("const x = 1", "const x = 2")), /outputs are stale/);
  assert.match(problem(() => {}, source.replace("things", "words")), /text of 09-sample\.ts has changed/);
  assert.match(problem((notebook) => delete (notebook.metadata.alignlab as Record<string, unknown>).seed), /seed is missing/);
  assert.match(problem((notebook) => (notebook.cells[1].outputs = [{ output_type: "error", ename: "TypeError", evalue: "no" }])), /cell 2 ended with TypeError: no/);
  assert.match(problem((notebook) => notebook.cells.forEach((cell) => (cell.outputs = []))), /no cell has an output/);
  assert.match(problem((notebook) => (notebook.cells[2].execution_count = null)), /cell 3 was not run/);
  assert.match(problem((notebook) => (output(notebook).text = "x".repeat(MAXIMUM_BYTES))), /the limit is/);
  assert.match(problem((notebook) => (output(notebook).text = "saved to /home/someone/runs")), /cell 2 shows something of this machine: \/home/);
});

test("paths in any kind of output are seen, addresses and fractions are not", () => {
  assert.equal(machineTrace('{"file": "/tmp/x.json"}'), "/tmp/x.json");
  assert.equal(machineTrace("C:\\Users\\x"), "C:\\Users\\x");
  assert.equal(machineTrace("hf_abcdefghijklmnopqrstuvwxyz"), "hf_abcdefghijklmnopqrstuvwxyz");
  assert.equal(machineTrace("https://example.org/home/page, 3/4 of runs/work/x, </home> and rewards/margins"), null);
});

test("a rebuild keeps outputs while the code is the same, and drops them when it is not", () => {
  const prose = source.replace("things", "words");
  const kept = solutionText(prose, name, ran());
  assert.equal(kept.outputsKept, true);
  assert.deepEqual(solutionProblems(JSON.parse(kept.text) as Notebook, prose, name), []);
  const changed = solutionText(source.replace("const y = 2", "const y = 3"), name, ran());
  assert.equal(changed.outputsKept, false);
  assert.ok((JSON.parse(changed.text) as Notebook).cells.every((cell) => (cell.outputs ?? []).length === 0));
});

test("the student edition carries nothing of a run", () => {
  assert.ok(!studentText(source, name).includes("sha256"));
});
