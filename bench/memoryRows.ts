import type { PreferenceRow } from "../src/data/preference";
import { tokenizeRows } from "../src/tokens/preference";
import type { Tokenizer } from "../src/tokens/tokenizer";
import { misuse } from "./failure";

/** What an answer is filled up with: a word that is one token, or a letter for a tokenizer that spells. */
const FILLERS = [" and", "s"];

/**
 * Pairs in which prompt and answer take exactly so many tokens each: every answer is made of the answers of the rows
 * given, one after the other, and filled up with a word.
 */
export function rowsOfLength(rows: readonly PreferenceRow[], tokenizer: Tokenizer, count: number, tokens: number): PreferenceRow[] {
  return Array.from({ length: count }, (_, i) => {
    const { prompt } = rows[i % rows.length]!;
    const answer = (side: "chosen" | "rejected"): string => fill(prompt, side, [...rows.slice(i), ...rows.slice(0, i)].map((row) => row[side]), tokenizer, tokens);
    return { prompt, chosen: answer("chosen"), rejected: answer("rejected") };
  });
}

function fill(prompt: string, side: "chosen" | "rejected", texts: readonly string[], tokenizer: Tokenizer, tokens: number): string {
  const measure = (answer: string): number => {
    const [row] = tokenizeRows([{ prompt, chosen: answer, rejected: answer }], tokenizer, { maxPromptLength: null });
    return row!.prompt_input_ids.length + row![`${side}_input_ids`].length;
  };
  let text = "Yes";
  let left = tokens - measure(text);
  for (const word of texts.join(" ").split(/\s+/).filter((word) => /^[\x21-\x7e]+$/.test(word))) {
    left -= tokenizer.encode(` ${word}`).length;
    if (left < 0) break;
    text += ` ${word}`;
  }
  while (measure(text) < tokens) text += FILLERS.find((filler) => measure(text + filler) <= tokens) ?? FILLERS[0];
  const reached = measure(text);
  if (reached !== tokens) throw misuse(`--tokens ${tokens}: prompt and answer take ${reached}. Give more tokens.`);
  return text;
}
