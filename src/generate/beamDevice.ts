import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { BUCKETED } from "../engine/buckets";
import { jit, type JitFunction } from "../engine/jit";
import { advanceBeams, extendHistory, findCandidates, type CandidateKind } from "./beamStep";
import type { Candidate, Kept } from "./beams";
import { historyOf, historyTensors, HISTORY_LENGTH, numbersOf, numberTensors, type Choice, type HistoryFacts } from "./chooser";
import { FIRST_CANDIDATES, NOT_COVERED, kindOf } from "./sampling";

/** What a search holds on the device between its steps. */
export interface BeamState {
  /** Log-probabilities of the running hypotheses, [searches, numBeams]. */
  scores: Tensor2D;
  /** Their tokens by place, int32 [searches · numBeams, places]; null where what was said before does not matter. */
  history: Tensor2D | null;
}

/** Candidates found: on the device, and as the host has read them. */
export interface Found {
  tensors: [scores: Tensor2D, choices: Tensor3D];
  /** Of each search. */
  candidates: Candidate[][];
}

export interface SearchShape {
  numBeams: number;
  /** Candidates looked at, for each search. */
  keep: number;
}

/** The compiled functions of beam search; scores and running hypotheses stay on the device, ids and scores of candidates are read. */
export class BeamDevice {
  private readonly finders = new Map<string, JitFunction<Tensor[], [Tensor2D, Tensor3D]>>();
  private readonly advance = jit((scores: Tensor2D, choices: Tensor3D, select: Tensor2D, penalty: Tensor2D) => {
    const next = advanceBeams([scores, choices], select, penalty);
    return [next.scores, next.parents, next.tokens];
  }, { name: "advance_beams", expectedTraces: BUCKETED });
  private readonly extend = jit((history: Tensor2D, parents: Tensor1D, tokens: Tensor1D, place: Scalar) => extendHistory(history, parents, tokens, place), { name: "extend_history", expectedTraces: BUCKETED });

  constructor(private readonly vocabSize: number) {}

  /** @param logits [searches · numBeams, vocabulary] @param history null: nothing that was said before matters @param seeds two for each search */
  async find(logits: Tensor2D, state: BeamState, choice: Choice, history: HistoryFacts | null, seeds: Int32Array, shape: SearchShape): Promise<Found> {
    const found = await this.findAmong(FIRST_CANDIDATES, logits, state, choice, history, seeds, shape);
    if (!found.candidates.some((list) => list.some(({ token }) => token === NOT_COVERED))) return found;
    tf.dispose(found.tensors);
    return this.findAmong(Infinity, logits, state, choice, history, seeds, shape);
  }

  private async findAmong(most: number, logits: Tensor2D, state: BeamState, choice: Choice, history: HistoryFacts | null, seeds: Int32Array, shape: SearchShape): Promise<Found> {
    const { processing, eosTokenIds, sampling } = choice;
    const kind: CandidateKind = { ...shape, processing, eosTokenIds, sampling: sampling && kindOf(sampling), sorted: Math.min(most, this.vocabSize) };
    const finder = this.finder(kind, history !== null);
    const tensors = tf.tidy(() => {
      const pairs = tf.tensor2d(seeds, [state.scores.shape[0], 2], "int32");
      return finder(logits, state.scores, pairs, ...numberTensors(sampling), ...(history ? historyTensors(state.history!, history) : []));
    });
    try {
      const [scores, choices] = (await Promise.all([tensors[0].data(), tensors[1].data()])) as [Float32Array, Int32Array];
      return { tensors, candidates: candidatesOf(scores, choices, tensors[0].shape) };
    } catch (error) {
      tf.dispose(tensors);
      throw error;
    }
  }

  private finder(kind: CandidateKind, withHistory: boolean): JitFunction<Tensor[], [Tensor2D, Tensor3D]> {
    const key = JSON.stringify([kind, withHistory]);
    let finder = this.finders.get(key);
    if (!finder) {
      finder = jit((...args: Tensor[]) => {
        const [logits, scores, seeds] = args as [Tensor2D, Tensor2D, Tensor2D];
        const history = withHistory ? historyOf(args.slice(-HISTORY_LENGTH)) : null;
        return findCandidates(logits, scores, history, seeds, numbersOf(args.slice(3)), kind);
      }, { name: "find_candidates", expectedTraces: BUCKETED }) as JitFunction<Tensor[], [Tensor2D, Tensor3D]>;
      this.finders.set(key, finder);
    }
    return finder;
  }

  /** Goes on with the candidates kept of each search. @param place where their tokens stand @returns the next state, and what the cache needs */
  next({ tensors }: Found, kept: readonly Kept[], state: BeamState, place: number): { state: BeamState; parents: Tensor1D; tokens: Tensor1D } {
    const [scores, parents, tokens, history] = tf.tidy(() => {
      const select = tf.tensor2d(kept.map((each) => each.select), undefined, "int32");
      const [scores, parents, tokens] = this.advance(...tensors, select, tf.tensor2d(kept.map((each) => each.penalty))) as [Tensor2D, Tensor1D, Tensor1D];
      const history = state.history && (this.extend(state.history, parents, tokens, tf.scalar(place, "int32")) as Tensor2D);
      return [scores, parents, tokens, ...(history ? [history] : [])];
    }) as [Tensor2D, Tensor1D, Tensor1D, Tensor2D?];
    return { state: { scores, history: history ?? null }, parents, tokens };
  }

  dispose(): void {
    for (const finder of this.finders.values()) finder.dispose();
    this.finders.clear();
    this.advance.dispose();
    this.extend.dispose();
  }
}

function candidatesOf(scores: Float32Array, choices: Int32Array, [searches, keep]: [number, number]): Candidate[][] {
  return Array.from({ length: searches }, (_, search) =>
    Array.from({ length: keep }, (_, i) => {
      const at = search * keep + i;
      return { beam: choices[at]!, token: choices[searches * keep + at]!, score: scores[at]! };
    }),
  );
}
