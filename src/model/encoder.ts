import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D, Variable } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { HfConfig } from "../hub/config";
import { MASKED } from "./attention";
import { checkpointed } from "./checkpointing";
import type { EncoderConfig } from "./encoderConfig";
import { ENCODER_LAYOUTS, LAYER_PARTS, type EncoderLayout, type LayerPart } from "./encoderLayout";
import { affine, gelu, layerNorm, type Affine, type Norm } from "./encoderOps";
import { attend, embedding, residual } from "./ops";
import { PretrainedModel } from "./pretrained";
import { join, partSizes, split, streamCount } from "./streams";

/** One layer's weights. */
export type EncoderLayer = Record<Exclude<LayerPart, "attentionNorm" | "outputNorm">, Affine> & Record<"attentionNorm" | "outputNorm", Norm>;

const ACTIVATIONS = { gelu, relu: <T extends Tensor>(x: T): T => tf.relu(x) };

/**
 * The body that BERT (Devlin et al. 2019), RoBERTa (Liu et al. 2019) and DistilBERT (Sanh et al. 2019) share: learned positions,
 * attention over the whole text, norms behind each half of a layer. Its parameters are tf.Variables in TensorFlow's memory;
 * every method may be called inside `jit`. Nothing is dropped out, in training neither.
 */
export abstract class EncoderModel extends PretrainedModel {
  readonly config: EncoderConfig;
  readonly layers: readonly EncoderLayer[];
  protected readonly layout: EncoderLayout;

  /** @param hfConfig config.json as Hugging Face writes it, kept for saving */
  protected constructor(hfConfig: HfConfig, config: EncoderConfig, parameters: Map<string, Variable>) {
    super(hfConfig, parameters);
    this.config = config;
    this.layout = ENCODER_LAYOUTS[config.modelType];
    const { prefix, layers, parts } = this.layout;
    this.layers = Array.from({ length: config.numHiddenLayers }, (_, i) => Object.fromEntries(LAYER_PARTS.map((part) => [part, this.affineOf(`${prefix}${layers}.${i}.${parts[part]}`)])) as unknown as EncoderLayer);
  }

  /** Tokens of the longest text that has positions, special tokens included. */
  get maxTokens(): number {
    return this.config.maxPositionEmbeddings - this.firstPosition;
  }

  /** RoBERTa's rows up to its padding token's id are no text's. */
  private get firstPosition(): number {
    return this.config.modelType === "roberta" ? this.config.padTokenId! + 1 : 0;
  }

  protected affineOf(name: string): Affine {
    return { weight: this.parameters.get(`${name}.weight`) as unknown as Tensor2D, bias: this.parameters.get(`${name}.bias`) as unknown as Tensor1D };
  }

  private table(name: string): Tensor2D {
    return this.parameters.get(`${this.layout.prefix}embeddings.${name}_embeddings.weight`) as unknown as Tensor2D;
  }

  /**
   * Hidden states after the last layer, as transformers' body gives them for `last_hidden_state`.
   * @param inputIds int32 [batch, length], as are the others @param attentionMask 1 for tokens, 0 for padding
   * @param tokenTypeIds which text of a pair a token is of; ignored where the family tells none apart
   * @returns [batch, length, hidden] @throws RangeError for a length without positions
   */
  protected hiddenStates(inputIds: Tensor2D, attentionMask: Tensor2D, tokenTypeIds: Tensor2D): Tensor3D {
    const [batch, length] = inputIds.shape;
    if (length > this.maxTokens) throw new RangeError(`The texts take ${length} tokens, the model has ${this.maxTokens} positions. Cut them.`);
    const x = this.embedded(inputIds, tokenTypeIds);
    const visible = tf.cast(tf.notEqual(tf.cast(attentionMask, "int32"), tf.scalar(0, "int32")), "float32");
    const bias = tf.reshape(tf.mul(tf.sub(1, visible), MASKED), [batch, 1, 1, length]) as Tensor4D;
    if (!this.gradientCheckpointing) return this.throughLayers(x, this.layers, bias);
    return this.layers.reduce((x, layer) => this.checkpointedLayer(x, layer, bias), x);
  }

  private embedded(inputIds: Tensor2D, tokenTypeIds: Tensor2D): Tensor3D {
    const { modelType, typeVocabSize, padTokenId, layerNormEps } = this.config;
    const isRoberta = modelType === "roberta";
    // PyTorch's tables have the padding token as padding_idx: RoBERTa's of positions too, where padding stands in its row.
    const words = embedding(this.table("word"), inputIds, padTokenId) as Tensor3D;
    const positions = embedding(this.table("position"), isRoberta ? this.countedPositions(inputIds) : tf.range(0, inputIds.shape[1], 1, "int32"), isRoberta ? padTokenId : null);
    const typed = typeVocabSize > 0 ? tf.add(words, embedding(this.table("token_type"), tokenTypeIds)) : words;
    return layerNorm(tf.add(typed, positions) as Tensor3D, this.affineOf(`${this.layout.prefix}embeddings.LayerNorm`) as unknown as Norm, layerNormEps);
  }

  /** RoBERTa's positions: the tokens that are not padding, counted from `padTokenId` + 1; padding stands at `padTokenId`. */
  private countedPositions(inputIds: Tensor2D): Tensor2D {
    const padTokenId = tf.scalar(this.config.padTokenId!, "int32");
    const isToken = tf.cast(tf.notEqual(inputIds, padTokenId), "int32");
    return tf.add(tf.mul(tf.cumsum(isToken, 1), isToken), padTokenId) as Tensor2D;
  }

  /** Layers over parts of the batch that are computed side by side, see `streamCount`. */
  private throughLayers(x: Tensor3D, layers: readonly EncoderLayer[], bias: Tensor4D): Tensor3D {
    const [batch] = x.shape;
    const count = streamCount(x.size);
    // Parts of different shapes would have twice as much compiled for them.
    const sizes = partSizes(batch, batch % count === 0 ? count : 1);
    const biases = split(bias, sizes);
    return join(split(x, sizes).map((part, i) => layers.reduce((y, layer) => encoderLayer(y, layer, biases[i]!, this.config), part)));
  }

  private checkpointedLayer(x: Tensor3D, layer: EncoderLayer, bias: Tensor4D): Tensor3D {
    const part = (x: Tensor3D, { bias }: { bias: Tensor4D }): Tensor3D => this.throughLayers(x, [layer], bias);
    return checkpointed(part as never, x, { bias }, LAYER_PARTS.flatMap((name) => [layer[name].weight, layer[name].bias] as Tensor[]));
  }
}

/** One post-norm layer: y = norm(x + attention(x)), then norm(y + mlp(y)). @param x [batch, length, hidden] @param bias [batch, 1, 1, length], of the keys */
function encoderLayer(x: Tensor3D, layer: EncoderLayer, bias: Tensor4D, config: EncoderConfig): Tensor3D {
  const attended = layerNorm(residual(x, affine(selfAttention(x, layer, bias, config), layer.attentionOutput)), layer.attentionNorm, config.layerNormEps);
  const inner = ACTIVATIONS[config.activation](affine(attended, layer.intermediate));
  return layerNorm(residual(attended, affine(inner, layer.output)), layer.outputNorm, config.layerNormEps);
}

/** The heads' values, before they are mixed. @returns as `x` */
function selfAttention(x: Tensor3D, { query, key, value }: EncoderLayer, bias: Tensor4D, { numAttentionHeads: heads, hiddenSize }: EncoderConfig): Tensor3D {
  const [batch, length] = x.shape;
  const width = hiddenSize / heads;
  const perHead = (y: Tensor): Tensor4D => tf.transpose(tf.reshape(y, [batch, length, heads, width]), [0, 2, 1, 3]) as Tensor4D;
  const q = perHead(tf.mul(affine(x, query), 1 / Math.sqrt(width)));
  const mixed = attend(q, perHead(affine(x, key)), perHead(affine(x, value)), bias);
  return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch, length, hiddenSize]) as Tensor3D;
}
