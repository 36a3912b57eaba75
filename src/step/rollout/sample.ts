import { generate } from "../../generate/generate";
import { endTokens } from "../../generate/text";
import type { DecodeWeights } from "../../generate/weights";
import type { LlamaForCausalLM } from "../../model/llama";
import type { TokenizedPrompt } from "../../tokens/prompts";
import type { Tokenizer } from "../../tokens/tokenizer";
import type { AnsweredPrompt } from "./rewards";

/** An answer drawn from the policy. */
export interface Rollout extends AnsweredPrompt {
  promptIds: readonly number[];
  /** Whether it ends with an end token; false where it was cut off. */
  ended: boolean;
  /** log softmax(logits / temperature) of each token as it was drawn, in nats. */
  samplingLogps: readonly number[];
}

export interface SamplingSettings {
  /** Answers to each prompt, which stand next to each other. */
  numGenerations: number;
  maxNewTokens: number;
  temperature: number;
  /** null for no limit. */
  topK: number | null;
  topP: number;
  decodeWeights: DecodeWeights;
}

/** Room for so many draws of one run; the last is the evaluation's. */
const STREAMS = 2 ** 21;
export const EVALUATION_STREAM = STREAMS - 1;

/** A seed for `generate` that depends on the run's and on which draw of the run it is. */
export const streamSeed = (seed: number, stream: number): number => (seed % 2 ** 31) * STREAMS + (stream % STREAMS);

/**
 * Draws answers to prompts, `numGenerations` to each, one after the other.
 * @param seed of the draws; null takes the likeliest tokens, one answer to each prompt
 * @returns null where Stop ended it before its end
 */
export async function sampleRollouts(model: LlamaForCausalLM, tokenizer: Tokenizer, prompts: readonly TokenizedPrompt[], settings: SamplingSettings, seed: number | null): Promise<Rollout[] | null> {
  const { numGenerations, maxNewTokens, temperature, topK, topP, decodeWeights } = settings;
  const drawn = { doSample: true, temperature, topK: topK ?? 0, topP, numReturnSequences: numGenerations };
  const { sequences, finishedBy, logps } = await generate(model, prompts.map(({ prompt_input_ids }) => prompt_input_ids), {
    maxNewTokens, decodeWeights, eosTokenId: endTokens(model, tokenizer), returnLogps: true, ...(seed === null ? {} : { ...drawn, seed }),
    ...(tokenizer.padTokenId === null ? {} : { padTokenId: tokenizer.padTokenId }),
  });
  if (finishedBy.includes("stopped")) return null;
  const each = seed === null ? 1 : numGenerations;
  return sequences.map((ids, i) => {
    const { prompt, prompt_input_ids: promptIds } = prompts[Math.floor(i / each)]!;
    return { prompt, promptIds, ids, text: tokenizer.decode(ids, { skipSpecialTokens: true }), ended: finishedBy[i] === "eos", samplingLogps: logps![i]! };
  });
}
