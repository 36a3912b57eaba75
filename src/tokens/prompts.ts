import { withRowNumbers } from "../data/eachRow";
import type { Message, Tokenizer } from "./tokenizer";

/** A prompt to be answered: a text that is continued as it stands, or a chat that ends with the user's turn. Other columns are not looked at. */
export interface PromptRow {
  prompt: string | readonly Message[];
}

/** A prompt ready to be answered. */
export interface TokenizedPrompt {
  prompt: string | readonly Message[];
  prompt_input_ids: number[];
}

/** What a prompt says: a text itself, of a chat its last turn. */
export function saidBy(prompt: string | readonly Message[]): string {
  return typeof prompt === "string" ? prompt : (prompt.at(-1)?.content ?? "");
}

/**
 * Ids of prompts as TRL's online trainers make them: a chat by the chat template, with the head of the assistant's turn at
 * its end; a text as it is. No special tokens are added.
 * @param maxPromptLength a prompt keeps its last so many tokens; null keeps all
 * @throws TypeError with the row's number (counted from 0) for a prompt that is none, RangeError for a length that is none
 */
export function tokenizePrompts(rows: readonly PromptRow[], tokenizer: Pick<Tokenizer, "applyChatTemplate" | "encode">, maxPromptLength: number | null): TokenizedPrompt[] {
  if (!Array.isArray(rows)) throw new TypeError("Prompts are an array of { prompt }, where prompt is a text or a list of messages.");
  if (maxPromptLength !== null && !(Number.isInteger(maxPromptLength) && maxPromptLength > 0)) throw new RangeError(`maxPromptLength is ${maxPromptLength}; a positive whole number, or null for no limit, is needed.`);
  return withRowNumbers(rows, (row) => {
    const { prompt } = checked(row);
    const text = typeof prompt === "string" ? prompt : tokenizer.applyChatTemplate([...prompt], { addGenerationPrompt: true });
    const ids = tokenizer.encode(text).slice(-(maxPromptLength ?? Infinity));
    if (ids.length === 0) throw new TypeError("prompt has no tokens. Leave the row out.");
    return { prompt, prompt_input_ids: ids };
  });
}

function checked(row: unknown): PromptRow {
  const prompt = (row as Partial<PromptRow> | null)?.prompt as unknown;
  if (typeof prompt === "string") return { prompt };
  if (!Array.isArray(prompt)) throw new TypeError(`prompt is ${prompt === null ? "null" : typeof prompt}; a text or a list of messages is needed.`);
  const last = prompt.at(-1) as Partial<Message> | undefined;
  if (typeof last?.content !== "string") throw new TypeError("prompt is a chat whose last turn has no content; it ends with what the user says.");
  if (last.role === "assistant") throw new TypeError("prompt is a chat that ends with the assistant's turn, so there is nothing to answer. Leave that turn out.");
  return { prompt: prompt as Message[] };
}
