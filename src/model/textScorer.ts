import type { Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { batchBucket, BUCKETED, promptBucket } from "../engine/buckets";
import { jit, type JitFunction } from "../engine/jit";
import type { Precision } from "../engine/recorder";
import { padTexts, type PaddedTexts } from "../tokens/padTexts";
import type { EncodedText } from "../tokens/tokenizer";
import { isEncoder, type SequenceClassifier } from "./loadClassifier";

/** A padded batch on the device, int32 [texts, length] each. */
export function toTextTensors({ texts, length, inputIds, attentionMask, tokenTypeIds }: PaddedTexts): [ids: Tensor2D, mask: Tensor2D, types: Tensor2D] {
  const grid = (values: Int32Array): Tensor2D => tf.tensor2d(values, [texts, length], "int32");
  return [grid(inputIds), grid(attentionMask), grid(tokenTypeIds)];
}

/** A classifier's logits of a padded batch; of all families BERT's tokenizers alone tell a model which text of a pair a token is of. @returns float32 [texts, labels] */
const textLogits = (model: SequenceClassifier, ids: Tensor2D, mask: Tensor2D, types: Tensor2D): Tensor2D => (isEncoder(model) && model.config.modelType === "bert" ? model.forward(ids, mask, types) : model.forward(ids, mask));

/** Scores texts in batches of like length, by compiled functions of few shapes. */
export class TextScorer {
  private readonly logits: JitFunction<[Tensor2D, Tensor2D, Tensor2D], Tensor2D>;

  constructor(private readonly model: SequenceClassifier, precision: Precision = "float32") {
    this.logits = jit((ids: Tensor2D, mask: Tensor2D, types: Tensor2D) => textLogits(model, ids, mask, types), { precision, name: "classify", expectedTraces: BUCKETED });
  }

  /**
   * The logits of each text, in their order.
   * @param batchSize texts at a time; 1 is taken of a model without a padding token, which cannot tell where one of several ends
   * @throws RangeError with the text's number for one without tokens or with more than the model has positions for
   */
  async score(texts: readonly EncodedText[], batchSize: number): Promise<Float32Array[]> {
    const { maxTokens, padTokenId } = this.model;
    texts.forEach(({ ids }, i) => {
      if (ids.length === 0) throw new RangeError(`Text ${i} has no tokens. Leave it out.`);
      if (ids.length > maxTokens) throw new RangeError(`Text ${i} has ${ids.length} tokens, the model takes ${maxTokens}. Cut it, or pass truncation: true.`);
    });
    const canPad = padTokenId !== null || isEncoder(this.model);
    const order = texts.map((_, i) => i).sort((a, b) => texts[a]!.ids.length - texts[b]!.ids.length || a - b);
    const scores = new Array<Float32Array>(texts.length);
    for (let start = 0, size = canPad ? batchSize : 1; start < order.length; start += size) {
      const batch = order.slice(start, start + size);
      const longest = Math.max(...batch.map((i) => texts[i]!.ids.length));
      // Rows too many are the last text once more.
      const rows = Array.from({ length: Math.min(size, batchBucket(batch.length)) }, (_, i) => texts[batch[Math.min(i, batch.length - 1)]!]!);
      const tensors = toTextTensors(padTexts(rows, padTokenId ?? 0, canPad ? Math.min(promptBucket(longest), maxTokens) : longest));
      const logits = this.logits(...tensors);
      const values = (await logits.data()) as Float32Array;
      tf.dispose([logits, ...tensors]);
      const labels = values.length / rows.length;
      batch.forEach((text, i) => (scores[text] = values.slice(i * labels, (i + 1) * labels)));
    }
    return scores;
  }

  /** Frees the compiled functions; the model stays. */
  dispose(): void {
    this.logits.dispose();
  }
}
