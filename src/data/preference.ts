import { loadRows, type LoadRowsOptions } from "./rows";

/** A preference pair as plain text: the answer `chosen` was preferred to `rejected`. */
export interface PreferenceRow {
  prompt: string;
  chosen: string;
  rejected: string;
}

const fields = ["prompt", "chosen", "rejected"] as const;

/**
 * Checks rows from a file or a notebook and gives them back as preference pairs; other columns are dropped.
 * @throws naming the row (counted from 0) and field that is missing, no string, or blank, or whose two answers are the same
 */
export function validatePreferenceRows(rows: readonly unknown[]): PreferenceRow[] {
  if (!Array.isArray(rows)) throw new TypeError("Preference rows are an array of { prompt, chosen, rejected }.");
  return rows.map((row: unknown, index) => {
    if (typeof row !== "object" || row === null) throw new TypeError(`Row ${index} is ${JSON.stringify(row)}; an object with prompt, chosen and rejected is needed.`);
    const record = row as Record<string, unknown>;
    for (const field of fields) {
      const value = record[field];
      if (value === undefined) throw new TypeError(`Row ${index} has no ${field}; its columns are ${Object.keys(record).join(", ") || "none"}.`);
      if (typeof value !== "string") throw new TypeError(`Row ${index}: ${field} is ${value === null ? "null" : typeof value}; a string is needed.${Array.isArray(value) ? " Chat messages must be joined to text first." : ""}`);
      if (value.trim() === "") throw new TypeError(`Row ${index}: ${field} is empty.`);
    }
    if (record.chosen === record.rejected) throw new TypeError(`Row ${index}: chosen and rejected are the same text, so the pair says nothing.`);
    return { prompt: record.prompt as string, chosen: record.chosen as string, rejected: record.rejected as string };
  });
}

/**
 * Loads preference pairs and checks every one of them.
 * @param idOrPath as for `loadRows`: a file, a folder, `human-like` (packaged), or a hub id such as `HumanLLMs/Human-Like-DPO-Dataset`
 */
export async function loadPreferenceRows(idOrPath: string, options: Omit<LoadRowsOptions, "columns"> = {}): Promise<PreferenceRow[]> {
  return validatePreferenceRows(await loadRows(idOrPath, options));
}
