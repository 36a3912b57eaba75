import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { HfConfig } from "../hub/config";
import { labelsOf, numLabelsOf, SCORE_NAME, withFreshHead, withLabels, type FreshHead } from "./classifierHead";
import { parseLlamaConfig } from "./config";
import { bodyShapes, LlamaModel, type LlamaForCausalLM } from "./llama";
import { embedding } from "./ops";
import { createParameters, type ReadTensor } from "./pretrained";

/**
 * A Llama body with a score head, transformers' `LlamaForSequenceClassification`: the head reads the last token that is not
 * padding. With one label it is a reward model.
 */
export class LlamaForSequenceClassification extends LlamaModel {
  /**
   * Builds a model from config.json and a reader of its tensors.
   * @throws UnsupportedModelError when a tensor is missing or has another shape than the config says
   */
  static async create(hfConfig: HfConfig, read: ReadTensor): Promise<LlamaForSequenceClassification> {
    const own = { ...hfConfig };
    const config = parseLlamaConfig(own);
    return new LlamaForSequenceClassification(own, config, await createParameters(classifierShapes(own), read));
  }

  /** A classifier with a copy of a causal language model's body and a fresh head. */
  static async fromCausalLM(model: LlamaForCausalLM, head: FreshHead = {}): Promise<LlamaForSequenceClassification> {
    const config = withLabels(model.hfConfig, head);
    const read: ReadTensor = (name) => model.read(name);
    return LlamaForSequenceClassification.create(config, withFreshHead(config, read, head.seed));
  }

  /** [labels, hidden] */
  get score(): Tensor2D {
    return this.parameters.get(SCORE_NAME) as unknown as Tensor2D;
  }

  get numLabels(): number {
    return this.score.shape[0];
  }

  /** What each score is called. */
  get labels(): string[] {
    return labelsOf(this.hfConfig);
  }

  /** What is trained where the head alone is. */
  get headParameters(): string[] {
    return [SCORE_NAME];
  }

  /** Tokens of the longest text. */
  get maxTokens(): number {
    return this.config.maxPositionEmbeddings;
  }

  /** The token that is skipped when a text's last one is looked for, wherever it stands; null where the model has none. Saved in config.json. */
  get padTokenId(): number | null {
    return this.hfConfig.pad_token_id;
  }
  set padTokenId(id: number | null) {
    this.hfConfig.pad_token_id = id;
  }

  /** Scores of hidden states after the final norm, in float32 whatever the precision. @param states [n, hidden] @returns [n, labels] */
  scores(states: Tensor2D): Tensor2D {
    const [rows, hidden] = states.shape;
    return tf.sum(tf.mul(tf.reshape(states, [rows, 1, hidden]), this.score), 2) as Tensor2D;
  }

  /**
   * Logits of padded texts, as transformers' `model(input_ids, attention_mask).logits`: read at the last token that is not
   * `padTokenId`, whatever the mask says, so that a text that ends in a token that is padding too is read before it.
   * @param inputIds int32 [batch, length] @param attentionMask 1 for tokens, 0 for padding on either side, [batch, length]
   * @returns float32 [batch, labels] @throws RangeError for several texts where the model has no padding token
   */
  forward(inputIds: Tensor2D, attentionMask: Tensor2D = tf.onesLike(inputIds)): Tensor2D {
    const [batch, length] = inputIds.shape;
    const states = tf.reshape(this.paddedStates(inputIds, attentionMask) as Tensor3D, [batch * length, -1]) as Tensor2D;
    const starts = tf.range(0, batch * length, length, "int32");
    return this.scores(embedding(states, tf.add(starts, this.lastTokens(inputIds))) as Tensor2D);
  }

  private lastTokens(inputIds: Tensor2D): Tensor1D {
    const [batch, length] = inputIds.shape;
    const { padTokenId } = this;
    if (padTokenId === null) {
      if (batch === 1) return tf.tensor1d([length - 1], "int32");
      throw new RangeError("The model has no padding token, so the ends of several texts cannot be told. Set model.padTokenId, or give one text at a time.");
    }
    const isToken: Tensor = tf.cast(tf.notEqual(inputIds, tf.scalar(padTokenId, "int32")), "int32");
    return tf.max(tf.mul(isToken, tf.range(0, length, 1, "int32")), 1) as Tensor1D;
  }

  /** A second model with the same weights of its own. */
  async clone(): Promise<LlamaForSequenceClassification> {
    const copy = await LlamaForSequenceClassification.create(this.hfConfig, (name) => this.read(name));
    copy.fingerprint = this.fingerprint;
    return copy;
  }
}

/** Names and shapes of every parameter of a classifier: a causal model's, with the score head in place of its own. */
export function classifierShapes(config: HfConfig): Map<string, number[]> {
  return bodyShapes(parseLlamaConfig(config)).set(SCORE_NAME, [numLabelsOf(config), config.hidden_size]);
}
