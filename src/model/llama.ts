import type { Tensor1D, Tensor2D, Tensor3D, Variable } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { attentionBias, type AttentionLayout, type AttentionWeights } from "./attention";
import type { HfConfig } from "../hub/config";
import { parseLlamaConfig, type LlamaConfig } from "./config";
import { checkpointedLayers, throughLayers } from "./decoderLayer";
import type { LayerAdapters } from "./lowRank";
import { embedding, linear, rmsNorm } from "./ops";
import { createParameters, PretrainedModel, type ReadTensor } from "./pretrained";

export { createParameters, type ReadTensor } from "./pretrained";

/** One transformer layer's weights, matrices [out, in]. */
export interface LlamaLayer extends AttentionWeights {
  inputNorm: Tensor1D;
  postAttentionNorm: Tensor1D;
  gate: Tensor2D;
  up: Tensor2D;
  down: Tensor2D;
}

/** A layer's parameters, by what Hugging Face calls them within the layer. */
export const LAYER_NAMES: Record<Exclude<keyof LlamaLayer, "adapters">, string> = {
  inputNorm: "input_layernorm", q: "self_attn.q_proj", k: "self_attn.k_proj", v: "self_attn.v_proj", o: "self_attn.o_proj",
  postAttentionNorm: "post_attention_layernorm", gate: "mlp.gate_proj", up: "mlp.up_proj", down: "mlp.down_proj",
};

/** Names, in Hugging Face's terms, and shapes of the parameters of a Llama model without a head. */
export function bodyShapes(config: LlamaConfig): Map<string, number[]> {
  const { hiddenSize: h, intermediateSize: m, headDim: d, numAttentionHeads: heads, numKeyValueHeads: keyHeads, vocabSize } = config;
  const shapes: Record<keyof typeof LAYER_NAMES, number[]> = {
    inputNorm: [h], q: [heads * d, h], k: [keyHeads * d, h], v: [keyHeads * d, h], o: [h, heads * d],
    postAttentionNorm: [h], gate: [m, h], up: [m, h], down: [h, m],
  };
  const all = new Map<string, number[]>([["model.embed_tokens.weight", [vocabSize, h]]]);
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    for (const [key, name] of Object.entries(LAYER_NAMES)) all.set(`model.layers.${layer}.${name}.weight`, shapes[key as keyof typeof LAYER_NAMES]);
  }
  all.set("model.norm.weight", [h]);
  return all;
}

/** Names and shapes of every parameter of a causal language model. */
export function parameterShapes(config: LlamaConfig): Map<string, number[]> {
  const all = bodyShapes(config);
  if (!config.tieWordEmbeddings) all.set("lm_head.weight", [config.vocabSize, config.hiddenSize]);
  return all;
}

/** Tokens, where each stands in its text, and how they attend. */
export interface SequenceLayout {
  /** int32 [batch, length], as are the positions. */
  inputIds: Tensor2D;
  positions: Tensor2D;
  attention: AttentionLayout;
  /** Of the dropout in adapters, int32 [2]; without it nothing is dropped. */
  dropoutSeed?: Tensor1D | undefined;
}

/** Low-rank updates of a model's matrices, see `Lora`. */
export interface Adapter {
  /** A and B of each update, under PEFT's names. */
  readonly parameters: ReadonlyMap<string, Variable>;
  /** By layer. */
  readonly layers: readonly LayerAdapters[];
  /** What is added to a parameter's product now, [out, in]; null where nothing is. The caller disposes it. */
  deltaOf(parameter: string): Tensor2D | null;
}

/**
 * The body that models of the Llama family (SmolLM, SmolLM2) share: RoPE, grouped-query attention, RMSNorm, SwiGLU.
 * Its parameters are tf.Variables in TensorFlow's memory; every method may be called inside `jit`.
 */
export abstract class LlamaModel extends PretrainedModel {
  readonly config: LlamaConfig;
  readonly layers: readonly LlamaLayer[];
  private attached: Adapter | null = null;

  /** @param hfConfig config.json as Hugging Face writes it, kept for saving */
  protected constructor(hfConfig: HfConfig, config: LlamaConfig, parameters: Map<string, Variable>) {
    super(hfConfig, parameters);
    this.config = config;
    const layer = (index: number): LlamaLayer =>
      Object.fromEntries(Object.entries(LAYER_NAMES).map(([key, name]) => [key, parameters.get(`model.layers.${index}.${name}.weight`)!])) as unknown as LlamaLayer;
    this.layers = Array.from({ length: config.numHiddenLayers }, (_, index) => layer(index));
  }

  get embedTokens(): Tensor2D {
    return this.parameters.get("model.embed_tokens.weight") as unknown as Tensor2D;
  }
  get finalNorm(): Tensor1D {
    return this.parameters.get("model.norm.weight") as unknown as Tensor1D;
  }

  /** What training moves: the adapter's parameters where there is one, else all. */
  override get trainableParameters(): ReadonlyMap<string, Variable> {
    return this.attached?.parameters ?? this.parameters;
  }

  override get adapter(): Adapter | null {
    return this.attached;
  }

  /** Puts low-rank updates beside the model's matrices, all of which are frozen then; null takes them away. */
  setAdapter(adapter: Adapter | null): void {
    this.attached = adapter;
    this.layers.forEach((layer, i) => (layer.adapters = adapter?.layers[i]));
    for (const parameter of this.parameters.values()) parameter.trainable = adapter === null;
    this.fingerprint = null;
  }

  /** Hidden states after the final norm: [batch, length, hidden]. */
  hiddenStates({ inputIds, positions, attention, dropoutSeed }: SequenceLayout): Tensor3D {
    // transformers hands pad_token_id to the embedding: SmolLM2's is <|im_end|>, whose row learns from the head alone.
    const x = embedding(this.embedTokens, inputIds, this.config.padTokenId) as Tensor3D;
    const states = (this.gradientCheckpointing ? checkpointedLayers : throughLayers)(x, this.layers, { positions, attention, dropoutSeed }, this.config);
    return rmsNorm(states, this.finalNorm, this.config.rmsNormEps);
  }

  /**
   * Hidden states of padded sequences, as transformers' body gives them.
   * @param inputIds int32 [batch, length] @param attentionMask 1 for tokens, 0 for padding on either side, [batch, length]
   * @returns [batch, length, hidden]
   */
  protected paddedStates(inputIds: Tensor2D, attentionMask: Tensor2D): Tensor3D {
    const mask = tf.cast(attentionMask, "int32");
    const positions = tf.maximum(tf.sub(tf.cumsum(mask, 1), tf.scalar(1, "int32")), tf.scalar(0, "int32")) as Tensor2D;
    return this.hiddenStates({ inputIds, positions, attention: { bias: attentionBias(mask) } });
  }
}

/** A Llama-family causal language model. */
export class LlamaForCausalLM extends LlamaModel {
  /**
   * Builds a model from config.json and a reader of its tensors.
   * @throws UnsupportedModelError when a tensor is missing or has another shape than the config says.
   */
  static async create(hfConfig: HfConfig, read: ReadTensor): Promise<LlamaForCausalLM> {
    const config = parseLlamaConfig(hfConfig);
    return new LlamaForCausalLM(hfConfig, config, await createParameters(parameterShapes(config), read));
  }

  /** The output head, [vocabulary, hidden]: the embedding itself where the two are tied. */
  get head(): Tensor2D {
    return (this.parameters.get("lm_head.weight") as unknown as Tensor2D | undefined) ?? this.embedTokens;
  }

  /**
   * Next-token logits for every position, as transformers' `model(input_ids, attention_mask).logits`.
   * @param inputIds int32 [batch, length] @param attentionMask 1 for tokens, 0 for padding on either side, [batch, length]
   * @returns float32 [batch, length, vocabulary]
   */
  forward(inputIds: Tensor2D, attentionMask: Tensor2D = tf.onesLike(inputIds)): Tensor3D {
    return linear(this.paddedStates(inputIds, attentionMask), this.head);
  }

  /** A second model with the same weights of its own, an adapter's updates merged into them. */
  async clone(): Promise<LlamaForCausalLM> {
    const copy = await LlamaForCausalLM.create(this.hfConfig, (name) => this.read(name));
    copy.fingerprint = this.fingerprint;
    return copy;
  }
}
