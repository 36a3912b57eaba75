/** What each side of a step is told, as a JSON file. */
export interface StepJob {
  setting: string;
  threads: number;
  /** For a peer: the model as a Hugging Face folder. */
  model: string;
  /** Token ids, [batch][length]. */
  ids: number[][];
  /** Only so many of the model's layers, the first ones; all of them without it. */
  layers?: number;
}

/** What each side of a matrix product is told. */
export interface MatmulJob {
  setting: string;
  threads: number;
  /** Rows and columns of both factors. */
  size: number;
  /** Products in one step, each of the last one's result with the same right factor. */
  products: number;
}

/** What a side computed before its first timed step, so that two sides can be compared. */
export interface StepCheck {
  loss: number;
  /** Norm of all gradients taken as one vector. */
  gradientNorm: number;
}
