import type { Tensor, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { batchBucket, BUCKETED, ROUNDINGS } from "../engine/buckets";
import { jit, type JitFunction } from "../engine/jit";
import type { Precision } from "../engine/recorder";
import type { LlamaForSequenceClassification } from "../model/classification";
import { scoredIds } from "../tokens/rewardRows";
import { packTexts } from "../tokens/scoredPairs";
import type { Message, Tokenizer } from "../tokens/tokenizer";
import { ratingSummary } from "./ratings";
import { scoreTensorList, scoreTensorsFrom, textScores, toScoreTensors } from "./scores";

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
  model: LlamaForSequenceClassification;
  tokenizer: Tokenizer;
  /** A text keeps its first so many tokens: as many as the model was trained with. Null keeps all. Default null. */
  maxLength?: number | null;
  /** Texts that are computed together. Default 16. */
  batchSize?: number;
  /** Of matrix products. Default float32. */
  precision?: Precision;
}

/** Texts of a call differ in length: coarse rounding keeps the shapes that are compiled few. */
const ROUNDING = ROUNDINGS[2]!;

/** Rates texts as the model's weights are at each call; what is compiled for one call serves the next. */
export class TextRater {
  private readonly padTokenId: number;
  private readonly ratings: JitFunction<Tensor[], Tensor>;

  /** @throws RangeError for a model of one label, or settings that are no numbers */
  constructor(private readonly options: TextRaterOptions) {
    const { model, tokenizer, maxLength = null, batchSize = 16, precision } = options;
    if (model.numLabels < 2) throw new RangeError("The model gives each text one score, which is no distribution over ratings. Load a model of ratings, such as one that RatingTrainer trained.");
    if (maxLength !== null && !(Number.isInteger(maxLength) && maxLength > 0)) throw new RangeError(`maxLength is ${maxLength}; a whole number above 0, or null to keep all, is needed.`);
    if (!(Number.isInteger(batchSize) && batchSize > 0)) throw new RangeError(`batchSize is ${batchSize}; a whole number above 0 is needed.`);
    const padTokenId = model.padTokenId ?? tokenizer.padTokenId;
    if (padTokenId === null) throw new RangeError("Neither the model nor the tokenizer names a padding token. Set model.padTokenId.");
    this.padTokenId = padTokenId;
    this.ratings = jit((...tensors: Tensor[]) => {
      const logits = textScores(model, scoreTensorsFrom(tensors));
      const { expected, variance, entropy } = ratingSummary(logits);
      return tf.concat([tf.stack([expected, variance, entropy], 1) as Tensor2D, tf.softmax(logits)], 1);
    }, { name: "rate_texts", expectedTraces: BUCKETED, ...(precision ? { precision } : {}) });
  }

  /**
   * @param texts texts or chats, prompt and answer in each, read as RatingTrainer reads those of a pair: a text has the end
   * token behind it, a chat is rendered by the chat template
   * @returns the texts' ratings, in their order @throws TypeError with the text's number (counted from 0) for one that is empty
   */
  async rate(texts: readonly (string | readonly Message[])[]): Promise<TextRating[]> {
    const sequences = texts.map((text, i) => this.idsOf(text, i));
    const ratings: TextRating[] = [];
    const order = sequences.map((_, i) => i).sort((a, b) => sequences[a]!.length - sequences[b]!.length || a - b);
    const { batchSize = 16 } = this.options;
    for (let start = 0; start < order.length; start += batchSize) {
      const batch = order.slice(start, start + batchSize);
      const rows = await this.rateBatch(batch.map((i) => sequences[i]!));
      batch.forEach((text, i) => (ratings[text] = rows[i]!));
    }
    return ratings;
  }

  private idsOf(text: string | readonly Message[], index: number): number[] {
    const { model, tokenizer, maxLength = null } = this.options;
    let ids: number[];
    try {
      ids = scoredIds(text, tokenizer).slice(0, maxLength ?? undefined);
    } catch (error) {
      throw new TypeError(`Text ${index}: ${(error as Error).message}`, { cause: error });
    }
    const { maxPositionEmbeddings } = model.config;
    if (ids.length > maxPositionEmbeddings) throw new RangeError(`Text ${index} has ${ids.length} tokens, the model has ${maxPositionEmbeddings} positions. Set maxLength.`);
    return ids;
  }

  private async rateBatch(texts: readonly (readonly number[])[]): Promise<TextRating[]> {
    const packed = packTexts(texts, { padTokenId: this.padTokenId, ...ROUNDING });
    // A smaller last batch is filled up to a size that is compiled already.
    const scored = Int32Array.from({ length: batchBucket(texts.length) }, (_, i) => packed.scored[i] ?? packed.scored[0]!);
    const tensors = scoreTensorList(toScoreTensors({ ...packed, scored }));
    const result = this.ratings(...tensors);
    try {
      const rows = (await result.array()) as number[][];
      return rows.slice(0, texts.length).map(([expected, variance, entropy, ...probabilities]) => ({ probabilities, expected: expected!, variance: variance!, entropy: entropy! }));
    } finally {
      tf.dispose([result, ...tensors]);
    }
  }

  /** Frees the compiled functions. The model stays. */
  dispose(): void {
    this.ratings.dispose();
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
