import type { Tensor, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { batchBucket } from "../engine/buckets";
import type { Chosen, HostHistory } from "./chooser";
import { Decoding, fill } from "./decoding";
import type { FinishReason, Generated, GenerationRun } from "./generate";
import type { GenerateOptions } from "./options";
import { choiceFor, endOf, tooShortAt } from "./rules";
import { drawSeeds } from "./seeds";
import type { GenerationSession } from "./session";
import type { Settings } from "./settings";

/** One call of `generate` without beams: every sequence chooses its tokens by itself. */
export class SequenceRun implements GenerationRun {
  private readonly sequences: number[][];
  private readonly finishedBy: (FinishReason | null)[];
  private readonly logps: number[][];
  private readonly decoding: Decoding;
  /** The sequence in each row of the batch; rows beyond the sequences repeat the last and are not looked at. */
  private rows: number[];
  private logits: Tensor2D | null = null;

  constructor(
    private readonly session: GenerationSession,
    private readonly prompts: readonly (readonly number[])[],
    private readonly settings: Settings,
    private readonly listeners: Pick<GenerateOptions, "onToken" | "onStep">,
  ) {
    const count = prompts.length * settings.numReturnSequences;
    this.sequences = Array.from({ length: count }, () => []);
    this.finishedBy = this.sequences.map(() => null);
    this.logps = this.sequences.map(() => []);
    this.decoding = new Decoding(session, prompts, settings);
    this.rows = fill([...this.sequences.keys()], batchBucket(count));
  }

  async step(position: number): Promise<boolean> {
    this.compute(position);
    const chosen = await this.session.chooser.choose(this.logits!, choiceFor(this.settings, this.tooShort(position)), this.history(position), drawSeeds(this.settings.seed, this.rows, position));
    this.take(chosen, position);
    this.listeners.onStep?.({ done: position + 1, total: Math.max(...this.settings.maxNewTokens), sequences: () => this.sequences });
    return this.finishedBy.some((reason) => reason === null);
  }

  result(): Generated {
    const { sequences, logps, settings: { returnLogps } } = this;
    return { sequences, finishedBy: this.finishedBy.map((reason) => reason ?? "stopped"), ...(returnLogps ? { logps } : {}) };
  }

  get held(): Tensor[] {
    return this.logits ? [this.logits] : [];
  }

  private promptOf(sequence: number): number {
    return Math.floor(sequence / this.settings.numReturnSequences);
  }

  private limitOf(sequence: number): number {
    return this.settings.maxNewTokens[this.promptOf(sequence)]!;
  }

  /** Starts the computation of the logits from which the token at `position` is chosen. */
  private compute(position: number): void {
    const before = this.logits;
    if (position > 0) this.fit(position);
    this.logits = position === 0 ? this.decoding.prefill(this.rows.map((sequence) => this.promptOf(sequence)), Math.max(...this.settings.maxNewTokens)) : this.nextLogits(position);
    before?.dispose();
  }

  private nextLogits(position: number): Tensor2D {
    const ids = this.rows.map((sequence) => (this.finishedBy[sequence] === null ? this.sequences[sequence]!.at(-1)! : this.settings.padTokenId));
    return tf.tidy(() => this.decoding.step(tf.tensor1d(ids, "int32"), position));
  }

  /** Moves to a cache with more places where this one is full, and to one with fewer rows where that pays. */
  private fit(position: number): void {
    const active = [...new Set(this.rows)].filter((sequence) => this.finishedBy[sequence] === null);
    const ahead = { position, most: Math.max(...active.map((sequence) => this.limitOf(sequence))) };
    const shrinks = this.decoding.shrinkPays(batchBucket(active.length), ahead);
    if (!shrinks && !this.decoding.isFull(position)) return;
    const rows = shrinks ? fill(active, batchBucket(active.length)) : this.rows;
    this.decoding.moveTo(rows.map((sequence) => this.rows.indexOf(sequence)), ahead);
    this.rows = rows;
  }

  private tooShort(position: number): Float32Array {
    return tooShortAt(this.settings, this.decoding.rows, position);
  }

  /** What was said in every row, where that matters for the token at `position`. */
  private history(position: number): HostHistory | null {
    const { repetitionPenalty, noRepeatNgramSize } = this.settings.processing;
    const tooShort = this.tooShort(position);
    if (repetitionPenalty === null && noRepeatNgramSize === null && !tooShort.includes(1)) return null;
    const { length, capacity } = this.decoding;
    const tokens = new Int32Array(this.rows.length * capacity);
    this.rows.forEach((sequence, row) => {
      const prompt = this.prompts[this.promptOf(sequence)]!;
      tokens.set(prompt, row * capacity + length - prompt.length);
      tokens.set(this.sequences[sequence]!, row * capacity + length);
    });
    return { tokens, last: length + position - 1, padding: this.decoding.padding(), tooShort };
  }

  private take({ tokens, logps }: Chosen, position: number): void {
    const seen = new Set<number>();
    this.rows.forEach((sequence, row) => {
      if (this.finishedBy[sequence] !== null || seen.has(sequence)) return;
      seen.add(sequence);
      const token = tokens[row]!;
      this.finishedBy[sequence] = endOf(this.settings, this.prompts, this.promptOf(sequence), this.sequences[sequence]!, token);
      this.sequences[sequence]!.push(token);
      if (logps) this.logps[sequence]!.push(logps[row]!);
      this.listeners.onToken?.(token, sequence, position);
    });
  }

  dispose(): void {
    this.logits?.dispose();
  }
}
