/** What every side of `bench generate` is told, as a JSON file. */
export interface GenerateJob {
  /** For ours how decode weights are held, for a peer its weights' type. */
  setting: string;
  threads: number;
  /** For a peer: the model as a Hugging Face folder. */
  model: string;
  /** Token ids, all of the same length. */
  prompts: number[][];
  newTokens: number;
}

/** A buffer over which memory bandwidth is measured, and how often one step goes over it. */
export const STREAMED_BYTES = 800_000_000;
export const STREAMS = 4;
