import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { BUCKETED } from "../engine/buckets";
import { jit, type JitFunction } from "../engine/jit";
import { processScores, type History } from "./processors";
import { FIRST_CANDIDATES, NOT_COVERED, kindOf, likeliest, nextToken, tokenLogProbs, type SamplingNumbers } from "./sampling";
import type { Processing, Sampling } from "./settings";

/** What is known of the rows of a `History` beside its tokens. */
export interface HistoryFacts {
  last: number;
  padding: Int32Array;
  tooShort: Float32Array;
}

/** `History` as the host holds it. */
export interface HostHistory extends HistoryFacts {
  /** [rows · places] */
  tokens: Int32Array;
}

/** How tokens are chosen: what a compiled function depends on, and its numbers. */
export interface Choice {
  /** null: the likeliest. */
  sampling: Sampling | null;
  processing: Processing;
  /** Tokens that rows that are too short must not get; empty where no row is. */
  eosTokenIds: readonly number[];
  /** Whether the log-probabilities of the tokens chosen are read too. */
  withLogps: boolean;
}

/** What was chosen for each row. */
export interface Chosen {
  tokens: Int32Array;
  /** Their log-probabilities, see `tokenLogProbs`; null where nobody asked. */
  logps: Float32Array | null;
}

type Compiled = JitFunction<Tensor[], Tensor[]>;

export const HISTORY_LENGTH = 4;

/** A history in the order in which compiled functions take it. */
export const historyTensors = (tokens: Tensor2D, { last, padding, tooShort }: HistoryFacts): Tensor[] => [tokens, tf.scalar(last, "int32"), tf.tensor1d(padding, "int32"), tf.tensor1d(tooShort)];

/** @param tokens [rows · places] @returns int32 [rows, places] */
export const tokenTable = (tokens: Int32Array, rows: number): Tensor2D => tf.tensor2d(tokens, [rows, tokens.length / rows], "int32");

export const historyOf = (tensors: readonly Tensor[]): History => {
  const [tokens, last, padding, tooShort] = tensors as [Tensor2D, Scalar, Tensor1D, Tensor1D];
  return { tokens, last, padding, tooShort };
};

export const numberTensors = (sampling: Sampling | null): Tensor[] => [tf.scalar(sampling?.temperature ?? 1), tf.scalar(sampling?.topP ?? 1), tf.scalar(Math.log(sampling?.minP ?? 1))];

export const numbersOf = (tensors: readonly Tensor[]): SamplingNumbers => {
  const [temperature, topP, logMinP] = tensors as [Scalar, Scalar, Scalar];
  return { temperature, topP, logMinP };
};

/** Chooses the next token of every row on the device; only the ids are read, and their log-probabilities where asked for. Its compiled functions are kept. */
export class TokenChooser {
  private readonly compiled = new Map<string, Compiled>();

  constructor(private readonly vocabSize: number) {}

  /**
   * @param logits [rows, vocabulary] @param history null: nothing that was said before matters
   * @param seeds two for each row
   */
  async choose(logits: Tensor2D, choice: Choice, history: HostHistory | null, seeds: Int32Array): Promise<Chosen> {
    const chosen = await this.chooseAmong(FIRST_CANDIDATES, logits, choice, history, seeds);
    return chosen.tokens.includes(NOT_COVERED) ? this.chooseAmong(Infinity, logits, choice, history, seeds) : chosen;
  }

  private async chooseAmong(most: number, logits: Tensor2D, choice: Choice, history: HostHistory | null, seeds: Int32Array): Promise<Chosen> {
    const compiled = this.compiledFor(choice, history !== null, Math.min(most, this.vocabSize));
    const results = tf.tidy(() => {
      const drawn = choice.sampling ? [tf.tensor2d(seeds, [logits.shape[0], 2], "int32"), ...numberTensors(choice.sampling)] : [];
      return compiled(logits, ...(history ? historyTensors(tokenTable(history.tokens, logits.shape[0]), history) : []), ...drawn);
    });
    try {
      const [tokens, logps = null] = await Promise.all(results.map((result) => result.data()));
      return { tokens: tokens as Int32Array, logps: logps as Float32Array | null };
    } finally {
      tf.dispose(results);
    }
  }

  private compiledFor({ sampling, processing, eosTokenIds, withLogps }: Choice, withHistory: boolean, candidates: number): Compiled {
    const kind = sampling && kindOf(sampling);
    const key = JSON.stringify([kind, withHistory && [processing, eosTokenIds], kind?.topP ? candidates : 0, withLogps]);
    let compiled = this.compiled.get(key);
    if (!compiled) {
      compiled = jit((logits: Tensor, ...rest: Tensor[]) => {
        const scores = withHistory ? processScores(logits as Tensor2D, historyOf(rest), processing, eosTokenIds) : (logits as Tensor2D);
        const [seeds, ...given] = rest.slice(withHistory ? HISTORY_LENGTH : 0);
        const numbers = kind && numbersOf(given);
        const tokens = kind ? nextToken(scores, seeds as Tensor2D, kind, numbers!, candidates) : likeliest(scores);
        return withLogps ? [tokens, tokenLogProbs(logits as Tensor2D, tokens, numbers && numbers.temperature)] : [tokens];
      }, { name: "next_token", expectedTraces: BUCKETED });
      this.compiled.set(key, compiled);
    }
    return compiled;
  }

  dispose(): void {
    for (const compiled of this.compiled.values()) compiled.dispose();
    this.compiled.clear();
  }
}
