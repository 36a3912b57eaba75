import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { writeWholeFolder } from "../hub/whole";

const root = resolve(__dirname, "../..");
const SOURCES = join(root, "notebooks/source");

/** What a stored thing is: decided when it is put. */
export type StoredKind = "model" | "classifier" | "rows" | "value";

/** item.json of a stored thing. */
export interface StoredItem {
  name: string;
  kind: StoredKind;
  /** The file that put it, where that is known. */
  notebook: string | null;
  profile: string;
  written: string;
}

/** Where things are put; a run without a browser leaves a student's own store alone. */
const storeFolder = (): string => resolve(root, process.env.ALIGNLAB_STORE_DIR ?? "runs/store");

/** Where things are looked for, first to last. */
const readFolders = (): string[] => [...new Set([storeFolder(), resolve(root, "runs/store")])];

/** @throws RangeError for a name that is no file's */
export function checkName(name: string): void {
  if (!/^\w[\w.-]*$/.test(name)) throw new RangeError(`store: ${JSON.stringify(name)} is no name; letters, digits, "-", "_" and "." are.`);
}

/** The folder of a stored thing, with what is said of it; null where there is none. */
export function findItem(name: string): { folder: string; item: StoredItem } | null {
  const folder = readFolders().map((store) => join(store, name)).find((path) => existsSync(join(path, "item.json")));
  return folder ? { folder, item: readItem(folder) } : null;
}

const readItem = (folder: string): StoredItem => JSON.parse(readFileSync(join(folder, "item.json"), "utf8")) as StoredItem;

/** All that is stored, by name. */
export function storedItems(): StoredItem[] {
  const names = readFolders().filter(existsSync).flatMap((store) => readdirSync(store)).filter((name) => /^\w/.test(name));
  return [...new Set(names)].sort().flatMap((name) => findItem(name)?.item ?? []);
}

/** Stores a thing in place of what the name stood for; until `write` has ended the old one stays. */
export async function writeItem(name: string, kind: StoredKind, write: (folder: string) => unknown): Promise<void> {
  await writeWholeFolder(join(storeFolder(), name), async (folder) => {
    mkdirSync(folder, { recursive: true });
    await write(folder);
    const session = process.env.JPY_SESSION_NAME;
    const item: StoredItem = { name, kind, notebook: session ? basename(session) : null, profile: process.env.ALIGNLAB_PROFILE || "default", written: new Date().toISOString() };
    writeFileSync(join(folder, "item.json"), `${JSON.stringify(item, null, 2)}\n`);
  }, { hidden: true });
}

/** Removes a thing from the store that is written to. @returns whether it was there */
export function removeItem(name: string): boolean {
  const folder = join(storeFolder(), name);
  const isThere = existsSync(folder);
  rmSync(folder, { recursive: true, force: true });
  return isThere;
}

/** Says that a thing is missing, and which notebook makes it. @param sources those of the course's notebooks */
export function missing(name: string, sources = SOURCES): string {
  const maker = notebookThatPuts(name, sources);
  if (maker) return `There is no "${name}" yet: notebook ${maker.number} makes it. Run ${maker.path} to its end, then this cell again.`;
  const known = storedItems().map((item) => item.name);
  return `There is no "${name}", and no notebook of the course makes it. ${known.length > 0 ? `The store holds ${known.join(", ")}.` : "The store is empty."}`;
}

function notebookThatPuts(name: string, sources: string): { number: string; path: string } | null {
  if (!existsSync(sources)) return null;
  const puts = new RegExp(`\\bstore\\.put\\(\\s*["'\`]${name.replace(/[.]/g, "\\.")}["'\`]`);
  const file = readdirSync(sources).filter((source) => source.endsWith(".ts")).sort().find((source) => puts.test(readFileSync(join(sources, source), "utf8")));
  return file ? { number: file.slice(0, 2), path: `notebooks/${file.replace(/\.ts$/, ".ipynb")}` } : null;
}
