import type { Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { HfConfig } from "../hub/config";
import { labelsOf, numLabelsOf } from "./classifierHead";
import { EncoderModel } from "./encoder";
import { parseEncoderConfig } from "./encoderConfig";
import { encoderShapes } from "./encoderLayout";
import { affine } from "./encoderOps";
import { createParameters, type ReadTensor } from "./pretrained";

/**
 * An encoder with a head that scores a text at its first token ([CLS], <s>): transformers' `BertForSequenceClassification`,
 * `RobertaForSequenceClassification` and `DistilBertForSequenceClassification`. With one label it is a reward model.
 */
export class EncoderForSequenceClassification extends EncoderModel {
  /**
   * Builds a model from config.json and a reader of its tensors.
   * @throws UnsupportedModelError when a tensor is missing or has another shape than the config says
   */
  static async create(hfConfig: HfConfig, read: ReadTensor): Promise<EncoderForSequenceClassification> {
    const config = parseEncoderConfig(hfConfig);
    return new EncoderForSequenceClassification({ ...hfConfig }, config, await createParameters(encoderShapes(config, numLabelsOf(hfConfig)), read));
  }

  get numLabels(): number {
    return numLabelsOf(this.hfConfig);
  }

  /** What each score is called. */
  get labels(): string[] {
    return labelsOf(this.hfConfig);
  }

  /** What is trained where the head alone is: all that is not the body's. BERT's pooler is. */
  get headParameters(): string[] {
    return [...this.parameters.keys()].filter((name) => !name.startsWith(this.layout.prefix));
  }

  /** What fills up shorter texts. RoBERTa counts no position for it; null where the model has none. */
  get padTokenId(): number | null {
    return this.config.padTokenId;
  }

  /**
   * Logits of padded texts, as transformers' `model(input_ids, attention_mask, token_type_ids).logits`, in float32 whatever the
   * precision.
   * @param inputIds int32 [batch, length] @param attentionMask 1 for tokens, 0 for padding, [batch, length]
   * @param tokenTypeIds 1 for the tokens of a pair's second text, int32 [batch, length]; without it all are 0
   * @returns float32 [batch, labels] @throws RangeError for texts longer than `maxTokens`
   */
  forward(inputIds: Tensor2D, attentionMask: Tensor2D = tf.onesLike(inputIds), tokenTypeIds: Tensor2D = tf.zerosLike(inputIds)): Tensor2D {
    const { summary, summaryActivation, score } = this.layout;
    const states = this.hiddenStates(inputIds, attentionMask, tokenTypeIds);
    const [batch, , hidden] = states.shape;
    const first = tf.reshape(tf.slice(states, [0, 0, 0], [batch, 1, hidden]), [batch, hidden]) as Tensor2D;
    const dense = affine(first, this.affineOf(summary));
    const bent = summaryActivation === "tanh" ? tf.tanh(dense) : tf.relu(dense);
    const { weight, bias } = this.affineOf(score);
    return tf.add(tf.sum(tf.mul(tf.reshape(bent, [batch, 1, hidden]), weight), 2), bias) as Tensor2D;
  }

  /** A second model with the same weights of its own. */
  async clone(): Promise<EncoderForSequenceClassification> {
    const copy = await EncoderForSequenceClassification.create(this.hfConfig, (name) => this.read(name));
    copy.fingerprint = this.fingerprint;
    return copy;
  }
}
