import { withRowNumbers } from "../data/eachRow";
import type { Message, Tokenizer } from "./tokenizer";

/** A pair of plain texts. With a prompt the texts to compare are the prompt with each answer behind it. */
export interface TextPair {
  prompt?: string;
  chosen: string;
  rejected: string;
  /** By how much the chosen answer should win, in units of reward. */
  margin?: number;
}

/** A pair of chats: whole ones, or with a prompt the turns that follow it. */
export interface ChatPair {
  prompt?: readonly Message[];
  chosen: readonly Message[];
  rejected: readonly Message[];
  margin?: number;
}

/** A pair of texts as ids, which are taken as they are. */
export interface TokenPair {
  chosen_ids: readonly number[];
  rejected_ids: readonly number[];
  margin?: number;
}

/** A row of a preference data set in any of the forms that TRL's RewardTrainer takes. */
export type RewardRow = TextPair | ChatPair | TokenPair;

/** A pair ready to be scored: prompt and answer as one sequence each. */
export interface ScoredRow {
  chosen_ids: number[];
  rejected_ids: number[];
  /** Null where the rows have none. */
  margin: number | null;
}

type RewardTokenizer = Pick<Tokenizer, "applyChatTemplate" | "encode" | "decode" | "eosTokenId" | "padTokenId"> & Partial<Pick<Tokenizer, "sepTokenId">>;

const SIDES = ["chosen", "rejected"] as const;

/** What changes how TRL renders a chat, and is not done here. */
const UNSUPPORTED_COLUMNS = ["tools", "chat_template_kwargs"];

/**
 * Turns rows into ids as TRL's RewardTrainer does: chats by the chat template; plain texts, prompt and answer joined, with
 * the end token behind them and whatever special tokens the tokenizer adds. An encoder's tokenizer without an end token adds its
 * [SEP] alone.
 * @throws TypeError with the row's number (counted from 0) for a row without an answer, an answer without text, two texts
 * that are the same, or a margin in some rows only
 */
export function tokenizeRewardRows(rows: readonly RewardRow[], tokenizer: RewardTokenizer): ScoredRow[] {
  if (!Array.isArray(rows)) throw new TypeError("Reward rows are an array of { prompt, chosen, rejected }, { chosen, rejected } or { chosen_ids, rejected_ids }.");
  const tokenized = withRowNumbers(rows, (row) => tokenizeRewardRow(row, tokenizer));
  const withMargin = tokenized.filter(({ margin }) => margin !== null).length;
  if (withMargin > 0 && withMargin < tokenized.length) {
    throw new TypeError(`Row ${tokenized.findIndex(({ margin }) => margin === null)} has no margin, ${withMargin} of ${tokenized.length} rows have one. Give every row a margin, or none.`);
  }
  return tokenized;
}

function tokenizeRewardRow(row: unknown, tokenizer: RewardTokenizer): ScoredRow {
  if (typeof row !== "object" || row === null) throw new TypeError(`it is ${JSON.stringify(row)}; an object with chosen and rejected is needed.`);
  const record = row as Record<string, unknown>;
  const unsupported = UNSUPPORTED_COLUMNS.find((column) => record[column] != null);
  if (unsupported) throw new TypeError(`${unsupported} is not supported. Render the chats to text first, or leave the column out.`);
  const isTokenized = "chosen_ids" in record || "rejected_ids" in record;
  const [chosen, rejected] = SIDES.map((side) => (isTokenized ? givenIds(record, `${side}_ids`) : textIds(record, side, tokenizer)));
  for (const [i, ids] of [chosen!, rejected!].entries()) {
    if (ids.every((id) => id === tokenizer.padTokenId)) throw new TypeError(`${SIDES[i]} has no tokens${ids.length > 0 ? " but padding" : ""}. Leave the row out.`);
  }
  if (isSame(chosen!, rejected!)) throw new TypeError("chosen and rejected are the same text, so the pair says nothing. Leave the row out.");
  return { chosen_ids: chosen!, rejected_ids: rejected!, margin: marginOf(record) };
}

function marginOf({ margin }: Record<string, unknown>): number | null {
  if (margin === undefined || margin === null) return null;
  if (typeof margin !== "number" || !Number.isFinite(margin)) throw new TypeError(`margin is ${JSON.stringify(margin)}; a number is needed.`);
  return margin;
}

function givenIds(record: Record<string, unknown>, column: string): number[] {
  const ids = record[column];
  if (!Array.isArray(ids) || !ids.every((id) => Number.isInteger(id) && (id as number) >= 0)) throw new TypeError(`${column} is ${describe(ids)}; an array of token ids is needed.`);
  return [...(ids as number[])];
}

function textIds(record: Record<string, unknown>, side: (typeof SIDES)[number], tokenizer: RewardTokenizer): number[] {
  const { prompt } = record;
  const answer = record[side];
  if (answer === undefined) throw new TypeError(`it has no ${side}; its columns are ${Object.keys(record).join(", ") || "none"}.`);
  if (Array.isArray(answer)) {
    if (prompt != null && !Array.isArray(prompt)) throw new TypeError(`${side} is a list of messages, prompt is ${describe(prompt)}; both must be of one kind.`);
    return chatIds([...((prompt as Message[] | undefined) ?? []), ...(answer as Message[])], answer as Message[], side, tokenizer);
  }
  if (typeof answer !== "string") throw new TypeError(`${side} is ${describe(answer)}; a string or a list of messages is needed.`);
  if (prompt != null && typeof prompt !== "string") throw new TypeError(`${side} is a string, prompt is ${describe(prompt)}; both must be of one kind.`);
  if (answer.trim() === "") throw new TypeError(`${side} is empty. Leave the row out.`);
  return endedIds(`${(prompt as string | undefined) ?? ""}${answer}`, tokenizer);
}

/** Ids of a plain text with the end token behind it; an encoder's tokenizer without an end token adds its [SEP] alone. */
function endedIds(text: string, tokenizer: RewardTokenizer): number[] {
  if (tokenizer.eosTokenId === null && tokenizer.sepTokenId != null) return tokenizer.encode(text, { addSpecialTokens: true });
  if (tokenizer.eosTokenId === null) throw new TypeError("the tokenizer names no end token to put behind a text (eos_token in its tokenizer_config.json).");
  const end = tokenizer.decode([tokenizer.eosTokenId]);
  return tokenizer.encode(text.endsWith(end) ? text : `${text}${end}`, { addSpecialTokens: true });
}

/**
 * Ids of an answer behind its prompt as a reward model met such texts in training: a chat by the chat template, plain texts
 * joined with the end token behind them. An answer without text is scored like any other.
 */
export function answeredIds(prompt: string | readonly Message[], answer: string, tokenizer: RewardTokenizer): number[] {
  if (typeof prompt === "string") return endedIds(`${prompt}${answer}`, tokenizer);
  return tokenizer.encode(tokenizer.applyChatTemplate([...prompt, { role: "assistant", content: answer }]));
}

function chatIds(messages: Message[], answer: readonly Message[], side: string, tokenizer: RewardTokenizer): number[] {
  const last = answer.at(-1);
  if (last === undefined || (typeof last?.content === "string" && last.content.trim() === "")) throw new TypeError(`${side} is empty. Leave the row out.`);
  return tokenizer.encode(tokenizer.applyChatTemplate(messages));
}

function describe(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}

/**
 * Ids of one text or chat, prompt and answer in it, as `tokenizeRewardRows` makes those of a pair's texts.
 * @throws TypeError for one that is empty, or neither a string nor a list of messages
 */
export function scoredIds(text: string | readonly Message[], tokenizer: RewardTokenizer): number[] {
  if (Array.isArray(text)) return chatIds(text as Message[], text as Message[], "the chat", tokenizer);
  if (typeof text !== "string") throw new TypeError(`it is ${describe(text)}; a string or a list of messages is needed.`);
  if (text.trim() === "") throw new TypeError("the text is empty.");
  return endedIds(text, tokenizer);
}

/** Whether two texts have the same tokens. */
export const isSame = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((id, i) => id === b[i]);

/** Those rows of which both texts keep to `maxLength` tokens, as TRL leaves out the others; null keeps all. */
export function withinLength(rows: readonly ScoredRow[], maxLength: number | null): ScoredRow[] {
  return rows.filter((row) => maxLength === null || longestText(row) <= maxLength);
}

/** The rows with the first `maxLength` tokens of each text; null keeps all. */
export function withFirstTokens(rows: readonly ScoredRow[], maxLength: number | null): ScoredRow[] {
  const cut = (ids: number[]): number[] => ids.slice(0, maxLength ?? undefined);
  return rows.map((row) => ({ ...row, chosen_ids: cut(row.chosen_ids), rejected_ids: cut(row.rejected_ids) }));
}

/** Tokens of the longer of a pair's two texts. */
export const longestText = (row: ScoredRow): number => Math.max(row.chosen_ids.length, row.rejected_ids.length);
