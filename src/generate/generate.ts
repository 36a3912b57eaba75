import type { Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { stopSignal } from "../engine/host";
import { LeakSentinel } from "../engine/sentinel";
import type { LlamaForCausalLM } from "../model/llama";
import { batchBucket, capacityBucket, promptBucket } from "./buckets";
import type { KeyValueCache } from "./cache";
import { resolveOptions, type GenerateOptions, type Settings } from "./options";
import { GenerationSession } from "./session";

/** Why a sequence ended: an end token, its length, or Stop. */
export type FinishReason = "eos" | "length" | "stopped";

export interface Generated {
  /** New tokens only, for each prompt; the end token is included, as in transformers' output. */
  sequences: number[][];
  finishedBy: FinishReason[];
}

/** Steps that must lie ahead for a smaller batch or a later growth to be worth compiling. */
const WORTH_COMPILING = 128;

/**
 * Continues prompts, all of them at once, with a key-value cache. The event loop goes on meanwhile, and Stop keeps what
 * was generated. Calls on the same model wait for one another.
 * @param prompts token ids, lengths may differ
 * @throws RangeError or TypeError for an option or a prompt that cannot be used
 */
export async function generate(model: LlamaForCausalLM, prompts: readonly (readonly number[])[], options: GenerateOptions): Promise<Generated> {
  if (model.finalNorm.isDisposed) throw new Error("generate: the model was disposed; load it again.");
  const settings = resolveOptions(model, prompts, options);
  if (prompts.length === 0) return { sequences: [], finishedBy: [] };
  const signal = options.signal ?? stopSignal();
  const session = GenerationSession.of(model);
  return session.exclusive(async () => {
    const run = new Run(model, session, prompts, settings, options.onToken);
    try {
      return await run.finish(signal);
    } finally {
      run.dispose();
      session.release();
    }
  });
}

/** One call of `generate`. */
class Run {
  private readonly sequences: number[][];
  private readonly finishedBy: (FinishReason | null)[];
  private readonly limits: number[];
  /** Places of a padded prompt. */
  private readonly length: number;
  /** The sequence in each row of the batch; rows beyond the sequences repeat the last and are not looked at. */
  private rows: number[];
  private cache!: KeyValueCache;
  private logits: Tensor2D | null = null;

  constructor(
    model: LlamaForCausalLM,
    private readonly session: GenerationSession,
    private readonly prompts: readonly (readonly number[])[],
    private readonly settings: Settings,
    private readonly onToken: GenerateOptions["onToken"],
  ) {
    const { maxPositionEmbeddings } = model.config;
    this.sequences = prompts.map(() => []);
    this.finishedBy = prompts.map(() => null);
    this.limits = prompts.map((prompt) => Math.min(settings.maxNewTokens, maxPositionEmbeddings - prompt.length));
    this.length = promptBucket(Math.max(...prompts.map((prompt) => prompt.length)));
    this.rows = fillRows([...prompts.keys()]);
  }

  async finish(signal: AbortSignal): Promise<Generated> {
    const sentinel = LeakSentinel.begin("Generation");
    try {
      for (let position = 0; !signal.aborted; position++) {
        this.compute(position);
        const tokens = await this.session.choose(this.logits!, this.settings.sampling, this.seeds(position));
        sentinel?.check(`the token at place ${position}`, { held: [this.logits!], newVariables: true });
        this.take(tokens, position);
        if (this.finishedBy.every((reason) => reason !== null)) break;
      }
    } finally {
      sentinel?.end();
    }
    return { sequences: this.sequences, finishedBy: this.finishedBy.map((reason) => reason ?? "stopped") };
  }

  /** Starts the computation of the logits from which the token at `position` is chosen. */
  private compute(position: number): void {
    const before = this.logits;
    if (position > 0) this.fit(position);
    this.logits = position === 0 ? this.prefill() : this.step(this.length + position - 1);
    before?.dispose();
  }

  private prefill(): Tensor2D {
    const { length, rows, prompts, settings } = this;
    this.cache = this.session.cache({ batch: rows.length, capacity: this.capacityFor(0) });
    const ids = new Int32Array(rows.length * length).fill(settings.padTokenId);
    rows.forEach((sequence, row) => ids.set(prompts[sequence]!, (row + 1) * length - prompts[sequence]!.length));
    return tf.tidy(() => this.cache.prefill(tf.tensor2d(ids, [rows.length, length], "int32"), this.padding(), settings.precision));
  }

  private step(place: number): Tensor2D {
    const ids = this.rows.map((sequence) => (this.finishedBy[sequence] === null ? this.sequences[sequence]!.at(-1)! : this.settings.padTokenId));
    return tf.tidy(() => this.cache.step(tf.tensor1d(ids, "int32"), tf.scalar(place, "int32"), this.padding()));
  }

  /** Padded places before each row's prompt. */
  private padding(): ReturnType<typeof tf.tensor1d> {
    return tf.tensor1d(this.rows.map((sequence) => this.length - this.prompts[sequence]!.length), "int32");
  }

  /** Moves to a cache with more places where this one is full, and to one with fewer rows where that pays. */
  private fit(position: number): void {
    const { shape } = this.cache;
    const active = [...new Set(this.rows)].filter((sequence) => this.finishedBy[sequence] === null);
    const isFull = this.length + position > shape.capacity;
    const capacity = isFull ? this.capacityFor(position) : shape.capacity;
    const batch = batchBucket(active.length);
    const ahead = Math.max(...active.map((sequence) => this.limits[sequence]!)) - position;
    const shrinks = batch * 2 <= shape.batch && (isFull || ahead >= WORTH_COMPILING || this.session.isCompiled({ batch, capacity }));
    if (!isFull && !shrinks) return;
    const rows = shrinks ? fillRows(active) : this.rows;
    const next = this.session.cache({ batch: rows.length, capacity });
    tf.tidy(() => next.takeFrom(this.cache, tf.tensor1d(rows.map((sequence) => this.rows.indexOf(sequence)), "int32")));
    this.rows = rows;
    this.cache = next;
  }

  /** Places for the tokens to come, but not for many more than may be needed: attention looks at all of them. */
  private capacityFor(position: number): number {
    const ahead = Math.max(...this.limits) - position;
    return capacityBucket(this.length + position + Math.min(ahead, WORTH_COMPILING));
  }

  private take(tokens: Int32Array, position: number): void {
    const seen = new Set<number>();
    this.rows.forEach((sequence, row) => {
      if (this.finishedBy[sequence] !== null || seen.has(sequence)) return;
      seen.add(sequence);
      const token = tokens[row]!;
      this.sequences[sequence]!.push(token);
      if (this.settings.eosTokenIds.has(token)) this.finishedBy[sequence] = "eos";
      else if (position + 1 >= this.limits[sequence]!) this.finishedBy[sequence] = "length";
      this.onToken?.(token, sequence, position);
    });
  }

  /** A pair for each row that depends on the seed, the sequence and the position only. */
  private seeds(position: number): Int32Array {
    const first = mix(this.settings.seed);
    return Int32Array.from(this.rows.flatMap((sequence) => [first, (Math.imul(sequence, 65536) + position) | 0]));
  }

  dispose(): void {
    this.logits?.dispose();
  }
}

/** As many rows as the bucket has, the last sequence repeated. */
function fillRows(sequences: number[]): number[] {
  return Array.from({ length: batchBucket(sequences.length) }, (_, row) => sequences[Math.min(row, sequences.length - 1)]!);
}

/** A seed of up to 53 bits as 32 well mixed ones (the finaliser of MurmurHash3, over both halves). */
function mix(seed: number): number {
  let h = 0;
  for (const word of [Math.floor(seed / 2 ** 32), seed >>> 0]) {
    h ^= word;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= h >>> 16;
  }
  return h | 0;
}
