import { mkdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";

const root = resolve(__dirname, "../..");

/**
 * A folder for what a notebook saves, made if need be: `runs/NAME`, or NAME in the folder of a run without a browser.
 * @returns its path relative to the working directory
 */
export function runFolder(name: string): string {
  const folder = join(root, process.env.ALIGNLAB_RUN_DIR ?? "runs", name);
  mkdirSync(folder, { recursive: true });
  return relative(process.cwd(), folder) || ".";
}

/** Where a student's own writing is kept; a run without a browser keeps it with its other files, away from the student's. */
export function workFolder(): string {
  const folder = process.env.ALIGNLAB_RUN_DIR ? join(root, process.env.ALIGNLAB_RUN_DIR, "work") : join(root, "work");
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Folders whose notebooks are nobody's work in progress: the solutions, and what nbgrader runs to mark it. */
const notWork = /(^|\/)(notebooks\/solutions|autograded)(\/|$)/;

/**
 * Whether what is written here is a student's own. In a solution notebook it is not: running one must not mark exercises
 * as done. (A run without a browser has a folder to itself, so it may.)
 */
export function keepsWork(): boolean {
  return Boolean(process.env.ALIGNLAB_RUN_DIR) || ![process.cwd(), process.env.JPY_SESSION_NAME ?? ""].some((place) => notWork.test(place));
}
