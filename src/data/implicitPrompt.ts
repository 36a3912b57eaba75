import { kindOf, messagesOf, type Message } from "./messages";

/** A preference pair with its prompt apart: text and turns in any mixture. */
export interface PromptedPair {
  prompt: string | readonly Message[];
  chosen: string | readonly Message[];
  rejected: string | readonly Message[];
}

/** A preference pair as two whole chats. */
export interface ImplicitPromptPair {
  chosen: Message[];
  rejected: Message[];
}

/**
 * The pair in the form that TRL calls implicit prompt: the prompt stands at the beginning of both chats. An answer that is
 * a whole chat already, with the prompt's last turn in it, stays as it is.
 * @throws TypeError for an empty prompt or answer, or a chat that begins with a turn of somebody else and lacks the prompt
 */
export function toImplicitPromptPreferences({ prompt, chosen, rejected }: PromptedPair): ImplicitPromptPair {
  const turns = turnsOf(prompt, "prompt", "user");
  return { chosen: withPrompt(turns, chosen, "chosen"), rejected: withPrompt(turns, rejected, "rejected") };
}

function withPrompt(prompt: readonly Message[], answer: string | readonly Message[], side: string): Message[] {
  const turns = turnsOf(answer, side, "assistant");
  if (turns[0]!.role === "assistant") return [...prompt, ...turns];
  if (turns.some(({ content }) => content === prompt.at(-1)!.content)) return turns;
  throw new TypeError(`${side} begins with a turn of ${turns[0]!.role} and does not hold the prompt. Give the answer alone, or the whole chat with the prompt in it.`);
}

function turnsOf(value: string | readonly Message[], name: string, role: string): Message[] {
  if (typeof value !== "string" && !Array.isArray(value)) throw new TypeError(`${name} is ${kindOf(value)}; a string or a list of messages is needed.`);
  const turns = typeof value === "string" ? [{ role, content: value }] : [...messagesOf(value, name)];
  if (turns.at(-1)!.content.trim() === "") throw new TypeError(`${name} is empty. Leave the row out.`);
  return turns;
}
