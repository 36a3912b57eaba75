/** One turn of a chat. */
export interface Message {
  role: "system" | "user" | "assistant" | (string & {});
  content: string;
}

/**
 * A chat as plain text, one line begun for each turn: `User: …\nAssistant: …`.
 * @throws TypeError for what is no list of messages
 */
export function mergeMessages(messages: readonly Message[]): string {
  return messagesOf(messages, "messages").map(({ role, content }) => `${role.charAt(0).toUpperCase()}${role.slice(1)}: ${content}`).join("\n");
}

/** Plain text of what a data set's column may hold: a string is that text, a list of messages is merged, anything else is written out, objects as JSON. */
export function processItem(item: unknown): string {
  if (typeof item === "string") return item;
  if (Array.isArray(item)) return mergeMessages(item as Message[]);
  return typeof item === "object" && item !== null ? JSON.stringify(item) : String(item);
}

/** The value as a chat of at least one turn. @param name what it is called in the error @throws TypeError */
export function messagesOf(value: unknown, name: string): Message[] {
  if (!Array.isArray(value)) throw new TypeError(`${name} is ${kindOf(value)}; a list of messages { role, content } is needed.`);
  if (value.length === 0) throw new TypeError(`${name} is empty; a list of messages { role, content } is needed.`);
  value.forEach((message: unknown, index) => {
    const { role, content } = (message ?? {}) as Record<string, unknown>;
    if (typeof role !== "string" || role === "" || typeof content !== "string") throw new TypeError(`${name}: message ${index} needs a role and a content, both strings; it is ${JSON.stringify(message)}.`);
  });
  return value as Message[];
}

/** What a value is, in words of an error. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return Array.isArray(value) ? "an array" : typeof value === "object" ? "an object" : `a ${typeof value}`;
}
