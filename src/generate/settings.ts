import { hasNarrowPrecision, resolvePrecision } from "../engine/precision";
import type { Precision } from "../engine/recorder";
import type { LlamaForCausalLM } from "../model/llama";
import { checkNumber, checkPrompts, checkToken } from "./checks";
import type { GenerateOptions } from "./options";
import { StopStrings } from "./stop";
import { DECODE_WEIGHTS, type DecodeWeights } from "./weights";

/** `GenerateOptions` with every default filled in. */
export interface Settings {
  /** Most new tokens of each prompt, and how many come before an end token may. */
  maxNewTokens: number[];
  minNewTokens: number[];
  processing: Processing;
  sampling: Sampling | null;
  /** null: no search. */
  beams: BeamSettings | null;
  numReturnSequences: number;
  returnLogps: boolean;
  seed: number;
  eosTokenIds: ReadonlySet<number>;
  stopStrings: StopStrings | null;
  padTokenId: number;
  precision: Precision | "auto";
  decodeWeights: DecodeWeights;
}

/** What is done to every row's logits before a token is chosen; null where nothing is. */
export interface Processing {
  repetitionPenalty: number | null;
  noRepeatNgramSize: number | null;
}

/** How a token is drawn; `topK`, `topP` and `minP` are null where they change nothing. */
export interface Sampling {
  temperature: number;
  topK: number | null;
  topP: number | null;
  minP: number | null;
  /** So many of the likeliest tokens are never cut. */
  minTokensToKeep: number;
}

export interface BeamSettings {
  numBeams: number;
  lengthPenalty: number;
  earlyStopping: boolean | "never";
}

const OPTIONS: Record<keyof GenerateOptions, true> = {
  maxNewTokens: true, maxLength: true, minNewTokens: true, minLength: true, doSample: true, temperature: true, topK: true, topP: true, minP: true, seed: true,
  repetitionPenalty: true, noRepeatNgramSize: true, numBeams: true, lengthPenalty: true, earlyStopping: true, numReturnSequences: true, returnLogps: true,
  stopStrings: true, tokenizer: true, eosTokenId: true, padTokenId: true, precision: true, decodeWeights: true, onToken: true, onStep: true, signal: true,
};

/**
 * Checks options and prompts against the model.
 * @throws RangeError or TypeError that names the option or the prompt, its value and what is allowed
 */
export function resolveOptions(model: LlamaForCausalLM, prompts: readonly (readonly number[])[], options: GenerateOptions): Settings {
  for (const name of Object.keys(options)) {
    if (!Object.hasOwn(OPTIONS, name)) throw new TypeError(`generate: there is no option ${name}. There are ${Object.keys(OPTIONS).join(", ")}.`);
  }
  const { doSample = false, seed = 0, precision = "float32", decodeWeights = "float32", numReturnSequences = 1, returnLogps = false } = options;
  if (!Number.isSafeInteger(seed) || seed < 0) throw new RangeError(`generate: seed is ${seed}; it must be a whole number from 0 to 2^53 − 1.`);
  if (!["float32", "bfloat16", "float16", "auto"].includes(precision)) throw new RangeError(`generate: precision is ${JSON.stringify(precision)}; it must be "float32", "bfloat16", "float16" or "auto".`);
  if (!DECODE_WEIGHTS.includes(decodeWeights)) throw new RangeError(`generate: decodeWeights is ${JSON.stringify(decodeWeights)}; it must be one of ${DECODE_WEIGHTS.map((kind) => JSON.stringify(kind)).join(", ")}.`);
  checkPrompts(model, prompts);
  const eosTokenIds = endTokens(model, options.eosTokenId);
  const padTokenId = options.padTokenId ?? model.config.padTokenId ?? [...eosTokenIds][0] ?? 0;
  checkToken(model, padTokenId, "padTokenId");
  const beams = resolveBeams(options);
  checkNumber("numReturnSequences", numReturnSequences, 1);
  if (typeof returnLogps !== "boolean") throw new TypeError(`generate: returnLogps is ${JSON.stringify(returnLogps)}; it must be true or false.`);
  if (beams && returnLogps) throw new RangeError("generate: returnLogps gives the log-probability of each token drawn; a search with numBeams above 1 scores whole answers, see sequencesScores.");
  if (beams && numReturnSequences > beams.numBeams) throw new RangeError(`generate: numReturnSequences is ${numReturnSequences}, numBeams ${beams.numBeams}: a search has no more answers than beams.`);
  if (!beams && !doSample && numReturnSequences > 1) throw new RangeError(`generate: numReturnSequences is ${numReturnSequences}, but greedy answers of one prompt are all the same. Set doSample: true or numBeams.`);
  return {
    ...resolveLengths(model, prompts, options), processing: resolveProcessing(options),
    sampling: doSample ? resolveSampling(model, options, beams ? eosTokenIds.size + 1 : 1) : refuseSampling(options), beams,
    numReturnSequences, returnLogps, seed, eosTokenIds, padTokenId, precision: precision === "auto" ? (hasNarrowPrecision() ? "auto" : "float32") : resolvePrecision(precision), decodeWeights, stopStrings: resolveStopStrings(options),
  };
}

function resolveLengths(model: LlamaForCausalLM, prompts: readonly (readonly number[])[], options: GenerateOptions): Pick<Settings, "maxNewTokens" | "minNewTokens"> {
  const { maxNewTokens, maxLength, minNewTokens, minLength = 0 } = options;
  if (maxNewTokens === undefined && maxLength === undefined) throw new RangeError("generate: maxNewTokens is missing. Say how many tokens an answer may have at most, for example maxNewTokens: 64.");
  if (maxNewTokens !== undefined) checkNumber("maxNewTokens", maxNewTokens, 1);
  if (maxLength !== undefined) checkNumber("maxLength", maxLength, 1);
  if (minNewTokens !== undefined) checkNumber("minNewTokens", minNewTokens, 0);
  checkNumber("minLength", minLength, 0);
  if (maxNewTokens !== undefined && minNewTokens !== undefined && minNewTokens > maxNewTokens) throw new RangeError(`generate: minNewTokens is ${minNewTokens}, more than maxNewTokens, ${maxNewTokens}.`);
  const most = prompts.map((prompt, index) => {
    const allowed = maxNewTokens ?? maxLength! - prompt.length;
    if (allowed < 1) throw new RangeError(`generate: maxLength is ${maxLength}, but prompt ${index} has ${prompt.length} tokens, which leaves none for the answer. Raise it, or give maxNewTokens.`);
    return Math.min(allowed, model.config.maxPositionEmbeddings - prompt.length);
  });
  return { maxNewTokens: most, minNewTokens: prompts.map((prompt) => minNewTokens ?? Math.max(0, minLength - prompt.length)) };
}

function resolveProcessing({ repetitionPenalty = 1, noRepeatNgramSize = 0 }: GenerateOptions): Processing {
  if (!(repetitionPenalty > 0) || !Number.isFinite(repetitionPenalty)) throw new RangeError(`generate: repetitionPenalty is ${repetitionPenalty}; it must be a number above 0, 1 for no penalty.`);
  checkNumber("noRepeatNgramSize", noRepeatNgramSize, 0);
  return { repetitionPenalty: repetitionPenalty === 1 ? null : repetitionPenalty, noRepeatNgramSize: noRepeatNgramSize === 0 ? null : noRepeatNgramSize };
}

function resolveSampling(model: LlamaForCausalLM, { temperature = 1, topK, topP, minP }: GenerateOptions, minTokensToKeep: number): Sampling {
  if (!(temperature > 0) || !Number.isFinite(temperature)) {
    throw new RangeError(`generate: temperature is ${temperature}; it must be a number above 0. For the likeliest token each time, leave doSample off.`);
  }
  if (topK !== undefined && (!Number.isInteger(topK) || topK < 0)) throw new RangeError(`generate: topK is ${topK}; it must be a whole number of 1 or more, or 0 for no limit.`);
  if (topP !== undefined && !(topP > 0 && topP <= 1)) throw new RangeError(`generate: topP is ${topP}; it must lie above 0 and at most at 1.`);
  if (minP !== undefined && !(minP >= 0 && minP <= 1)) throw new RangeError(`generate: minP is ${minP}; it must lie between 0 and 1.`);
  return {
    temperature, minTokensToKeep,
    topK: topK === undefined || topK === 0 || topK >= model.config.vocabSize ? null : Math.max(topK, minTokensToKeep),
    topP: topP === undefined || topP === 1 ? null : topP,
    minP: minP === undefined || minP === 0 ? null : minP,
  };
}

/** What only a draw looks at must not be given in vain. */
function refuseSampling(options: GenerateOptions): null {
  for (const name of ["temperature", "topK", "topP", "minP"] as const) {
    const neutral = name === "topK" || name === "minP" ? 0 : 1;
    if (options[name] !== undefined && options[name] !== neutral) throw new RangeError(`generate: ${name} is ${options[name]}, but nothing is drawn without doSample: true.`);
  }
  return null;
}

function resolveBeams(options: GenerateOptions): BeamSettings | null {
  const { numBeams = 1, lengthPenalty = 1, earlyStopping = false } = options;
  checkNumber("numBeams", numBeams, 1);
  if (!Number.isFinite(lengthPenalty)) throw new RangeError(`generate: lengthPenalty is ${lengthPenalty}; it must be a finite number.`);
  if (earlyStopping !== true && earlyStopping !== false && earlyStopping !== "never") throw new RangeError(`generate: earlyStopping is ${JSON.stringify(earlyStopping)}; it must be true, false or "never".`);
  if (numBeams > 1) {
    if (options.onToken) throw new TypeError("generate: onToken gives tokens that stay; with numBeams above 1 those are known only at the end. Use onStep, which gives the best hypotheses so far.");
    return { numBeams, lengthPenalty, earlyStopping };
  }
  for (const name of ["lengthPenalty", "earlyStopping"] as const) {
    if (options[name] !== undefined) throw new RangeError(`generate: ${name} is set, but it concerns only a search: set numBeams above 1.`);
  }
  return null;
}

function resolveStopStrings({ stopStrings, tokenizer }: GenerateOptions): StopStrings | null {
  if (stopStrings === undefined) return null;
  const list = typeof stopStrings === "string" ? [stopStrings] : [...stopStrings];
  if (list.some((text) => typeof text !== "string" || text === "")) throw new TypeError("generate: stopStrings must be a text or an array of texts, none of them empty.");
  if (!tokenizer) throw new TypeError("generate: stopStrings need the model's tokenizer to tell which text tokens stand for: pass tokenizer too.");
  return list.length === 0 ? null : new StopStrings(list, tokenizer);
}

function endTokens(model: LlamaForCausalLM, given: GenerateOptions["eosTokenId"]): Set<number> {
  // Some models end a turn with any of several tokens, which only config.json itself lists.
  const ids = given === undefined ? model.hfConfig.eos_token_id : given;
  const list = ids === null || ids === undefined ? [] : typeof ids === "number" ? [ids] : [...ids];
  for (const id of list) checkToken(model, id, "eosTokenId");
  return new Set(list);
}
