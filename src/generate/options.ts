import type { Precision } from "../engine/recorder";
import type { Tokenizer } from "../tokens/tokenizer";
import type { DecodeWeights } from "./weights";

/** Names and meanings are those of transformers' `generate`, in camelCase. */
export interface GenerateOptions {
  /** Most new tokens for one prompt. A sequence also ends where the model's positions end. Give it, or `maxLength`. */
  maxNewTokens?: number;
  /** Most tokens of prompt and answer together; `maxNewTokens` takes precedence. A prompt's padding is not counted. */
  maxLength?: number;
  /** End tokens are not chosen before so many new tokens. Default 0. */
  minNewTokens?: number;
  /** End tokens are not chosen before prompt and answer have so many tokens; `minNewTokens` takes precedence. Default 0. */
  minLength?: number;

  /** Draw the next token instead of taking the likeliest. Default false: greedy. */
  doSample?: boolean;
  /** Logits are divided by it before the draw. Default 1. */
  temperature?: number;
  /** Draw among the k likeliest tokens only. Default: all (transformers' own default is 50). */
  topK?: number;
  /** Draw among the likeliest tokens whose probabilities first reach this sum, in (0, 1]. Default 1: all. */
  topP?: number;
  /** Draw among tokens at least this many times as likely as the likeliest, in [0, 1] (Nguyen et al. 2024). Default 0: all. */
  minP?: number;
  /** The same seed gives the same tokens. Sequence i draws from a stream of its own, whatever else is in the batch. Default 0. */
  seed?: number;

  /**
   * Logits of tokens in the prompt or the answer so far are divided by it where positive, multiplied where negative
   * (Keskar et al. 2019, eq. 1). Above 1: less repetition. Default 1.
   */
  repetitionPenalty?: number;
  /** No n tokens in a row come twice in prompt and answer together. Default 0: they may. */
  noRepeatNgramSize?: number;

  /**
   * Continuations kept side by side for each prompt; the likeliest as a whole is returned. Default 1: no search. With
   * `doSample` the continuations of each step are drawn without replacement, by their accumulated probabilities.
   */
  numBeams?: number;
  /** A finished hypothesis counts with log-probability ÷ length^lengthPenalty: above 0 favours long ones. Default 1. */
  lengthPenalty?: number;
  /**
   * When a search ends: `true`, as soon as `numBeams` hypotheses have ended; `false` (default), once the best running one
   * would not beat them at its present length; `"never"`, once it could not at any length.
   */
  earlyStopping?: boolean | "never";
  /** Answers for each prompt; they stand side by side in the result. Default 1. */
  numReturnSequences?: number;
  /** Whether the log-probability of every new token is returned too, see `Generated.logps`. Not with beams. Default false. */
  returnLogps?: boolean;

  /** Texts that end a sequence as soon as a token completes one; that token is part of it. Needs `tokenizer`. */
  stopStrings?: string | readonly string[];
  /** Tells which text the tokens stand for, for `stopStrings`. */
  tokenizer?: Tokenizer;
  /** Tokens that end a sequence; null: none. Default: the model's own. */
  eosTokenId?: number | readonly number[] | null;
  /** Fills prompts on the left and finished sequences; never seen by attention. Default: the model's, else the end token. */
  padTokenId?: number;

  /**
   * How prompts' matrix products are computed. `bfloat16` and `float16` round their operands; `auto` does where that is faster on this
   * machine for so many rows, see `measurePrecision`. Single tokens: see `decodeWeights`. Default float32.
   */
  precision?: Precision | "auto";
  /** How weights are held while single tokens are computed, see `DecodeWeights`. Default float32. */
  decodeWeights?: DecodeWeights;

  /** Called for each new token as soon as it is known: id, index of its sequence in the result, index of the token. Not with beams. */
  onToken?: (token: number, sequence: number, position: number) => void;
  /** Called after each step with the sequences so far; with beams, the best hypotheses so far. */
  onStep?: (step: GenerationStep) => void;
  /** Ends generation between two tokens, keeping what there is. Default: Stop of the running cell. */
  signal?: AbortSignal;
}

/** Where generation stands after a step. */
export interface GenerationStep {
  /** Steps done, and the most that may be needed. */
  done: number;
  total: number;
  /** New tokens of each sequence of the result. Not to be changed. */
  sequences(): readonly (readonly number[])[];
}
