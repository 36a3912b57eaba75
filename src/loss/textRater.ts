import type { Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { Precision } from "../engine/recorder";
import type { SequenceClassifier } from "../model/loadClassifier";
import { TextScorer } from "../model/textScorer";
import { scoredIds } from "../tokens/rewardRows";
import type { Message, Tokenizer } from "../tokens/tokenizer";
import { ratingSummary } from "./ratings";

const DEFAULT_BATCH = 16;

/** What a model of ratings says of a text. */
export interface TextRating {
  /** Of the ratings 1 to K. */
  probabilities: number[];
  /** Σ i·p_i, between 1 and K. */
  expected: number;
  variance: number;
  /** In nats. */
  entropy: number;
}

export interface TextRaterOptions {
  /** A classifier of one label for each rating. */
  model: SequenceClassifier;
  tokenizer: Tokenizer;
  /** A text keeps its first so many tokens: as many as the model was trained with. Null keeps all. Default null. */
  maxLength?: number | null;
  /** Texts that are computed together. Default 16. */
  batchSize?: number;
  /** Of matrix products. Default float32. */
  precision?: Precision;
}

/** Rates texts as the model's weights are at each call; what is compiled for one call serves the next. */
export class TextRater {
  private readonly scorer: TextScorer;

  /** @throws RangeError for a model of one label, or settings that are no numbers */
  constructor(private readonly options: TextRaterOptions) {
    const { model, maxLength = null, batchSize = DEFAULT_BATCH, precision } = options;
    if (model.numLabels < 2) throw new RangeError("The model gives each text one score, which is no distribution over ratings. Load a model of ratings, such as one that RatingTrainer trained.");
    if (maxLength !== null && !(Number.isInteger(maxLength) && maxLength > 0)) throw new RangeError(`maxLength is ${maxLength}; a whole number above 0, or null to keep all, is needed.`);
    if (!(Number.isInteger(batchSize) && batchSize > 0)) throw new RangeError(`batchSize is ${batchSize}; a whole number above 0 is needed.`);
    this.scorer = new TextScorer(model, precision);
  }

  /**
   * @param texts texts or chats, prompt and answer in each, read as RatingTrainer reads those of a pair: a text has the end
   * token behind it, a chat is rendered by the chat template
   * @returns the texts' ratings, in their order @throws TypeError with the text's number (counted from 0) for one that is empty
   */
  async rate(texts: readonly (string | readonly Message[])[]): Promise<TextRating[]> {
    if (texts.length === 0) return [];
    const sequences = texts.map((text, i) => this.idsOf(text, i));
    const scores = await this.scorer.score(sequences.map((ids) => ({ ids, tokenTypeIds: ids.map(() => 0) })), this.options.batchSize ?? DEFAULT_BATCH);
    return tf.tidy(() => {
      const logits = tf.stack(scores.map((row) => tf.tensor1d(row))) as Tensor2D;
      const { expected, variance, entropy } = ratingSummary(logits);
      const rows = tf.concat([tf.stack([expected, variance, entropy], 1) as Tensor2D, tf.softmax(logits)], 1).arraySync();
      return rows.map(([expected, variance, entropy, ...probabilities]) => ({ probabilities, expected: expected!, variance: variance!, entropy: entropy! }));
    });
  }

  private idsOf(text: string | readonly Message[], index: number): number[] {
    const { model, tokenizer, maxLength = null } = this.options;
    let ids: number[];
    try {
      ids = scoredIds(text, tokenizer).slice(0, maxLength ?? undefined);
    } catch (error) {
      throw new TypeError(`Text ${index}: ${(error as Error).message}`, { cause: error });
    }
    if (ids.length > model.maxTokens) throw new RangeError(`Text ${index} has ${ids.length} tokens, the model has ${model.maxTokens} positions. Set maxLength.`);
    return ids;
  }

  /** Frees the compiled functions. The model stays. */
  dispose(): void {
    this.scorer.dispose();
  }
}

/** Rates texts once; for texts time and again, as in a training loop, make one TextRater. */
export async function rateTexts(texts: readonly (string | readonly Message[])[], options: TextRaterOptions): Promise<TextRating[]> {
  const rater = new TextRater(options);
  try {
    return await rater.rate(texts);
  } finally {
    rater.dispose();
  }
}
