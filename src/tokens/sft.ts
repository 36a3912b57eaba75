import type { Message, Tokenizer } from "./tokenizer";
import { sharedLength } from "./tree";

/** Label of a token that is not learnt, as in PyTorch's cross-entropy. */
export const IGNORED = -100;

/** A row to be learnt from, in one of TRL's forms: a chat, a prompt with its completion (both text, or both turns of a chat), or plain text. */
export type SFTRow = { messages: readonly Message[] } | { prompt: string | readonly Message[]; completion: string | readonly Message[] } | { text: string };

/** A row as ids. A label is the token's own id where it is to be learnt, else −100. */
export interface LabelledRow {
  input_ids: number[];
  labels: number[];
}

export interface SFTTokenizeOptions {
  /** Whether the loss is taken of completions alone; null: of rows with prompt and completion. Default null. */
  completionOnlyLoss?: boolean | null;
  /** Whether the loss is taken of the assistant's turns alone. Default false. */
  assistantOnlyLoss?: boolean;
  /** A row keeps its first so many tokens; null keeps all. Default 1024. */
  maxLength?: number | null;
}

type Encoder = Pick<Tokenizer, "applyChatTemplate" | "encode" | "decode" | "eosTokenId">;

/** Tokens, and how many at the beginning are the prompt's. */
interface Completed {
  ids: number[];
  promptLength: number;
}

/**
 * Ids and labels of one row, as TRL's SFTTrainer makes them: chats are rendered by the chat template, plain texts end with
 * the end token, a completion begins where the ids of prompt and completion depart from those of the prompt alone.
 * @throws TypeError for a row of none of the forms, or a loss that its form does not have
 */
export function tokenizeSFTRow(row: SFTRow, tokenizer: Encoder, { completionOnlyLoss = null, assistantOnlyLoss = false, maxLength = 1024 }: SFTTokenizeOptions = {}): LabelledRow {
  if (maxLength !== null && !(Number.isInteger(maxLength) && maxLength > 1)) throw new RangeError(`maxLength is ${maxLength}; a whole number above 1, or null for no limit, is needed.`);
  const chat = chatOf(row);
  const hasCompletion = "completion" in row;
  if (completionOnlyLoss && !hasCompletion) throw new TypeError("completionOnlyLoss needs rows with prompt and completion; this one has no completion.");
  if (assistantOnlyLoss && !chat) throw new TypeError("assistantOnlyLoss needs rows of chat messages; this one is plain text.");
  const { ids, promptLength } = chat ? tokenizeChat(chat, tokenizer) : tokenizeText(row as PlainRow, tokenizer);
  const isLearnt = new Array<boolean>(ids.length).fill(true);
  if (hasCompletion && (completionOnlyLoss ?? true)) isLearnt.fill(false, 0, promptLength);
  if (assistantOnlyLoss) {
    const turns = assistantTokens([...chat!.prompt, ...chat!.completion], ids, tokenizer);
    turns.forEach((isAssistant, i) => (isLearnt[i] &&= isAssistant));
  }
  const kept = ids.slice(0, maxLength ?? undefined);
  return { input_ids: kept, labels: kept.map((id, i) => (isLearnt[i] ? id : IGNORED)) };
}

/** Whether anything of a row is learnt: its first token is predicted by nothing. */
export const learnsAnything = ({ labels }: LabelledRow): boolean => labels.some((label, i) => i > 0 && label !== IGNORED);

/** `tokenizeSFTRow` for every row. @throws TypeError with the row's number, counted from 0 */
export function tokenizeSFTRows(rows: readonly SFTRow[], tokenizer: Encoder, options: SFTTokenizeOptions = {}): LabelledRow[] {
  return rows.map((row, index) => {
    try {
      return tokenizeSFTRow(row, tokenizer, options);
    } catch (error) {
      if (error instanceof RangeError) throw error;
      throw new TypeError(`Row ${index}: ${(error as Error).message}`, { cause: error });
    }
  });
}

type PlainRow = { text: string } | { prompt: string; completion: string };
/** All turns of a chat; without a prompt of its own they are its completion. */
type Chat = { prompt: readonly Message[]; completion: readonly Message[] };

/** A row's chat, null for one of plain text. @throws TypeError for a row of none of the forms */
function chatOf(row: SFTRow): Chat | null {
  const { messages, prompt, completion, text } = row as Record<string, unknown>;
  if (messages !== undefined) return { prompt: [], completion: turnsOf(messages, "messages") };
  if (Array.isArray(prompt) || Array.isArray(completion)) return { prompt: turnsOf(prompt, "prompt"), completion: turnsOf(completion, "completion") };
  if (typeof prompt === "string" && typeof completion === "string") {
    if (completion === "") throw new TypeError("completion is empty.");
    return null;
  }
  if (typeof text === "string" && text !== "") return null;
  throw new TypeError(`one of messages, prompt with completion, or text is needed; its columns are ${Object.keys(row).join(", ") || "none"}.`);
}

function turnsOf(value: unknown, column: string): readonly Message[] {
  if (!Array.isArray(value) || value.length === 0) throw new TypeError(`${column} is ${Array.isArray(value) ? "empty" : `no list of turns`}; turns with role and content are needed.`);
  return value as Message[];
}

function tokenizeText(row: PlainRow, tokenizer: Encoder): Completed {
  const encode = (text: string): number[] => tokenizer.encode(text, { addSpecialTokens: true });
  const end = tokenizer.eosTokenId === null ? "" : tokenizer.decode([tokenizer.eosTokenId]);
  const ended = (text: string): string => (text.endsWith(end) ? text : text + end);
  if ("text" in row) return { ids: encode(ended(row.text)), promptLength: 0 };
  const ids = encode(row.prompt + ended(row.completion));
  return { ids, promptLength: sharedLength(encode(row.prompt), ids) };
}

function tokenizeChat({ prompt, completion }: Chat, tokenizer: Encoder): Completed {
  const ids = tokenizer.encode(tokenizer.applyChatTemplate([...prompt, ...completion]));
  const beginning = prompt.length > 0 ? tokenizer.encode(tokenizer.applyChatTemplate([...prompt], { addGenerationPrompt: true })) : [];
  return { ids, promptLength: sharedLength(beginning, ids) };
}

/**
 * Which tokens of a chat are the assistant's: of each of its turns what the template adds behind the turn's head, end
 * token included, as the `generation` marks of TRL's training templates have it.
 */
function assistantTokens(messages: readonly Message[], ids: readonly number[], tokenizer: Encoder): boolean[] {
  const isAssistant = new Array<boolean>(ids.length).fill(false);
  messages.forEach(({ role }, i) => {
    if (role !== "assistant") return;
    if (i === 0) throw new TypeError("assistantOnlyLoss finds an assistant's turn by the turns before it; this chat begins with one.");
    const head = tokenizer.encode(tokenizer.applyChatTemplate(messages.slice(0, i), { addGenerationPrompt: true }));
    const turn = tokenizer.encode(tokenizer.applyChatTemplate(messages.slice(0, i + 1)));
    isAssistant.fill(true, sharedLength(head, ids), sharedLength(turn, ids));
  });
  if (!isAssistant.includes(true)) throw new TypeError("assistantOnlyLoss: the chat has no turn of the assistant.");
  return isAssistant;
}
