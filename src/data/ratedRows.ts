import { columnOf, eachRow, textOf } from "./eachRow";
import { kindOf, messagesOf, type Message } from "./messages";
import { loadRows, type LoadRowsOptions } from "./rows";

/** Two answers to a prompt with the rating of each, as the binarised HelpSteer2 has them. */
export interface RatedRow {
  prompt: string | Message[];
  /** The answer that was rated higher, as a chat. */
  chosen: Message[];
  rejected: Message[];
  chosen_rating: number;
  rejected_rating: number;
}

/**
 * Checks rows from a file or a notebook and gives them back as rated pairs; other columns are dropped.
 * @throws TypeError with the row's number (counted from 0) for a column that is missing or of another kind, an empty answer,
 * two answers that are the same, or a chosen answer that is rated below the rejected one
 */
export function validateRatedRows(rows: readonly unknown[]): RatedRow[] {
  return eachRow(rows, "prompt, chosen, rejected, chosen_rating and rejected_rating", (row) => {
    const prompt = Array.isArray(row.prompt) ? messagesOf(row.prompt, "prompt") : textOf(row, "prompt");
    const [chosen, rejected] = [answerOf(row, "chosen"), answerOf(row, "rejected")];
    if (JSON.stringify(chosen) === JSON.stringify(rejected)) throw new TypeError("chosen and rejected are the same chat, so the pair says nothing. Leave the row out.");
    const [chosen_rating, rejected_rating] = [ratingOf(row, "chosen_rating"), ratingOf(row, "rejected_rating")];
    if (chosen_rating < rejected_rating) throw new TypeError(`chosen_rating is ${chosen_rating}, below rejected_rating ${rejected_rating}. Exchange the two answers, or leave the row out.`);
    return { prompt, chosen, rejected, chosen_rating, rejected_rating };
  });
}

/**
 * Loads rated pairs and checks every one of them.
 * @param idOrPath as for `loadRows`: a file, a folder, `rated` (packaged), or a hub id such as `esfrankel17/HelpSteer2_binarized`
 */
export async function loadRatedRows(idOrPath: string, options: Omit<LoadRowsOptions, "columns"> = {}): Promise<RatedRow[]> {
  return validateRatedRows(await loadRows(idOrPath, options));
}

function answerOf(row: Record<string, unknown>, side: string): Message[] {
  const messages = messagesOf(columnOf(row, side), side);
  if (messages.at(-1)!.content.trim() === "") throw new TypeError(`${side} ends in an empty turn. Leave the row out.`);
  return messages;
}

function ratingOf(row: Record<string, unknown>, column: string): number {
  const rating = columnOf(row, column);
  if (typeof rating !== "number" || !Number.isFinite(rating)) throw new TypeError(`${column} is ${typeof rating === "number" ? rating : kindOf(rating)}; a number is needed.`);
  return rating;
}
