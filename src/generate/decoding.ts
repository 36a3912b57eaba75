import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { batchBucket, capacityBucket, promptBucket } from "../engine/buckets";
import type { KeyValueCache } from "./cache";
import type { GenerationSession } from "./session";
import type { Settings } from "./settings";

/** Steps that must lie ahead for a smaller batch or a later growth to be worth compiling. */
const WORTH_COMPILING = 128;

/** Where a step stands: the index of the token that it computes, and how many may come at most, counted from the first. */
export interface Ahead {
  position: number;
  most: number;
}

/** The key-value cache's side of one call: its rows are prompts, each any number of times. */
export class Decoding {
  /** Places of a padded prompt. */
  readonly length: number;
  /** The prompt of each row. */
  rows: readonly number[] = [];
  private cache!: KeyValueCache;
  /** Rows at the beginning, by which it is decided how weights are held. */
  private firstRows = 1;

  constructor(
    private readonly session: GenerationSession,
    private readonly prompts: readonly (readonly number[])[],
    private readonly settings: Settings,
  ) {
    this.length = promptBucket(Math.max(...prompts.map((prompt) => prompt.length)));
  }

  /** Places of each row. */
  get capacity(): number {
    return this.cache.shape.capacity;
  }

  /** Padded places before each row's prompt. */
  padding(): Int32Array {
    return Int32Array.from(this.rows, (prompt) => this.length - this.prompts[prompt]!.length);
  }

  /** Computes the prompts, equal ones once. @param rows the prompt of each row @returns logits of the first token, [rows, vocabulary] */
  prefill(rows: readonly number[], most: number): Tensor2D {
    this.firstRows = rows.length;
    const firstOf = new Map<string, number>();
    for (const prompt of rows) {
      const text = this.prompts[prompt]!.join();
      if (!firstOf.has(text)) firstOf.set(text, prompt);
    }
    const unique = fill([...firstOf.values()], batchBucket(firstOf.size));
    const capacity = this.capacityFor({ position: 0, most });
    if (unique.length >= rows.length) {
      this.rows = rows;
      this.cache = this.session.cache({ batch: rows.length, capacity });
      return this.compute();
    }
    this.rows = unique;
    this.cache = this.session.cache({ batch: unique.length, capacity: capacityBucket(this.length) });
    const logits = this.compute();
    const from = rows.map((prompt) => unique.indexOf(firstOf.get(this.prompts[prompt]!.join())!));
    try {
      this.move(from, rows, capacity);
      return this.session.expand(logits, from);
    } finally {
      logits.dispose();
    }
  }

  private compute(): Tensor2D {
    const { length, rows, prompts, settings } = this;
    const ids = new Int32Array(rows.length * length).fill(settings.padTokenId);
    rows.forEach((prompt, row) => ids.set(prompts[prompt]!, (row + 1) * length - prompts[prompt]!.length));
    this.session.prefilledRows += rows.length;
    return tf.tidy(() => this.cache.prefill(tf.tensor2d(ids, [rows.length, length], "int32"), tf.tensor1d(this.padding(), "int32"), this.session.precisionFor(settings.precision, rows.length * length)));
  }

  /** @param tokens the last token of each row, int32 [rows], which stands at `position` − 1 of its answer @returns logits of the next, [rows, vocabulary] */
  step(tokens: Tensor1D, position: number): Tensor2D {
    return tf.tidy(() => this.cache.step(this.session.projections(this.settings.decodeWeights, this.firstRows), tokens, tf.scalar(this.length + position - 1, "int32"), tf.tensor1d(this.padding(), "int32")));
  }

  /** Lets rows go on from others. @param parents one for each row */
  reorder(parents: readonly number[]): void {
    this.cache.reorder(parents);
  }

  /** Whether the next token finds no place. */
  isFull(position: number): boolean {
    return this.length + position > this.capacity;
  }

  /** Whether going on with this many rows pays although it may have to be compiled. */
  shrinkPays(batch: number, ahead: Ahead): boolean {
    const capacity = this.isFull(ahead.position) ? this.capacityFor(ahead) : this.capacity;
    return batch * 2 <= this.rows.length && (this.isFull(ahead.position) || ahead.most - ahead.position >= WORTH_COMPILING || this.session.isCompiled({ batch, capacity }, this.settings.decodeWeights, this.firstRows));
  }

  /** Goes on with the rows `from` in a cache that has places for what is ahead. */
  moveTo(from: readonly number[], ahead: Ahead): void {
    this.move(from, from.map((row) => this.rows[row]!), this.isFull(ahead.position) ? this.capacityFor(ahead) : this.capacity);
  }

  private move(from: readonly number[], rows: readonly number[], capacity: number): void {
    const next = this.session.cache({ batch: rows.length, capacity });
    tf.tidy(() => next.takeFrom(this.cache, tf.tensor1d([...from], "int32")));
    this.rows = rows;
    this.cache = next;
  }

  /** Places for the tokens to come, but not for many more than may be needed: attention looks at all of them. */
  private capacityFor({ position, most }: Ahead): number {
    return capacityBucket(this.length + position + Math.min(most - position, WORTH_COMPILING));
  }
}

/** As many as `size`, the last repeated. */
export function fill(items: readonly number[], size: number): number[] {
  return Array.from({ length: size }, (_, i) => items[Math.min(i, items.length - 1)]!);
}
