import fs from "node:fs";
import path from "node:path";
import { writeWholeSync } from "../hub/whole";
import type { LogRow, TrainerCallback } from "./callbacks";

const NOT_IN_JSON: Record<string, number> = { NaN, Infinity, "-Infinity": -Infinity };

/** As JSON; NaN and infinities, which JSON lacks, as the strings that Python's float() reads. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(value, (_key, part: unknown) => (typeof part === "number" && !Number.isFinite(part) ? String(part) : part), indent);
}

/** A value as one line of JSON. */
export const jsonLine = (value: unknown): string => `${jsonText(value)}\n`;

/** A row of a log as it was before `jsonText`. @throws TypeError for what is no row of numbers with a step */
export function logRowOf(parsed: unknown): LogRow {
  const row = { ...(parsed as Record<string, unknown>) };
  for (const [key, value] of Object.entries(row)) {
    const number = typeof value === "string" ? NOT_IN_JSON[value] : value;
    if (typeof number !== "number") throw new TypeError(`"${key}" is ${JSON.stringify(value)}, and a log holds numbers only`);
    row[key] = number;
  }
  if (row.step === undefined) throw new TypeError('there is no "step"');
  return row as LogRow;
}

/** Writes a log, one row a line, in place of what the file held. Folders are made as needed. */
export function writeJsonl(file: string, rows: readonly LogRow[]): void {
  writeWholeSync(file, rows.map(jsonLine).join(""));
}

/**
 * Reads a log back. A last line that a killed run left half written is passed over.
 * @throws Error that names the file and the line when a line is not a row of numbers with a step.
 */
export function readJsonl(file: string): LogRow[] {
  const lines = fs.readFileSync(file, "utf8").split("\n");
  const torn = lines.pop()!;
  const rows = lines.flatMap((line, index) => {
    if (line.trim() === "") return [];
    try {
      return [logRowOf(JSON.parse(line))];
    } catch (error) {
      throw new Error(`${file}, line ${index + 1}: ${(error as Error).message}`);
    }
  });
  try {
    if (torn.trim() !== "") rows.push(logRowOf(JSON.parse(torn)));
  } catch {
    return rows;
  }
  return rows;
}

/**
 * Keeps the run's log on disk as it grows, in `log.jsonl` of the folder. When a run begins the file is written anew with
 * what was logged before: nothing, or the rows up to the step at which it is resumed.
 */
export function jsonlCallback(folder: string): TrainerCallback {
  const file = path.join(folder, "log.jsonl");
  let hasBegun = false;
  const append = (row: LogRow): void => {
    if (hasBegun) fs.appendFileSync(file, jsonLine(row));
  };
  return {
    onTrainBegin(state) {
      writeJsonl(file, state.logHistory);
      hasBegun = true;
    },
    onLog: (_state, row) => append(row),
    onEvaluate: (_state, metrics) => append(metrics),
  };
}
