import { kindOf } from "./messages";

/**
 * Does the same with every row.
 * @throws TypeError with the row's number, counted from 0, in front of what was wrong with it
 */
export function withRowNumbers<Row, Result>(rows: readonly Row[], work: (row: Row) => Result): Result[] {
  return rows.map((row, index) => {
    try {
      return work(row);
    } catch (error) {
      throw new TypeError(`Row ${index}: ${(error as Error).message}`, { cause: error });
    }
  });
}

/** `withRowNumbers` for rows that are still to be checked: each has to be an object. @param columns what it has to hold */
export function eachRow<Row>(rows: readonly unknown[], columns: string, work: (row: Record<string, unknown>) => Row): Row[] {
  if (!Array.isArray(rows)) throw new TypeError(`Rows are an array of { ${columns} }.`);
  return withRowNumbers(rows, (row) => {
    if (typeof row !== "object" || row === null || Array.isArray(row)) throw new TypeError(`it is ${JSON.stringify(row)}; an object with ${columns} is needed.`);
    return work(row as Record<string, unknown>);
  });
}

/** A column that must be there. @throws TypeError naming the columns that are */
export function columnOf(row: Record<string, unknown>, column: string): unknown {
  const value = row[column];
  if (value === undefined || value === null) throw new TypeError(`it has no ${column}; its columns are ${Object.keys(row).join(", ") || "none"}.`);
  return value;
}

/** A column of text. @throws TypeError for one that is no string, or blank */
export function textOf(row: Record<string, unknown>, column: string): string {
  const value = columnOf(row, column);
  if (typeof value !== "string") throw new TypeError(`${column} is ${kindOf(value)}; a string is needed.`);
  if (value.trim() === "") throw new TypeError(`${column} is empty. Leave the row out.`);
  return value;
}
