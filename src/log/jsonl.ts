import fs from "node:fs";
import path from "node:path";
import type { LogRow, TrainerCallback } from "../step/callbacks";

const NOT_IN_JSON: Record<string, number> = { NaN, Infinity, "-Infinity": -Infinity };

/** A row as one line of JSON. NaN and infinities, which JSON lacks, are written as the strings that Python's float() reads. */
function lineOf(row: LogRow): string {
  return `${JSON.stringify(row, (_key, value: unknown) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value))}\n`;
}

function rowOf(line: string): LogRow {
  const row = JSON.parse(line) as Record<string, unknown>;
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
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, rows.map(lineOf).join(""));
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
      return [rowOf(line)];
    } catch (error) {
      throw new Error(`${file}, line ${index + 1}: ${(error as Error).message}`);
    }
  });
  try {
    if (torn.trim() !== "") rows.push(rowOf(torn));
  } catch {
    return rows;
  }
  return rows;
}

/**
 * Keeps the run's log on disk as it grows, in `log.jsonl` of the folder. A run that starts anew replaces the file;
 * one that is resumed at some step keeps the rows up to it.
 */
export function jsonlCallback(folder: string): TrainerCallback {
  const file = path.join(folder, "log.jsonl");
  return {
    onTrainBegin(state) {
      const kept = state.step > 0 && fs.existsSync(file) ? readJsonl(file).filter((row) => row.step <= state.step) : [];
      writeJsonl(file, kept);
    },
    onLog: (_state, row) => fs.appendFileSync(file, lineOf(row)),
    onEvaluate: (_state, metrics) => fs.appendFileSync(file, lineOf(metrics)),
  };
}
