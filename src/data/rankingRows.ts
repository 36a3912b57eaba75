import { columnOf, eachRow, textOf } from "./eachRow";
import { kindOf } from "./messages";
import { loadRows, type LoadRowsOptions } from "./rows";

/** Several answers to a prompt, ranked by one or two passes over them. */
export interface RankingRow {
  prompt: string;
  answers: string[];
  /** Place of each answer, 1 for the best. Answers that share a place are tied. */
  ranks: number[];
  /** The same from a second, independent pass. */
  second_ranks?: number[];
}

/** Two answers to a prompt, one of them labelled as the better. */
export interface ComparisonRow {
  prompt: string;
  response: [string, string];
  /** 1 for the better answer, 0 for the other. */
  ranking: [number, number];
}

/** Two texts of which `text_j` is preferred to `text_k`. */
export interface ComparedTexts {
  text_j: string;
  text_k: string;
}

export interface RankingPairsOptions {
  /** Which pass is read. Default `ranks`. */
  ranks?: "ranks" | "second_ranks";
  /** What is done with two answers of one rank: the row is refused, or that pair left out. Default `refuse`. */
  ties?: "refuse" | "skip";
}

/**
 * Checks rows from a file or a notebook and gives them back as rankings, ties among them; other columns are dropped.
 * @throws TypeError with the row's number (counted from 0) for a column that is missing or of another kind, fewer than two
 * answers, two that are the same, or a rank that is missing or no whole number from 1 to the number of answers
 */
export function validateRankingRows(rows: readonly unknown[]): RankingRow[] {
  return eachRow(rows, "prompt, answers and ranks", (row) => {
    const answers = answersOf(row, "answers");
    if (answers.length < 2) throw new TypeError(`answers has ${answers.length} answer; a ranking needs at least two.`);
    const ranking: RankingRow = { prompt: textOf(row, "prompt"), answers, ranks: ranksOf(row, "ranks", answers.length) };
    return row.second_ranks == null ? ranking : { ...ranking, second_ranks: ranksOf(row, "second_ranks", answers.length) };
  });
}

/** Loads rankings and checks every one of them. @param idOrPath as for `loadRows`: a file, a folder, `rankings` (packaged), or a hub id */
export async function loadRankingRows(idOrPath: string, options: Omit<LoadRowsOptions, "columns"> = {}): Promise<RankingRow[]> {
  return validateRankingRows(await loadRows(idOrPath, options));
}

/**
 * The table of all pairs: n answers give n·(n − 1)/2 rows, in the answers' order, each with its labels.
 * @throws TypeError with the row's number (counted from 0) as `validateRankingRows`, for a tie, or a pass that the row lacks
 */
export function rankingPairs(rows: readonly RankingRow[], { ranks: pass = "ranks", ties = "refuse" }: RankingPairsOptions = {}): ComparisonRow[] {
  return eachRow(validateRankingRows(rows), "prompt, answers and ranks", (row) => {
    const { prompt, answers } = row as unknown as RankingRow;
    const ranks = columnOf(row, pass) as number[];
    return answers.flatMap((answer, i) => answers.slice(i + 1).flatMap((other, at): ComparisonRow[] => {
      const j = i + 1 + at;
      if (ranks[i] !== ranks[j]) return [{ prompt, response: [answer, other], ranking: ranks[i]! < ranks[j]! ? [1, 0] : [0, 1] }];
      if (ties === "skip") return [];
      throw new TypeError(`${pass} gives the answers ${i} and ${j} (counted from 0) the same rank ${ranks[i]}, which says nothing of that pair. Give each answer a rank of its own, or ties: "skip" to leave such pairs out.`);
    }));
  }).flat();
}

/**
 * Both texts of each comparison, the better one as `text_j`.
 * @throws TypeError with the row's number (counted from 0) unless there are exactly two responses, and a ranking of one 0 and one 1
 */
export function comparedTexts(rows: readonly ComparisonRow[]): ComparedTexts[] {
  return eachRow(rows, "prompt, response and ranking", (row) => {
    const prompt = textOf(row, "prompt");
    const response = answersOf(row, "response");
    const ranking: unknown = columnOf(row, "ranking");
    if (response.length !== 2) throw new TypeError(`response holds ${response.length} response${response.length === 1 ? "" : "s"}; exactly two are compared.`);
    if (!Array.isArray(ranking) || ranking.length !== 2 || !ranking.includes(0) || !ranking.includes(1)) throw new TypeError(`ranking is ${JSON.stringify(ranking)}; one 1, for the better response, and one 0 are needed.`);
    const [text_j, text_k] = [1, 0].map((label) => questionAndAnswer(prompt, response[ranking.indexOf(label)]!));
    return { text_j: text_j!, text_k: text_k! };
  });
}

/** A prompt and an answer to it as the text that a reward model for questions reads. */
export const questionAndAnswer = (prompt: string, answer: string): string => `Question: ${prompt}\n\nAnswer: ${answer}`;

function answersOf(row: Record<string, unknown>, column: string): string[] {
  const answers = columnOf(row, column);
  if (!Array.isArray(answers)) throw new TypeError(`${column} is ${kindOf(answers)}; a list of strings is needed.`);
  answers.forEach((answer: unknown, i) => {
    if (typeof answer !== "string" || answer.trim() === "") throw new TypeError(`${column}[${i}] is ${typeof answer === "string" ? "empty" : kindOf(answer)}; an answer's text is needed.`);
    if (answers.indexOf(answer) < i) throw new TypeError(`${column}[${answers.indexOf(answer)}] and ${column}[${i}] are the same text.`);
  });
  return answers as string[];
}

function ranksOf(row: Record<string, unknown>, column: string, answers: number): number[] {
  const ranks = columnOf(row, column);
  if (!Array.isArray(ranks) || ranks.length !== answers) throw new TypeError(`${column} ${Array.isArray(ranks) ? `holds ${ranks.length} ranks` : `is ${kindOf(ranks)}`}; each of the ${answers} answers needs one.`);
  // A hole in the array is passed over by forEach.
  for (const [i, rank] of Array.from(ranks as unknown[]).entries()) {
    if (rank === null || rank === undefined) throw new TypeError(`${column}[${i}] is missing; each of the ${answers} answers needs a rank.`);
    if (!Number.isInteger(rank) || (rank as number) < 1 || (rank as number) > answers) throw new TypeError(`${column}[${i}] is ${JSON.stringify(rank)}; ranks are whole numbers from 1, the best, to ${answers}.`);
  }
  return ranks as number[];
}
