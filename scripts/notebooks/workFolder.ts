import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { editionNews, howToRenew } from "../../src/exercises/work/changes";
import { copyOfEdition, isUntouched, takeOver } from "../../src/exercises/work/copy";
import { writeWholeSync } from "../../src/hub/whole";
import { readStamp, stampEdition, type NotebookFile } from "../../src/exercises/work/edition";
import { folderOf } from "./editions";
import { root } from "./folders";
import { formatNotebook, type Notebook } from "./ipynb";

/** The folder of the students' copies, which git ignores; beside `notebooks/`, so that `../src` means the same in both. */
export const workFolder = "work";

/** Names of the notebooks that have a student edition. */
export function editionNames(projectRoot = root): string[] {
  const folder = join(projectRoot, folderOf.student);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => /^\d\d-.+\.ipynb$/.test(file))
    .map((file) => file.slice(0, -".ipynb".length))
    .sort();
}

/** Where a student's copy of a notebook lies. */
export function copyPath(name: string, projectRoot = root): string {
  return join(projectRoot, workFolder, `${name}.ipynb`);
}

/**
 * Makes the copies that are missing, renews those that hold nothing of a student's, and leaves every other one as it is.
 * @returns what a student should know, in lines: newer editions and what changed, files that cannot be read
 */
export function prepareWork(projectRoot = root, now = new Date()): string[] {
  return editionNames(projectRoot).flatMap((name) => {
    const path = copyPath(name, projectRoot);
    const edition = readEdition(name, projectRoot);
    const shown = relative(projectRoot, path);
    if (!existsSync(path)) {
      createCopy(path, edition, now);
      return [];
    }
    const copy = readCopy(path);
    if (copy === null) return [`${shown} is not a notebook that can be read. A fresh one, with what is there kept as a backup: npm run reset -- ${name.slice(0, 2)}`];
    const stamp = readStamp(copy);
    if (!stamp || stamp.sha256 === stampEdition(edition, "").sha256) return [];
    if (isUntouched(copy, stamp)) {
      writeWholeSync(path, textOfCopy(edition, now));
      return [`${shown}: brought to the newer edition; you had not begun it`];
    }
    const news = editionNews(copy, edition).map((line) => `  ${line}`);
    return [`${shown}: the course has a newer edition. Yours stays as it is; ${howToRenew(name)} takes the changes over and keeps your answers`, ...news];
  });
}

/** Puts the student edition in place of a copy. @returns the backup, or null where there was no copy */
export function resetNotebook(name: string, projectRoot = root, now = new Date()): string | null {
  const path = copyPath(name, projectRoot);
  const text = textOfCopy(readEdition(name, projectRoot), now);
  const saved = existsSync(path) ? backUp(path, projectRoot, now) : null;
  writeWholeSync(path, text);
  return saved;
}

/**
 * Brings a copy to the newest edition with the student's answers kept.
 * @returns null where it is of that edition already
 * @throws Error where there is no copy, or the file does not say what it was copied from
 */
export function renewNotebook(name: string, projectRoot = root, now = new Date()): { backup: string; kept: string[]; former: string[] } | null {
  const path = copyPath(name, projectRoot);
  const shown = relative(projectRoot, path);
  if (!existsSync(path)) throw new Error(`There is no ${shown} yet: npm start makes it.`);
  const copy = readCopy(path);
  const instead = `A fresh one, with what is there kept as a backup: npm run reset -- ${name.slice(0, 2)}`;
  if (copy === null) throw new Error(`${shown} is not a notebook that can be read. ${instead}`);
  const stamp = readStamp(copy);
  if (!stamp) throw new Error(`${shown} does not say which edition it was copied from, so your changes cannot be told from the edition's. ${instead}`);
  const edition = readEdition(name, projectRoot);
  if (stamp.sha256 === stampEdition(edition, "").sha256) return null;
  const { notebook, kept, former } = takeOver(copy, edition, day(now));
  const backup = backUp(path, projectRoot, now);
  writeWholeSync(path, formatNotebook(notebook as Notebook));
  return { backup, kept, former };
}

function readEdition(name: string, projectRoot: string): NotebookFile {
  return JSON.parse(readFileSync(join(projectRoot, folderOf.student, `${name}.ipynb`), "utf8")) as NotebookFile;
}

function readCopy(path: string): NotebookFile | null {
  try {
    const copy = JSON.parse(readFileSync(path, "utf8")) as NotebookFile;
    return Array.isArray(copy.cells) && copy.cells.every((cell) => cell && typeof cell === "object") ? copy : null;
  } catch {
    return null;
  }
}

function textOfCopy(edition: NotebookFile, now: Date): string {
  return formatNotebook(copyOfEdition(edition, day(now)) as Notebook);
}

/** Writes a copy where there is none; a file that appears meanwhile wins. */
function createCopy(path: string, edition: NotebookFile, now: Date): void {
  mkdirSync(join(path, ".."), { recursive: true });
  try {
    writeFileSync(path, textOfCopy(edition, now), { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return;
    rmSync(path, { force: true });
    throw error;
  }
}

/** Copies a file, byte for byte, to `work/backups/NAME.DATE.ipynb`; never over another one. */
function backUp(path: string, projectRoot: string, now: Date): string {
  const folder = join(projectRoot, workFolder, "backups");
  mkdirSync(folder, { recursive: true });
  const name = path.replace(/^.*\//, "").replace(/\.ipynb$/, "");
  const time = `${day(now)}-${[now.getHours(), now.getMinutes(), now.getSeconds()].map(twoDigits).join("")}`;
  let file = join(folder, `${name}.${time}.ipynb`);
  for (let n = 2; existsSync(file); n++) file = join(folder, `${name}.${time}-${n}.ipynb`);
  copyFileSync(path, file);
  return file;
}

function day(now: Date): string {
  return [now.getFullYear(), now.getMonth() + 1, now.getDate()].map(twoDigits).join("-");
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
