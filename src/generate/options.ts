import { resolvePrecision } from "../engine/precision";
import type { Precision } from "../engine/recorder";
import type { LlamaForCausalLM } from "../model/llama";

export interface GenerateOptions {
  /** Most tokens to generate for one prompt. A sequence also ends where the model's positions end. */
  maxNewTokens: number;
  /** Draw the next token instead of taking the likeliest. Default false: greedy. */
  doSample?: boolean;
  /** Logits are divided by it before the draw. Default 1. */
  temperature?: number;
  /** Draw among the k likeliest tokens only. Default: all (transformers' own default is 50). */
  topK?: number;
  /** Draw among the likeliest tokens whose probabilities first reach this sum, in (0, 1]. Default 1: all. */
  topP?: number;
  /** The same seed gives the same tokens. Sequence i draws from a stream of its own, whatever else is in the batch. Default 0. */
  seed?: number;
  /** Tokens that end a sequence; null: none. Default: the model's own. */
  eosTokenId?: number | readonly number[] | null;
  /** Fills prompts on the left and finished sequences; never seen by attention. Default: the model's, else the end token. */
  padTokenId?: number;
  /** `bfloat16` and `float16` compute the prompts' matrix products so; single tokens are computed in float32 always, which is faster there. */
  precision?: Precision;
  /** Called for each new token as soon as it is known: id, index of its prompt, index of the token. */
  onToken?: (token: number, sequence: number, position: number) => void;
  /** Ends generation between two tokens, keeping what there is. Default: Stop of the running cell. */
  signal?: AbortSignal;
}

/** `GenerateOptions` with every default filled in. */
export interface Settings {
  maxNewTokens: number;
  sampling: Sampling | null;
  seed: number;
  eosTokenIds: ReadonlySet<number>;
  padTokenId: number;
  precision: Precision;
}

/** How a token is drawn; `topK` and `topP` are null where they change nothing. */
export interface Sampling {
  temperature: number;
  topK: number | null;
  topP: number | null;
}

/**
 * Checks options and prompts against the model.
 * @throws RangeError or TypeError that names the option or the prompt, its value and what is allowed
 */
export function resolveOptions(model: LlamaForCausalLM, prompts: readonly (readonly number[])[], options: GenerateOptions): Settings {
  const { maxNewTokens, doSample = false, seed = 0, precision = "float32" } = options;
  if (!Number.isInteger(maxNewTokens) || maxNewTokens <= 0) throw new RangeError(`generate: maxNewTokens is ${maxNewTokens}; it must be a whole number of 1 or more.`);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`generate: seed is ${seed}; it must be a whole number from 0 to 2^53 − 1.`);
  if (!["float32", "bfloat16", "float16"].includes(precision)) throw new RangeError(`generate: precision is ${JSON.stringify(precision)}; it must be "float32", "bfloat16" or "float16".`);
  checkPrompts(model, prompts);
  const eosTokenIds = endTokens(model, options.eosTokenId);
  const padTokenId = options.padTokenId ?? model.config.padTokenId ?? [...eosTokenIds][0] ?? 0;
  checkToken(model, padTokenId, "padTokenId");
  return { maxNewTokens, sampling: doSample ? resolveSampling(model, options) : null, seed, eosTokenIds, padTokenId, precision: resolvePrecision(precision) };
}

function resolveSampling(model: LlamaForCausalLM, { temperature = 1, topK, topP }: GenerateOptions): Sampling {
  if (!(temperature > 0) || !Number.isFinite(temperature)) {
    throw new RangeError(`generate: temperature is ${temperature}; it must be a number above 0. For the likeliest token each time, leave doSample off.`);
  }
  if (topK !== undefined && (!Number.isInteger(topK) || topK < 0)) throw new RangeError(`generate: topK is ${topK}; it must be a whole number of 1 or more, or 0 for no limit.`);
  if (topP !== undefined && !(topP > 0 && topP <= 1)) throw new RangeError(`generate: topP is ${topP}; it must lie above 0 and at most at 1.`);
  return {
    temperature,
    topK: topK === undefined || topK === 0 || topK >= model.config.vocabSize ? null : topK,
    topP: topP === undefined || topP === 1 ? null : topP,
  };
}

function endTokens(model: LlamaForCausalLM, given: GenerateOptions["eosTokenId"]): Set<number> {
  // Some models end a turn with any of several tokens, which only config.json itself lists.
  const ids = given === undefined ? model.hfConfig.eos_token_id : given;
  const list = ids === null || ids === undefined ? [] : typeof ids === "number" ? [ids] : [...ids];
  for (const id of list) checkToken(model, id, "eosTokenId");
  return new Set(list);
}

function checkToken(model: LlamaForCausalLM, id: number, what: string): void {
  const { vocabSize } = model.config;
  if (!Number.isInteger(id) || id < 0 || id >= vocabSize) throw new RangeError(`generate: ${what} is ${id}; the model's token ids go from 0 to ${vocabSize - 1}.`);
}

function checkPrompts(model: LlamaForCausalLM, prompts: readonly (readonly number[])[]): void {
  if (!Array.isArray(prompts) || prompts.some((prompt) => !Array.isArray(prompt))) {
    throw new TypeError("generate: the prompts must be an array of arrays of token ids, one for each prompt; wrap a single prompt in [ ].");
  }
  const { maxPositionEmbeddings } = model.config;
  prompts.forEach((prompt, index) => {
    if (prompt.length === 0) throw new RangeError(`generate: prompt ${index} is empty. Give at least one token, for example the model's bos token.`);
    if (prompt.length >= maxPositionEmbeddings) {
      throw new RangeError(`generate: prompt ${index} has ${prompt.length} tokens; the model has ${maxPositionEmbeddings} positions, one of which the first new token needs. Shorten the prompt.`);
    }
    for (const id of prompt) checkToken(model, id, `a token of prompt ${index}`);
  });
}
