import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { folderOf, type Edition } from "./editions";

/** The project's root: the scripts run from wherever they are called. */
export const root = resolve(__dirname, "../..");

/** Names of all notebooks, for example "01-dpo-from-scratch". */
export function notebookNames(projectRoot = root): string[] {
  const folder = join(projectRoot, folderOf.source);
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => /^\d\d-.+\.ts$/.test(file))
    .map((file) => file.slice(0, -3))
    .sort();
}

export function sourcePath(name: string, projectRoot = root): string {
  return join(projectRoot, folderOf.source, `${name}.ts`);
}

export function notebookPath(name: string, edition: Edition, projectRoot = root): string {
  return join(projectRoot, folderOf[edition], `${name}.ipynb`);
}

/** The notebook meant by "01", "1", "dpo" or its whole name; an error lists them all. */
export function findNotebook(wanted: string, names = notebookNames()): string {
  const bare = wanted.replace(/^.*\//, "").replace(/\.(ipynb|ts)$/, "");
  if (names.includes(bare)) return bare;
  const number = /^\d{1,2}$/.test(bare) ? bare.padStart(2, "0") : null;
  const found = names.filter((name) => (number ? name.startsWith(`${number}-`) : bare !== "" && name.includes(bare)));
  if (found.length === 1) return found[0];
  const problem = found.length > 1 ? `"${wanted}" could be ${found.join(" or ")}` : `There is no notebook "${wanted}"`;
  throw new Error(`${problem}. The notebooks: ${names.join(", ") || "none yet"}.`);
}
