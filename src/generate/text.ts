import type { LlamaForCausalLM } from "../model/llama";
import { saidBy } from "../tokens/prompts";
import type { Message, Tokenizer } from "../tokens/tokenizer";
import { answerDisplay } from "./display";
import { generate } from "./generate";
import type { GenerateOptions } from "./options";
import { TextStream } from "./stream";

export interface GenerateTextOptions extends Omit<GenerateOptions, "tokenizer"> {
  /** Called with each new piece of an answer, as soon as its characters are whole. Not with beams. */
  onText?: (piece: string, answer: number) => void;
  /** Show the answers growing in the cell's output, with the time left; with beams, the best hypotheses so far. Default false. */
  stream?: boolean;
}

/**
 * A chat model's answers: each prompt is rendered by the tokenizer's chat template, with the head of the answer at its end.
 * @param prompts what the user says, or whole chats that end with the user's turn
 * @returns one answer for each prompt, `numReturnSequences` of each one after the other, without special tokens
 * @throws Error for a tokenizer without a chat template; see also `generate`
 */
export async function generateText(model: LlamaForCausalLM, tokenizer: Tokenizer, prompts: readonly (string | Message[])[], options: GenerateTextOptions): Promise<string[]> {
  if (!Array.isArray(prompts)) throw new TypeError("generateText: the prompts must be an array of strings or of chats; wrap a single one in [ ].");
  const ids = prompts.map((prompt, index) => {
    if (prompt.length === 0) throw new RangeError(`generateText: prompt ${index} is empty.`);
    const messages = typeof prompt === "string" ? [{ role: "user", content: prompt }] : prompt;
    return tokenizer.encode(tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true }));
  });
  const { onText, stream, ...rest } = options;
  const decode = (tokens: readonly number[]): string => tokenizer.decode(tokens, { skipSpecialTokens: true });
  const each = options.numReturnSequences ?? 1;
  const shown = stream ? answerDisplay(prompts.flatMap((prompt) => new Array<string>(each).fill(saidBy(prompt))), decode) : null;
  const pieces = onText ? new Pieces(tokenizer, onText) : null;
  const { sequences } = await generate(model, ids, {
    ...rest, tokenizer,
    eosTokenId: options.eosTokenId === undefined ? endTokens(model, tokenizer) : options.eosTokenId,
    ...(onText || options.onToken ? {
      onToken: (token: number, sequence: number, position: number) => {
        options.onToken?.(token, sequence, position);
        pieces?.push(token, sequence);
      },
    } : {}),
    onStep: (step) => {
      options.onStep?.(step);
      shown?.update(step);
    },
  });
  pieces?.end();
  const answers = sequences.map(decode);
  shown?.end(answers);
  return answers;
}

/** Answers in pieces, each sequence's from a stream of its own. */
class Pieces {
  private readonly streams = new Map<number, TextStream>();

  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly onText: (piece: string, answer: number) => void,
  ) {}

  push(token: number, sequence: number): void {
    let stream = this.streams.get(sequence);
    if (!stream) this.streams.set(sequence, (stream = new TextStream(this.tokenizer)));
    const piece = stream.push(token);
    if (piece) this.onText(piece, sequence);
  }

  end(): void {
    for (const [sequence, stream] of [...this.streams].sort(([a], [b]) => a - b)) {
      const rest = stream.end();
      if (rest) this.onText(rest, sequence);
    }
  }
}

/** What the model and its tokenizer end a turn with: the two files need not name the same. */
export function endTokens(model: LlamaForCausalLM, tokenizer: Tokenizer): number[] {
  const own = model.hfConfig.eos_token_id ?? [];
  return [...new Set([...(Array.isArray(own) ? own : [own]), ...(tokenizer.eosTokenId === null ? [] : [tokenizer.eosTokenId])])];
}
