import { withRowNumbers } from "../data/eachRow";
import type { PreferenceRow } from "../data/preference";
import type { Message, Tokenizer } from "./tokenizer";

/** A preference pair as ids, ready for `padCollate`. */
export interface TokenizedRow {
  prompt_input_ids: number[];
  chosen_input_ids: number[];
  rejected_input_ids: number[];
}

export interface TokenizeOptions {
  /** A prompt keeps its last so many tokens; null keeps all. Default 512. */
  maxPromptLength?: number | null;
  /** An answer keeps its first so many tokens; null keeps all. Default null. */
  maxCompletionLength?: number | null;
  /** Whether the rows are rendered by the chat template already. Default false. */
  rendered?: boolean;
}

/**
 * Renders a pair by the model's chat template: the prompt as a user turn with the head of the assistant's turn after it, each
 * answer as what the template adds behind that (the answer, `<|im_end|>` and a newline).
 * @throws when the template's rendering with an answer does not begin with the prompt's rendering
 */
export function applyChatTemplate(example: PreferenceRow, tokenizer: Pick<Tokenizer, "applyChatTemplate">): PreferenceRow {
  requireStrings(example);
  const question: Message = { role: "user", content: example.prompt };
  const prompt = tokenizer.applyChatTemplate([question], { addGenerationPrompt: true });
  const answer = (content: string): string => {
    const whole = tokenizer.applyChatTemplate([question, { role: "assistant", content }]);
    if (!whole.startsWith(prompt)) {
      throw new Error(`The chat template renders the prompt differently once an answer follows, so the answer cannot be cut off: ${JSON.stringify(prompt.slice(-80))} is not where ${JSON.stringify(whole.slice(0, prompt.length).slice(-80))} is.`);
    }
    return whole.slice(prompt.length);
  };
  return { prompt, chosen: answer(example.chosen), rejected: answer(example.rejected) };
}

/**
 * Ids of a rendered pair; no special tokens are added beyond those in the text.
 * @param maxPromptLength the prompt keeps its last so many tokens, so that the question and the turn's head stay
 * @param maxCompletionLength an answer keeps its first so many tokens; null keeps all
 */
export function tokenizeRow(
  example: PreferenceRow,
  tokenizer: Pick<Tokenizer, "encode">,
  maxPromptLength: number | null = 512,
  maxCompletionLength: number | null = null,
): TokenizedRow {
  requireStrings(example);
  requireLength(maxPromptLength, "maxPromptLength");
  requireLength(maxCompletionLength, "maxCompletionLength");
  const answer = (text: string): number[] => tokenizer.encode(text).slice(0, maxCompletionLength ?? undefined);
  const promptIds = tokenizer.encode(example.prompt);
  return {
    prompt_input_ids: maxPromptLength === null ? promptIds : promptIds.slice(-maxPromptLength),
    chosen_input_ids: answer(example.chosen),
    rejected_input_ids: answer(example.rejected),
  };
}

/**
 * `applyChatTemplate` (unless the rows are rendered) and `tokenizeRow` for every row.
 * @throws with the row's number (counted from 0) for a field that is no string, a blank answer, or a field without a single token
 */
export function tokenizeRows(rows: readonly PreferenceRow[], tokenizer: Pick<Tokenizer, "applyChatTemplate" | "encode">, options: TokenizeOptions = {}): TokenizedRow[] {
  const { maxPromptLength = 512, maxCompletionLength = null, rendered = false } = options;
  requireLength(maxPromptLength, "maxPromptLength");
  requireLength(maxCompletionLength, "maxCompletionLength");
  return withRowNumbers(rows, (row) => {
    requireStrings(row);
    for (const field of ["chosen", "rejected"] as const) if (row[field].trim() === "") throw new TypeError(`${field} is empty, so it has no log-probability to learn from. Leave the row out.`);
    const tokenized = tokenizeRow(rendered ? row : applyChatTemplate(row, tokenizer), tokenizer, maxPromptLength, maxCompletionLength);
    for (const [column, ids] of Object.entries(tokenized)) if ((ids as number[]).length === 0) throw new TypeError(`${column} has no tokens. Leave the row out.`);
    return tokenized;
  });
}

function requireStrings(example: PreferenceRow): void {
  for (const field of ["prompt", "chosen", "rejected"] as const) {
    const value: unknown = example?.[field];
    if (typeof value !== "string") throw new TypeError(`${field} is ${value === null ? "null" : typeof value}; a string is needed.`);
  }
}

function requireLength(length: number | null, name: string): void {
  if (length !== null && (!Number.isInteger(length) || length <= 0)) throw new RangeError(`${name} is ${length}; a positive whole number, or null for no limit, is needed.`);
}
