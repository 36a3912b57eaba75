import { createReadStream, existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { downloadFiles, type HubFile, type HubOptions } from "../hub/download";
import { readParquet } from "./parquet";

/** A row of a data set: values by column. */
export type Row = Record<string, unknown>;

export interface LoadRowsOptions extends HubOptions {
  /** Which part of the data set. Default `train`; a single file is read whatever it is called. */
  split?: string;
  /** Reads no more than so many rows. */
  limit?: number;
  /** Keeps these columns only. */
  columns?: string[];
}

/** The data sets that come with the project, by the name of their folder. */
const PACKAGED_DATA = path.join(__dirname, "../../data");
const EXTENSIONS = [".parquet", ".jsonl", ".json"];
/** The branch on which the hub keeps a parquet copy of nearly every data set, as `config/split/0000.parquet`. */
const PARQUET_BRANCH = "refs/convert/parquet";

/**
 * Loads rows from a .json (an array of objects), .jsonl or .parquet file, a folder of such files, or a data set of the Hugging Face hub.
 * @param idOrPath an existing file or folder, the name of a packaged data set (`human-like`), or a hub id `owner/name`
 * @throws when nothing is there, the split is unknown, a line is no object, or a wanted column is missing
 */
export async function loadRows(idOrPath: string, options: LoadRowsOptions = {}): Promise<Row[]> {
  const { split = "train", limit, columns } = options;
  if (limit !== undefined && (!Number.isInteger(limit) || limit <= 0)) throw new RangeError(`limit is ${limit}; a positive whole number is needed.`);
  const packaged = path.join(PACKAGED_DATA, idOrPath);
  const local = !existsSync(idOrPath) && /^[\w-]+$/.test(idOrPath) && existsSync(packaged) ? packaged : idOrPath;
  const kind = await stat(local).catch(() => undefined);
  if (kind?.isFile()) return readFiles([local], limit, columns);
  if (kind) return readFiles(await filesOfFolder(local, split), limit, columns);
  if (!/^[\w.-]+\/[\w.-]+$/.test(idOrPath)) throw new Error(`${JSON.stringify(idOrPath)} is no data set: neither an existing file or folder, nor a packaged one, nor a hub id like "owner/name".`);
  return readFiles(await filesOfHub(idOrPath, split, options), limit, columns);
}

async function readFiles(files: string[], limit: number | undefined, columns: string[] | undefined): Promise<Row[]> {
  const rows: Row[] = [];
  for (const file of files) {
    const rest = limit === undefined ? undefined : limit - rows.length;
    if (rest === 0) break;
    for (const row of await readOne(file, rest, columns)) rows.push(row);
  }
  if (rows.length === 0) throw new Error(`${files.join(", ")} holds no rows.`);
  return rows;
}

async function readOne(file: string, limit: number | undefined, columns: string[] | undefined): Promise<Row[]> {
  const extension = path.extname(file);
  if (extension === ".parquet") return readParquet(file, limit, columns);
  if (extension === ".jsonl") return readJsonLines(file, limit, columns);
  if (extension === ".json") return readJson(file, limit, columns);
  throw new Error(`${file} is not read: ${EXTENSIONS.join(", ")} files are.`);
}

/** Some publish JSON lines under the name .json: what begins with an object is read as lines. */
async function readJson(file: string, limit: number | undefined, columns: string[] | undefined): Promise<Row[]> {
  const text = await readFile(file, "utf8");
  if (text.trimStart().startsWith("{")) return readJsonLines(file, limit, columns);
  let rows: unknown;
  try {
    rows = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is no JSON: ${(error as Error).message}`);
  }
  if (!Array.isArray(rows)) throw new Error(`${file} holds no array of rows.`);
  return rows.slice(0, limit).map((row: unknown, index) => chosenColumns(row, columns, `${file}, row ${index}`));
}

async function readJsonLines(file: string, limit: number | undefined, columns: string[] | undefined): Promise<Row[]> {
  const rows: Row[] = [];
  let number = 0;
  for await (const line of linesOf(file)) {
    number++;
    if (line.trim() === "") continue;
    if (rows.length === limit) break;
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch (error) {
      throw new Error(`${file}, line ${number}, is no JSON: ${(error as Error).message}`);
    }
    rows.push(chosenColumns(row, columns, `${file}, line ${number}`));
  }
  return rows;
}

/** Node's readline, in some versions, also ends a line at U+2028, which JSON allows inside a string. */
async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of createReadStream(file, "utf8")) {
    const lines = (rest + (chunk as string)).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield line;
  }
  yield rest;
}

function chosenColumns(row: unknown, columns: string[] | undefined, where: string): Row {
  if (typeof row !== "object" || row === null || Array.isArray(row)) throw new Error(`${where}, is no object.`);
  if (!columns) return row as Row;
  const missing = columns.find((column) => !(column in row));
  if (missing) throw new Error(`${where}, has no ${missing}; its columns are ${Object.keys(row).join(", ")}.`);
  return Object.fromEntries(columns.map((column) => [column, (row as Row)[column]]));
}

async function filesOfFolder(folder: string, split: string): Promise<string[]> {
  const names = (await readdir(folder, { recursive: true })).map((name) => name.split(path.sep).join("/"));
  const chosen = chooseSplit(names, split);
  if (chosen.length > 0) return chosen.map((name) => path.join(folder, name));
  throw new Error(`${folder} has no split ${split}; its data files are ${names.filter(isData).join(", ") || "none"}.`);
}

/** The repository's own files, or where none is in a format that is read, the hub's parquet copy. */
async function filesOfHub(name: string, split: string, options: HubOptions): Promise<string[]> {
  const failures: unknown[] = [];
  for (const revision of options.revision ? [options.revision] : ["main", PARQUET_BRANCH]) {
    try {
      return await filesOfRevision(name, split, { ...options, revision });
    } catch (error) {
      failures.push(error);
    }
  }
  throw failures[0];
}

async function filesOfRevision(name: string, split: string, options: HubOptions): Promise<string[]> {
  const choose = (files: HubFile[]): HubFile[] => {
    const paths = files.map((file) => file.path);
    const chosen = chooseSplit(paths, split);
    if (chosen.length === 0) throw new Error(`${name} has no split ${split} in a format that is read; its files are ${paths.slice(0, 20).join(", ")}.`);
    return files.filter((file) => chosen.includes(file.path));
  };
  const snapshot = await downloadFiles({ type: "dataset", name }, choose, options);
  return filesOfFolder(snapshot, split);
}

function isData(name: string): boolean {
  return EXTENSIONS.includes(path.extname(name)) && !path.basename(name).startsWith(".") && !/(^|\/)(dataset_infos?|config|state)\.json$/.test(name);
}

/**
 * The files of a split, as the hub names them: the split is a part of the file's name or of a folder's. Where no name says
 * any split, all files of the best format are its train split.
 */
function chooseSplit(names: string[], split: string): string[] {
  const data = names.filter(isData).sort();
  const saysSplit = (name: string, wanted: string): boolean => new RegExp(`(^|[/._-])${wanted.replace(/[^\w]/g, "\\$&")}([/._-]|$)`).test(name);
  const named = data.filter((name) => saysSplit(name, split));
  const others = ["train", "test", "validation", "valid", "dev", "eval"];
  const unnamed = split === "train" ? data.filter((name) => !others.some((other) => saysSplit(name, other))) : [];
  const candidates = named.length > 0 ? named : unnamed;
  const extension = EXTENSIONS.find((wanted) => candidates.some((name) => path.extname(name) === wanted));
  return candidates.filter((name) => path.extname(name) === extension);
}
