import type { FinishReason } from "./generate";
import type { BeamSettings } from "./settings";

/** A possible next token of a running hypothesis. */
export interface Candidate {
  /** Which of the running hypotheses it continues. */
  beam: number;
  token: number;
  /** Log-probability of the whole. */
  score: number;
}

/** An answer, or the beginning of one. */
export interface Hypothesis {
  tokens: number[];
  /** Of a running one its log-probability, of an ended one that by length^lengthPenalty. */
  score: number;
  /** null while it runs. */
  finishedBy: FinishReason | null;
}

/** What a search keeps of its candidates, for each row: their indices, the hypothesis that each goes on from, and what is to be added to their scores. */
export interface Kept {
  select: number[];
  parents: number[];
  penalty: number[];
}

/** Stands for no score at all, as in transformers: finite, so that sums with it are. */
export const NO_SCORE = -1e9;

/** transformers computes scores in float32; ends of equal length may tie there and nowhere else. */
const { fround } = Math;
const plus = (a: number, b: number): number => fround(a + b);

/**
 * The search for one prompt's likeliest continuations. Scores come from the device, and what runs on stays there; this
 * tells, as transformers' vectorised beam search, which candidates run on, which have ended, and when nothing better can come.
 */
export class BeamSearch {
  /** `numBeams` of them, each in the row of the cache that it stands in; at first all are the prompt, and only the first of them counts. */
  running: Hypothesis[];
  /** The best that have ended, best first; with fewer than `numBeams`, the rest stand for nothing and do not count as ended. */
  ended: Hypothesis[];
  done = false;
  /** Whether a running hypothesis may still beat the worst that has ended. */
  private improvable = true;

  /**
   * @param ends why a candidate ends its hypothesis, or null where it runs on; asked with the tokens before it
   */
  constructor(
    private readonly settings: BeamSettings,
    private readonly maxNewTokens: number,
    private readonly ends: (tokens: readonly number[], next: number) => FinishReason | null,
  ) {
    const none = (score: number): Hypothesis => ({ tokens: [], score, finishedBy: null });
    this.running = Array.from({ length: settings.numBeams }, (_, beam) => none(beam === 0 ? 0 : NO_SCORE));
    this.ended = Array.from({ length: settings.numBeams }, () => none(NO_SCORE));
  }

  /** Takes a step. @param candidates best first, or in the order drawn; more than one for each beam, so that enough run on */
  advance(candidates: readonly Candidate[]): Kept {
    const { numBeams } = this.settings;
    const continued = candidates.map(({ beam, token, score }): Hypothesis => {
      const { tokens } = this.running[beam]!;
      return { tokens: [...tokens, token], score, finishedBy: this.ends(tokens, token) };
    });
    const penalties = continued.map(({ finishedBy }) => (finishedBy === null ? 0 : NO_SCORE));
    const order = inOwnRows(best(continued.map(({ score }, i) => plus(score, penalties[i]!)), numBeams), candidates);
    this.takeEnded(continued.slice(0, numBeams));
    this.running = order.map((i) => ({ ...continued[i]!, score: plus(continued[i]!.score, penalties[i]!) }));
    this.improvable = this.improvable && this.mayImprove(continued[0]!.tokens.length);
    const full = this.settings.earlyStopping === true && this.isFull();
    this.done = !this.improvable || full || continued.every(({ finishedBy }) => finishedBy !== null);
    return { select: order, parents: order.map((i) => candidates[i]!.beam), penalty: order.map((i) => penalties[i]!) };
  }

  /** Only the first `numBeams` candidates may end: the others are there so that enough run on. */
  private takeEnded(first: readonly Hypothesis[]): void {
    const { numBeams, earlyStopping } = this.settings;
    if (!this.improvable || (earlyStopping === true && this.isFull())) return;
    const fresh = first.filter(({ finishedBy }) => finishedBy !== null).map((hypothesis) => ({ ...hypothesis, score: this.penalised(hypothesis.score, hypothesis.tokens.length) }));
    const all = [...this.ended, ...fresh];
    this.ended = best(all.map(({ score }) => score), numBeams).map((i) => all[i]!);
  }

  private mayImprove(length: number): boolean {
    const { earlyStopping, lengthPenalty } = this.settings;
    const farthest = earlyStopping === "never" && lengthPenalty > 0 ? this.maxNewTokens : length;
    return !this.isFull() || this.penalised(Math.max(...this.running.map(({ score }) => score)), farthest) > Math.min(...this.ended.map(({ score }) => score));
  }

  private isFull(): boolean {
    return this.ended.every(({ finishedBy }) => finishedBy !== null);
  }

  private penalised(score: number, length: number): number {
    return fround(score / fround(length ** this.settings.lengthPenalty));
  }

  /** The n best answers; of a search that was stopped, beginnings count too, as they would if they ended here. */
  answers(n: number): Hypothesis[] {
    const ended = this.ended.filter(({ finishedBy }) => finishedBy !== null);
    if (this.done) return ended.slice(0, n);
    const begun = this.running.filter(({ score, finishedBy }) => finishedBy === null && score > NO_SCORE / 2);
    const all = [...ended, ...begun.map((hypothesis) => ({ ...hypothesis, score: this.penalised(hypothesis.score, Math.max(1, hypothesis.tokens.length)) }))];
    return best(all.map(({ score }) => score), Math.min(n, all.length)).map((i) => all[i]!);
  }
}

/** Indices of the n largest, largest first; of equals the first comes first. */
function best(scores: readonly number[], n: number): number[] {
  return [...scores.keys()].sort((a, b) => (scores[b]! === scores[a]! ? a - b : scores[b]! > scores[a]! ? 1 : -1)).slice(0, n);
}

/** Candidates in rows so that of each hypothesis' continuations the best stays in its row, whose cache need not be moved then. */
function inOwnRows(chosen: readonly number[], candidates: readonly Candidate[]): number[] {
  const rows = new Array<number>(chosen.length).fill(-1);
  const others = chosen.filter((i) => {
    const { beam } = candidates[i]!;
    if (rows[beam] !== -1) return true;
    rows[beam] = i;
    return false;
  });
  return rows.map((i) => (i === -1 ? others.shift()! : i));
}
