import { readFileSync } from "node:fs";
import path from "node:path";
import { loadPreferenceRows, validatePreferenceRows, type PreferenceRow } from "../src/data/preference";
import { misuse } from "./failure";

/** Rows that are measured without `--rows`. */
const PACKAGED_ROWS = 64;

/**
 * Rows to measure with: a file's, `[{"prompt","chosen","rejected"}]`, or the first of the packaged ones.
 * @throws BenchFailure naming the file, and the row and field that is wrong
 */
export async function readRows(file: string | undefined): Promise<PreferenceRow[]> {
  if (file === undefined) return loadPreferenceRows("human-like", { limit: PACKAGED_ROWS });
  try {
    const parsed: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (!Array.isArray(parsed)) throw new TypeError('it holds no array; the form is [{"prompt": …, "chosen": …, "rejected": …}, …].');
    if (parsed.length === 0) throw new TypeError("it holds no rows.");
    return validatePreferenceRows(parsed);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const where = path.relative(process.cwd(), file) || file;
    if (code === "ENOENT") throw misuse(`--rows ${where}: there is no such file.`);
    if (error instanceof SyntaxError) throw misuse(`--rows ${where}: not JSON (${message}).`);
    throw misuse(`--rows ${where}: ${message}`);
  }
}

/**
 * Cuts rows into whole batches, in file order; a rest that fills none is left out.
 * @param most batches at most
 */
export function wholeBatches<T>(rows: readonly T[], size: number, most: number): T[][] {
  const count = Math.min(most, Math.floor(rows.length / size));
  if (count === 0) throw misuse(`${rows.length} row${rows.length === 1 ? " does" : "s do"} not fill one batch of ${size}: give more rows, or a smaller --batch.`);
  return Array.from({ length: count }, (_, i) => rows.slice(i * size, (i + 1) * size));
}
