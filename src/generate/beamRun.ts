import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { BeamState, Found } from "./beamDevice";
import { BeamSearch, NO_SCORE, type Hypothesis, type Kept } from "./beams";
import { batchBucket } from "../engine/buckets";
import { tokenTable, type HistoryFacts } from "./chooser";
import { Decoding, fill } from "./decoding";
import type { Generated, GenerationRun } from "./generate";
import type { GenerateOptions } from "./options";
import { choiceFor, endOf, tooShortAt } from "./rules";
import { drawSeeds } from "./seeds";
import type { GenerationSession } from "./session";
import type { BeamSettings, Settings } from "./settings";

/** One call of `generate` with beams: a search for each prompt, all of them at once. */
export class BeamRun implements GenerationRun {
  private readonly searches: BeamSearch[];
  private readonly decoding: Decoding;
  /** The search in each block of `numBeams` rows; blocks beyond the searches repeat the last and are not looked at. */
  private blocks: number[];
  private readonly keep: number;
  private logits: Tensor2D | null = null;
  private state: BeamState | null = null;
  private found: Found | null = null;
  /** What each search that is not done keeps of the candidates found. */
  private readonly kept = new Map<BeamSearch, Kept>();

  constructor(
    private readonly session: GenerationSession,
    private readonly prompts: readonly (readonly number[])[],
    private readonly settings: Settings,
    private readonly beams: BeamSettings,
    private readonly listeners: Pick<GenerateOptions, "onStep">,
  ) {
    this.searches = prompts.map((_, prompt) => new BeamSearch(beams, settings.maxNewTokens[prompt]!, (tokens, next) => endOf(settings, prompts, prompt, tokens, next)));
    this.decoding = new Decoding(session, prompts, settings);
    this.blocks = fill([...prompts.keys()], batchBucket(prompts.length));
    // Each hypothesis may end in as many ways as there are end tokens; one more lets as many run on.
    this.keep = Math.max(2, 1 + settings.eosTokenIds.size) * beams.numBeams;
  }

  async step(position: number): Promise<boolean> {
    if (position === 0) this.begin();
    else this.goOn(position);
    const seeds = drawSeeds(this.settings.seed, this.blocks, position);
    this.found = await this.session.beams.find(this.logits!, this.state!, choiceFor(this.settings, this.tooShort(position)), this.facts(position), seeds, { numBeams: this.beams.numBeams, keep: this.keep });
    this.take();
    this.listeners.onStep?.({ done: position + 1, total: Math.max(...this.settings.maxNewTokens), sequences: () => this.answers().map(({ tokens }) => tokens) });
    return this.searches.some(({ done }) => !done);
  }

  result(): Generated {
    const answers = this.answers();
    return {
      sequences: answers.map(({ tokens }) => tokens),
      finishedBy: answers.map(({ finishedBy }) => finishedBy ?? "stopped"),
      sequencesScores: answers.map(({ score }) => score),
    };
  }

  private begin(): void {
    const { numBeams } = this.beams;
    const rows = this.blocks.flatMap((search) => new Array<number>(numBeams).fill(search));
    this.logits = this.decoding.prefill(rows, Math.max(...this.settings.maxNewTokens));
    const first = Array.from({ length: numBeams }, (_, beam) => (beam === 0 ? 0 : NO_SCORE));
    this.state = { scores: tf.tensor2d(this.blocks.map(() => first)), history: this.keepsHistory ? this.historyTable(rows.map(() => [])) : null };
  }

  /** Takes the candidates read: the searches tell which of them run on. */
  private take(): void {
    this.kept.clear();
    this.blocks.forEach((search, block) => {
      const each = this.searches[search]!;
      if (!each.done && !this.kept.has(each)) this.kept.set(each, each.advance(this.found!.candidates[block]!));
    });
  }

  /** Starts the computation of the logits from which the tokens at `position` are chosen. */
  private goOn(position: number): void {
    const { numBeams } = this.beams;
    // A search that is done takes part until its rows are given up, with whatever candidates.
    const idle: Kept = { select: rowsOf(0, numBeams), parents: rowsOf(0, numBeams), penalty: new Array<number>(numBeams).fill(0) };
    const kept = this.blocks.map((search) => this.kept.get(this.searches[search]!) ?? idle);
    const next = this.session.beams.next(this.found!, kept, this.state!, this.decoding.length + position - 1);
    const before = this.held;
    this.state = next.state;
    this.found = null;
    try {
      this.decoding.reorder(kept.flatMap(({ parents }, block) => parents.map((beam) => block * numBeams + beam)));
      this.logits = this.stepWith(next.tokens, position);
    } finally {
      tf.dispose([next.parents, next.tokens, ...before]);
    }
  }

  private stepWith(tokens: Tensor1D, position: number): Tensor2D {
    const chosen = this.fit(position);
    if (!chosen) return this.decoding.step(tokens, position);
    const { numBeams } = this.beams;
    return tf.tidy(() => this.decoding.step(tf.gather(tokens, tf.tensor1d(chosen.flatMap((block) => rowsOf(block, numBeams)), "int32")), position));
  }

  /** Moves to a cache with more places where this one is full, and to one for fewer searches where that pays. @returns the blocks kept, null for all */
  private fit(position: number): number[] | null {
    const { numBeams } = this.beams;
    const active = [...new Set(this.blocks)].filter((search) => !this.searches[search]!.done);
    const ahead = { position, most: Math.max(...active.map((search) => this.settings.maxNewTokens[search]!)) };
    const shrinks = this.decoding.shrinkPays(batchBucket(active.length) * numBeams, ahead);
    if (!shrinks && !this.decoding.isFull(position)) return null;
    const blocks = shrinks ? fill(active, batchBucket(active.length)) : this.blocks;
    const from = shrinks ? blocks.map((search) => this.blocks.indexOf(search)) : [...this.blocks.keys()];
    this.decoding.moveTo(from.flatMap((block) => rowsOf(block, numBeams)), ahead);
    this.blocks = blocks;
    this.moveState(from);
    return from;
  }

  private moveState(from: readonly number[]): void {
    const { scores, history } = this.state!;
    const rows = this.blocks.flatMap((search) => this.searches[search]!.running.map(({ tokens }) => tokens));
    this.state = { scores: this.session.expand(scores, from), history: history && this.historyTable(rows) };
    tf.dispose([scores, ...(history ? [history] : [])]);
  }

  private get keepsHistory(): boolean {
    const { processing, minNewTokens } = this.settings;
    return processing.repetitionPenalty !== null || processing.noRepeatNgramSize !== null || minNewTokens.some((least) => least > 0);
  }

  /** Prompts and answers by place. @param answers of each row */
  private historyTable(answers: readonly (readonly number[])[]): Tensor2D {
    const { length, capacity, rows } = this.decoding;
    const tokens = new Int32Array(rows.length * capacity);
    rows.forEach((prompt, row) => {
      tokens.set(this.prompts[prompt]!, row * capacity + length - this.prompts[prompt]!.length);
      tokens.set(answers[row]!, row * capacity + length);
    });
    return tokenTable(tokens, rows.length);
  }

  private facts(position: number): HistoryFacts | null {
    if (!this.keepsHistory) return null;
    return { last: this.decoding.length + position - 1, padding: this.decoding.padding(), tooShort: this.tooShort(position) };
  }

  private tooShort(position: number): Float32Array {
    return tooShortAt(this.settings, this.decoding.rows, position);
  }

  private answers(): Hypothesis[] {
    const none: Hypothesis = { tokens: [], score: 0, finishedBy: null };
    return this.searches.flatMap((search) => fillAnswers(search.answers(this.settings.numReturnSequences), this.settings.numReturnSequences, none));
  }

  get held(): Tensor[] {
    return [this.logits, this.state?.scores, this.state?.history, ...(this.found?.tensors ?? [])].filter((tensor): tensor is Tensor2D => tensor != null);
  }

  dispose(): void {
    tf.dispose(this.held);
  }
}

/** A search that was stopped early may have fewer answers than asked for: the rest are empty. */
function fillAnswers(answers: Hypothesis[], count: number, none: Hypothesis): Hypothesis[] {
  return [...answers, ...Array.from({ length: count - answers.length }, () => none)];
}

const rowsOf = (block: number, numBeams: number): number[] => Array.from({ length: numBeams }, (_, beam) => block * numBeams + beam);
