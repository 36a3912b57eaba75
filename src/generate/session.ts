import type { Scalar, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { BUCKETED } from "../engine/buckets";
import { jit, type JitFunction } from "../engine/jit";
import type { LlamaForCausalLM } from "../model/llama";
import { KeyValueCache } from "./cache";
import type { CacheShape } from "./decoder";
import type { Sampling } from "./options";
import { FIRST_CANDIDATES, NOT_COVERED, likeliest, nextToken } from "./sampling";

/** Sizes of cache whose compiled functions are kept; the one used longest ago goes first. */
const MOST_CACHES = 16;

type Chooser = JitFunction<[Tensor2D, Tensor2D, Scalar, Scalar], Tensor1D>;

const sessions = new WeakMap<LlamaForCausalLM, GenerationSession>();

/** What generation keeps for a model between calls: compiled functions and, while it runs, key-value caches. */
export class GenerationSession {
  private readonly caches = new Map<string, KeyValueCache>();
  private readonly choosers = new Map<string, Chooser>();
  private last: Promise<unknown> = Promise.resolve();

  private constructor(private readonly model: LlamaForCausalLM) {}

  static of(model: LlamaForCausalLM): GenerationSession {
    let session = sessions.get(model);
    if (!session) sessions.set(model, (session = new GenerationSession(model)));
    return session;
  }

  /** Runs `work` after all that was handed in before: two calls must not share a cache. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }

  cache(shape: CacheShape): KeyValueCache {
    const key = `${shape.batch}x${shape.capacity}`;
    const cache = this.caches.get(key) ?? new KeyValueCache(this.model, shape);
    this.caches.delete(key);
    this.caches.set(key, cache);
    return cache;
  }

  /** Whether a step of this size runs without being compiled first. */
  isCompiled({ batch, capacity }: CacheShape): boolean {
    return (this.caches.get(`${batch}x${capacity}`)?.step.traces.length ?? 0) > 0;
  }

  /**
   * The next token of each row, chosen on the device; only the ids are read.
   * @param logits [batch, vocabulary] @param sampling null: the likeliest @param seeds two for each row
   */
  async choose(logits: Tensor2D, sampling: Sampling | null, seeds: Int32Array): Promise<Int32Array> {
    const tokens = await this.chooseFrom(logits, sampling, seeds, FIRST_CANDIDATES);
    return tokens.includes(NOT_COVERED) ? this.chooseFrom(logits, sampling, seeds, Infinity) : tokens;
  }

  private async chooseFrom(logits: Tensor2D, sampling: Sampling | null, seeds: Int32Array, most: number): Promise<Int32Array> {
    const candidates = Math.min(most, this.model.config.vocabSize);
    const chooser = this.chooser(sampling, candidates);
    const tokens = tf.tidy(() => {
      const rows = tf.tensor2d(seeds, [logits.shape[0], 2], "int32");
      return chooser(logits, rows, tf.scalar(sampling?.temperature ?? 1), tf.scalar(sampling?.topP ?? 1));
    });
    try {
      return (await tokens.data()) as Int32Array;
    } finally {
      tokens.dispose();
    }
  }

  private chooser(sampling: Sampling | null, candidates: number): Chooser {
    const cut = sampling?.topP == null ? "" : ` topP of ${candidates}`;
    const key = sampling ? `topK ${sampling.topK}${cut}` : "greedy";
    let chooser = this.choosers.get(key);
    if (!chooser) {
      chooser = jit(
        (logits, seeds, temperature, topP) => (sampling ? nextToken(logits, seeds, temperature, sampling.topK, sampling.topP === null ? null : topP, candidates) : likeliest(logits)),
        { name: "next_token", expectedTraces: BUCKETED },
      );
      this.choosers.set(key, chooser);
    }
    return chooser;
  }

  /** Frees keys and values, and the caches used longest ago beyond what is kept. */
  release(): void {
    const spare = [...this.caches.keys()].slice(0, Math.max(0, this.caches.size - MOST_CACHES));
    for (const key of spare) {
      const cache = this.caches.get(key)!;
      this.caches.delete(key);
      for (const other of this.caches.values()) other.forget(cache);
      cache.dispose();
    }
    for (const cache of this.caches.values()) cache.release();
  }

  /** Frees everything. */
  dispose(): void {
    for (const cache of this.caches.values()) cache.dispose();
    for (const chooser of this.choosers.values()) chooser.dispose();
    this.caches.clear();
    this.choosers.clear();
    sessions.delete(this.model);
  }
}

/** Frees what `generate` keeps for a model between calls, once running calls have ended. Call it before `model.dispose()`. */
export async function disposeGeneration(model: LlamaForCausalLM): Promise<void> {
  const session = sessions.get(model);
  await session?.exclusive(async () => session.dispose());
}
