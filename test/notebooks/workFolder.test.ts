import { afterEach, beforeEach, test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { studentText } from "../../scripts/notebooks/build";
import { root, sourcePath } from "../../scripts/notebooks/folders";
import type { Notebook } from "../../scripts/notebooks/ipynb";
import { copyPath, editionNames, prepareWork, renewNotebook, resetNotebook } from "../../scripts/notebooks/workFolder";
import { findNotebook } from "../../scripts/setup/jupyter.mjs";

const name = "01-dpo-from-scratch";
const source = readFileSync(sourcePath(name), "utf8");
let project = "";

/** A checkout with the two real student editions. */
beforeEach(() => {
  project = mkdtempSync(join(tmpdir(), "alignlab-work-"));
  mkdirSync(join(project, "notebooks", "solutions"), { recursive: true });
  for (const file of ["00-tour", name]) cpSync(join(root, "notebooks", `${file}.ipynb`), join(project, "notebooks", `${file}.ipynb`));
  writeFileSync(join(project, "notebooks", "solutions", `${name}.ipynb`), "{}");
});
afterEach(() => rmSync(project, { recursive: true }));

const read = (): Notebook => JSON.parse(readFileSync(copyPath(name, project), "utf8")) as Notebook;
const save = (file: Notebook): void => writeFileSync(copyPath(name, project), JSON.stringify(file));
const publish = (text: string): void => writeFileSync(join(project, "notebooks", `${name}.ipynb`), studentText(text, `${name}.ts`));
const backups = (): string[] => (existsSync(join(project, "work", "backups")) ? readdirSync(join(project, "work", "backups")).sort() : []);

/** Writes an answer into the cell of an exercise, as if it had been run. */
function answer(exercise: string, text: string): void {
  const file = read();
  const cell = file.cells.find(({ source }) => source.join("").includes(`function ${exercise}(`))!;
  Object.assign(cell, { source: [text], execution_count: 7 });
  save(file);
}
const answerIn = (file: Notebook, text: string): boolean => file.cells.some(({ cell_type, source }) => cell_type === "code" && source.join?.("") === text);

test("the first start makes a copy of every student edition, the second one touches nothing", () => {
  assert.deepEqual(prepareWork(project), []);
  assert.deepEqual(editionNames(project), ["00-tour", name]);
  assert.deepEqual(read().cells, (JSON.parse(readFileSync(join(project, "notebooks", `${name}.ipynb`), "utf8")) as Notebook).cells);
  answer("pad", "my pad");
  const before = readFileSync(copyPath(name, project), "utf8");
  assert.deepEqual(prepareWork(project), []);
  assert.equal(readFileSync(copyPath(name, project), "utf8"), before);
});

test("a newer edition is told and leaves a begun copy byte for byte; one that nobody began is renewed", () => {
  prepareWork(project);
  answer("pad", "my pad");
  const before = readFileSync(copyPath(name, project), "utf8");
  publish(source.replace("A tensor is a rectangle", "A tensor is a box"));
  writeFileSync(join(project, "notebooks", "00-tour.ipynb"), studentText(readFileSync(sourcePath("00-tour"), "utf8").replace("# A tour", "# The tour"), "00-tour.ts"));
  assert.deepEqual(prepareWork(project), [
    "work/00-tour.ipynb: brought to the newer edition; you had not begun it",
    `work/${name}.ipynb: the course has a newer edition. Yours stays as it is; npm run renew -- 01 takes the changes over and keeps your answers`,
    "  Part 3. From rows to a batch: text changed",
  ]);
  assert.equal(readFileSync(copyPath(name, project), "utf8"), before);
  assert.match(readFileSync(copyPath("00-tour", project), "utf8"), /# The tour/);
});

test("renewing keeps answers to unchanged exercises and a backup of the file; a second time there is nothing to do", () => {
  prepareWork(project);
  answer("pad", "my pad");
  answer("getLogProb", "my log-probs");
  const before = readFileSync(copyPath(name, project), "utf8");
  publish(source.replace("A tensor is a rectangle", "A tensor is a box").replace("// BEGIN SOLUTION: fill every sequence up to the longest one", "// BEGIN SOLUTION: fill every sequence, in place of nothing"));
  const done = renewNotebook(name, project, new Date(2026, 8, 3, 14, 5, 6))!;
  assert.deepEqual([done.kept, done.former], [["exercise getLogProb"], ["exercise pad"]]);
  assert.equal(readFileSync(done.backup, "utf8"), before);
  assert.deepEqual(backups(), [`${name}.2026-09-03-140506.ipynb`]);
  assert.ok(answerIn(read(), "my log-probs") && !answerIn(read(), "my pad"));
  assert.match(readFileSync(copyPath(name, project), "utf8"), /A tensor is a box/);
  assert.match(readFileSync(copyPath(name, project), "utf8"), /before the edition of 2026-09-03[^]*my pad/);
  assert.equal(renewNotebook(name, project), null);
  assert.deepEqual(prepareWork(project), []);
});

test("resetting keeps every backup, also two of one second and one of a broken file", () => {
  const now = new Date(2026, 8, 3, 14, 5, 6);
  assert.equal(resetNotebook(name, project, now), null, "nothing was there");
  answer("pad", "my pad");
  const first = resetNotebook(name, project, now)!;
  assert.match(readFileSync(first, "utf8"), /my pad/);
  assert.ok(!answerIn(read(), "my pad"));
  writeFileSync(copyPath(name, project), "cut o");
  assert.match(prepareWork(project).join(), /is not a notebook that can be read.*npm run reset -- 01/);
  assert.throws(() => renewNotebook(name, project), /not a notebook that can be read/);
  assert.equal(readFileSync(resetNotebook(name, project, now)!, "utf8"), "cut o");
  assert.equal(backups().length, 2);
});

test("a copy that a student made by hand is left alone and not renewed by guess", () => {
  prepareWork(project);
  cpSync(join(project, "notebooks", `${name}.ipynb`), copyPath(name, project));
  publish(source.replace("A tensor is a rectangle", "A tensor is a box"));
  assert.deepEqual(prepareWork(project), []);
  assert.throws(() => renewNotebook(name, project), /does not say which edition it was copied from.*npm run reset -- 01/);
});

test("git sees nothing of the copies, and git pull of a new edition meets none of them", () => {
  const git = (...args: string[]): string => execFileSync("git", ["-c", "user.name=t", "-c", "user.email=t@example.org", ...args], { cwd: project, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  cpSync(join(root, ".gitignore"), join(project, ".gitignore"));
  git("init", "-q", "-b", "main");
  git("add", "-A");
  git("commit", "-qm", "first edition");
  git("checkout", "-qb", "next");
  publish(source.replace("A tensor is a rectangle", "A tensor is a box"));
  git("commit", "-qam", "second edition");
  git("checkout", "-q", "main");
  prepareWork(project);
  answer("pad", "my pad");
  const before = readFileSync(copyPath(name, project), "utf8");
  assert.equal(git("status", "--porcelain"), "");
  git("pull", "-q", ".", "next");
  assert.equal(readFileSync(copyPath(name, project), "utf8"), before);
});

test("npm start opens the copy, by any name a student would write; solutions stay where they are", () => {
  const copy = join("work", `${name}.ipynb`);
  for (const wanted of ["01", name, `${name}.ipynb`, copy]) assert.equal(findNotebook(project, wanted), copy, wanted);
  assert.equal(findNotebook(project, undefined), join("work", "00-tour.ipynb"));
  assert.equal(findNotebook(project, "solutions/01"), join("notebooks", "solutions", `${name}.ipynb`));
  assert.equal(findNotebook(project, `notebooks/${name}.ipynb`), join("notebooks", `${name}.ipynb`));
  assert.throws(() => findNotebook(project, "0"), /There are several notebooks 0/);
  assert.throws(() => findNotebook(project, "../01"), /There is no notebook \.\.\/01/);
});

test("npm run reset and renew refuse what they do not know, in one sentence", () => {
  const run = (...args: string[]): string => {
    try {
      execFileSync(process.execPath, ["--import", "tsx", join(root, "scripts/notebooks/work.ts"), ...args], { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
      return "";
    } catch (error) {
      return (error as { stderr: string }).stderr;
    }
  };
  assert.match(run("reset"), /^Name the notebook to reset: 00-tour/);
  assert.match(run("renew", "77"), /^There is no notebook "77"\. The notebooks: 00-tour/);
});
