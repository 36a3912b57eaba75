import type { PreferenceRow } from "../src/data/preference";
import type { SFTRow } from "../src/tokens/sft";

/** What every side of a trainer's bench is told, as a JSON file. */
export interface TrainerJob {
  setting: string;
  threads: number;
  learningRate: number;
  /** For a peer: the model as a Hugging Face folder. */
  model: string;
}

export interface DpoJob extends TrainerJob {
  beta: number;
  /** For our side: whether reference log-probabilities are computed beforehand, as for every peer. Default true. */
  precompute?: boolean;
  /** For our side: rows as text, batch by batch. */
  texts: PreferenceRow[][];
  /** For a peer: the same batches as token ids. */
  batches: { prompt: number[]; chosen: number[]; rejected: number[] }[][];
}

/** The same for the training of a reward model. */
export interface RewardJob extends TrainerJob {
  /** A fresh head's seed for our side, and for a peer, which loads the model's body from a folder, the weights that it gives. */
  seed: number;
  score: number[];
  /** Texts as token ids, prompt and answer in one, batch by batch. */
  batches: { chosen: number[]; rejected: number[] }[][];
}

/** The same for the fine-tuning of an adapter. */
export interface SftLoraJob extends TrainerJob {
  lora: { r: number; loraAlpha: number; loraDropout: number };
  /** For our side: rows as chats, batch by batch. */
  texts: SFTRow[][];
  /** For a peer: the same batches as token ids. */
  batches: number[][][];
}
