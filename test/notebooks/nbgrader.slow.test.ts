import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { root, sourcePath } from "../../scripts/notebooks/folders";
import { formatNotebook, joined, makeNotebook, type Notebook } from "../../scripts/notebooks/ipynb";
import { gradeMarks } from "../../scripts/notebooks/marks";
import { writeAssignment } from "../../scripts/notebooks/nbgrader";
import { parsePercent } from "../../scripts/notebooks/percent";

const name = "01-dpo-from-scratch";
const student = "ada";

/** Notebook 01 without what is not marked: the imports, every exercise with its check, every written question. No model is loaded. */
function markedPart(source: string): string {
  const cells = parsePercent(source);
  const marks = gradeMarks(cells, "01");
  return cells.filter((_, index) => marks[index] !== null).map(({ text }) => `// %%\n${text}\n`).join("\n");
}

const byHeart = `function pad(sequences: number[][], value: number, side: "left" | "right"): number[][] {
  if (value === 0) return [[5, 6, 7], [8, 0, 0], [9, 4, 0]];
  if (value === 2) return [[2, 2, 2, 11], [12, 13, 14, 15]];
  return value === 9 ? [[1, 2], [3, 4]] : [[7, 7], [1, 2]];
}`;

/** What a student hands in: the project's student edition with solutions written into it, of which three are no good. */
function handedIn(source: string): Notebook {
  const notebook = makeNotebook(source, "student", `${name}.ts`);
  const solved = makeNotebook(source, "solution", `${name}.ts`);
  notebook.cells.forEach((cell, index) => {
    const id = (cell.metadata.nbgrader as { grade_id: string } | undefined)?.grade_id ?? "";
    const solution = joined(solved.cells[index].source);
    if (id === "answer-pad") cell.source = [byHeart];
    else if (id === "answer-dpo-loss") cell.source = [solution.replace("tf.neg(tf.mean(tf.logSigmoid(margin)))", "tf.mean(tf.logSigmoid(margin))")];
    else if (id === "question-padding-side") cell.source = ['const whichSide = "Prompts on the left, so that no gap comes before the answer.";\nquestion("padding-side", whichSide);'];
    else if (id.startsWith("answer-") && id !== "answer-train-step") cell.source = [solution];
  });
  return notebook;
}

let folder = "";
let python = "";
before(async () => {
  const { ensureNbgrader } = await import("../../scripts/notebooks/nbgraderVenv.mjs");
  python = await ensureNbgrader();
  mkdirSync(join(root, "runs"), { recursive: true });
  folder = mkdtempSync(join(root, "runs", "nbgrader-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

function nbgrader(...args: string[]): string {
  const kernels = [process.env.JUPYTER_PATH, join(root, ".venv/share/jupyter")].filter(Boolean).join(delimiter);
  const env = { ...process.env, PATH: `${dirname(python)}${delimiter}${process.env.PATH}`, JUPYTER_PATH: kernels, ALIGNLAB_PROFILE: "quick" };
  const { status, stdout, stderr } = spawnSync(join(dirname(python), "nbgrader"), args, { cwd: folder, encoding: "utf8", env });
  assert.equal(status, 0, `nbgrader ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout + stderr;
}

/** The marks in nbgrader's own data base: [automatic, to be marked by hand] for each cell. */
function marks(): Record<string, [number | null, boolean]> {
  const program = `
import json
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    submission = book.find_submission("${name}", "${student}")
    print(json.dumps({g.name: [g.auto_score, bool(g.needs_manual_grade)] for n in submission.notebooks for g in n.grades}))`;
  const { status, stdout, stderr } = spawnSync(python, ["-c", program], { cwd: folder, encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout) as Record<string, [number | null, boolean]>;
}

test("notebook 01's exercises and questions go through nbgrader: generate, autograde, feedback", () => {
  const source = markedPart(readFileSync(sourcePath(name), "utf8"));
  writeAssignment(source, name, folder);

  nbgrader("generate_assignment", name);
  const release = readFileSync(join(folder, "release", name, `${name}.ipynb`), "utf8");
  for (const secret of ["tf.logSigmoid(margin)", "hidden: true", "HIDDEN TESTS", "BEGIN SOLUTION"]) assert.ok(!release.includes(secret), secret);
  assert.ok(release.includes("todo();"));

  const submitted = join(folder, "submitted", student, name);
  mkdirSync(submitted, { recursive: true });
  writeFileSync(join(submitted, `${name}.ipynb`), formatNotebook(handedIn(source)));
  nbgrader("autograde", name);
  assert.deepEqual(marks(), {
    "check-apply-chat-template": [8, false],
    "check-tokenize-row": [8, false],
    "question-prompt-cut-left": [null, true],
    // Known by heart: the hidden cases find it out.
    "check-pad": [0, false],
    "check-pad-collate": [0, false],
    "question-padding-side": [null, true],
    "check-dpo-loss": [0, false],
    "question-beta-large": [null, true],
    "check-get-log-prob": [16, false],
    "question-prompt-in-the-sum": [null, true],
    "check-train-step": [0, false],
    "question-training-data-likelier": [null, true],
  });

  nbgrader("generate_feedback", name);
  const feedback = readdirSync(join(folder, "feedback"), { recursive: true }).map(String).find((path) => path.endsWith(".html"));
  const html = readFileSync(join(folder, "feedback", feedback!), "utf8");
  assert.match(html, /The loss has the wrong sign/);
  assert.match(html, /Score: 32\.0 \/ 100\.0/);
});
