/** What each side of `bench load` is told, as a JSON file. */
export interface LoadJob {
  /** The precision. */
  setting: string;
  threads: number;
  /** For a peer: the model as a Hugging Face folder. */
  model: string;
  /** Token ids of one text. */
  ids: number[];
}

/** What a side says on file 3: times on the clock of `fresh.ts`, and what it computed. */
export interface LoadAnswer {
  /** When the program's first line ran, when TensorFlow or PyTorch was in memory, when the library was imported, the weights loaded, the logits there, and there once more. */
  marks: { script: number; engine: number; library: number; weights: number; forward: number; again: number };
  peakBytes: number;
  versions: Record<string, string>;
  /** The likeliest next token and its logit. */
  check: { token: number; logit: number };
}

/** The stages between the marks, in their order. */
export const STAGES = ["start", "engine", "library", "weights", "first forward"] as const;

/** Seconds of each stage of a process that was started at `startedAt`. */
export function stagesOf({ script, engine, library, weights, forward }: LoadAnswer["marks"], startedAt: number): Record<(typeof STAGES)[number], number> {
  return { start: script - startedAt, engine: engine - script, library: library - engine, weights: weights - library, "first forward": forward - weights };
}
