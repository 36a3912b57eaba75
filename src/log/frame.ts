import { DataFrame } from "danfojs-node";
import type { LogRow } from "../step/callbacks";

/** TRL's order of a preference run's columns; what is not named here follows by name. */
const ORDER = [
  "loss", "learning_rate", "grad_norm",
  "rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins",
  "logps/chosen", "logps/rejected",
];

function rank(key: string): [evaluation: number, place: number] {
  const evaluation = key.startsWith("eval_");
  const place = ORDER.indexOf(evaluation ? key.slice("eval_".length) : key);
  return [evaluation ? 1 : 0, place < 0 ? ORDER.length : place];
}

/** The log's columns: step, epoch, training measures, evaluation measures, in one order whatever row comes first. */
export function logColumns(rows: readonly LogRow[]): string[] {
  const keys = new Set(rows.flatMap((row) => Object.keys(row)));
  keys.delete("step");
  keys.delete("epoch");
  const sorted = [...keys].sort((a, b) => {
    const [left, right] = [rank(a), rank(b)];
    return left[0] - right[0] || left[1] - right[1] || (a < b ? -1 : 1);
  });
  return ["step", "epoch", ...sorted];
}

/**
 * A run's log as a data frame: one row for each logged row, NaN where a row did not measure a column.
 * The columns' types are stated, since danfojs would guess them from the first rows alone.
 */
export function historyFrame(rows: readonly LogRow[]): DataFrame {
  const columns = logColumns(rows);
  const values = rows.map((row) => columns.map((column) => row[column] ?? NaN));
  return new DataFrame(values, { columns, dtypes: columns.map((column) => (column === "step" ? "int32" : "float32")) });
}
