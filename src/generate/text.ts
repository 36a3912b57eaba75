import type { LlamaForCausalLM } from "../model/llama";
import type { Message, Tokenizer } from "../tokens/tokenizer";
import { generate } from "./generate";
import type { GenerateOptions } from "./options";
import { TextStream } from "./stream";

export interface GenerateTextOptions extends GenerateOptions {
  /** Called with each new piece of an answer, as soon as its characters are whole. */
  onText?: (piece: string, prompt: number) => void;
}

/**
 * A chat model's answers: each prompt is rendered by the tokenizer's chat template, with the head of the answer at its end.
 * @param prompts what the user says, or whole chats that end with the user's turn
 * @returns one answer for each prompt, without special tokens
 * @throws Error for a tokenizer without a chat template; see also `generate`
 */
export async function generateText(model: LlamaForCausalLM, tokenizer: Tokenizer, prompts: readonly (string | Message[])[], options: GenerateTextOptions): Promise<string[]> {
  if (!Array.isArray(prompts)) throw new TypeError("generateText: the prompts must be an array of strings or of chats; wrap a single one in [ ].");
  const ids = prompts.map((prompt, index) => {
    if (prompt.length === 0) throw new RangeError(`generateText: prompt ${index} is empty.`);
    const messages = typeof prompt === "string" ? [{ role: "user", content: prompt }] : prompt;
    return tokenizer.encode(tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true }));
  });
  const { onText, ...rest } = options;
  const streams = onText ? prompts.map(() => new TextStream(tokenizer)) : null;
  const { sequences } = await generate(model, ids, {
    ...rest,
    eosTokenId: options.eosTokenId === undefined ? endTokens(model, tokenizer) : options.eosTokenId,
    onToken: (token, sequence, position) => {
      options.onToken?.(token, sequence, position);
      const piece = streams?.[sequence]!.push(token);
      if (piece) onText!(piece, sequence);
    },
  });
  streams?.forEach((stream, index) => {
    const rest = stream.end();
    if (rest) onText!(rest, index);
  });
  return tokenizer.batchDecode(sequences, { skipSpecialTokens: true });
}

/** What the model and its tokenizer end a turn with: the two files need not name the same. */
function endTokens(model: LlamaForCausalLM, tokenizer: Tokenizer): number[] {
  const own = model.hfConfig.eos_token_id ?? [];
  return [...new Set([...(Array.isArray(own) ? own : [own]), ...(tokenizer.eosTokenId === null ? [] : [tokenizer.eosTokenId])])];
}
