import type { Tensor1D, Tensor2D, Tensor3D, Variable } from "@tensorflow/tfjs";
import { tf, toResource } from "../engine/backend";
import { attentionBias, type AttentionLayout, type AttentionWeights } from "./attention";
import { requireCapacity } from "../engine/capacity";
import type { HfConfig } from "../hub/config";
import { UnsupportedModelError, parseLlamaConfig, type LlamaConfig } from "./config";
import { checkpointedLayers, throughLayers } from "./decoderLayer";
import type { LayerAdapters } from "./lowRank";
import { embedding, linear, rmsNorm } from "./ops";

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

/** Reads one tensor's values: float32, row-major, under Hugging Face's name. */
export type ReadTensor = (name: string, shape: number[]) => Promise<Float32Array> | Float32Array;

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

let modelCount = 0;

/**
 * Makes a model's parameters, one tensor after the other.
 * @throws UnsupportedModelError when a tensor has another number of values than its shape; BackendError for a model that
 * the backend in use cannot train; none is left behind
 */
export async function createParameters(shapes: ReadonlyMap<string, number[]>, read: ReadTensor): Promise<Map<string, Variable>> {
  await tf.ready();
  requireCapacity(new Map([...shapes].map(([name, shape]) => [name, tf.util.sizeFromShape(shape)])));
  const prefix = `llama${modelCount++}`;
  const parameters = new Map<string, Variable>();
  try {
    for (const [name, shape] of shapes) {
      const values = await read(name, shape);
      const expected = shape.reduce((product, size) => product * size, 1);
      if (values.length !== expected) throw new UnsupportedModelError(`Tensor ${name} has ${values.length} values, the config's shape [${shape}] needs ${expected}.`);
      const initial = tf.tensor(values, shape);
      parameters.set(name, toResource(tf.variable(initial, true, `${prefix}/${name}`)));
      initial.dispose();
    }
  } catch (error) {
    for (const parameter of parameters.values()) parameter.dispose();
    throw error;
  }
  return parameters;
}

/**
 * The body that models of the Llama family (SmolLM, SmolLM2) share: RoPE, grouped-query attention, RMSNorm, SwiGLU.
 * Its parameters are tf.Variables in TensorFlow's memory; every method may be called inside `jit`.
 */
export abstract class LlamaModel {
  readonly config: LlamaConfig;
  /** Parameters under Hugging Face's names; those of an adapter are not among them. */
  readonly parameters: ReadonlyMap<string, Variable>;
  readonly layers: readonly LlamaLayer[];
  private attached: Adapter | null = null;
  /** Names the exact weights, for caches on disk; null once they have been trained or for weights of unknown origin. */
  fingerprint: string | null = null;
  /** Whether the backward pass computes each layer anew from its input, so that its values need not be kept. */
  gradientCheckpointing = false;

  /** @param hfConfig config.json as Hugging Face writes it, kept for saving */
  protected constructor(
    readonly hfConfig: HfConfig,
    config: LlamaConfig,
    parameters: Map<string, Variable>,
  ) {
    this.config = config;
    this.parameters = parameters;
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
  get trainableParameters(): ReadonlyMap<string, Variable> {
    return this.attached?.parameters ?? this.parameters;
  }

  get adapter(): Adapter | null {
    return this.attached;
  }

  /** Puts low-rank updates beside the model's matrices, all of which are frozen then; null takes them away. */
  setAdapter(adapter: Adapter | null): void {
    this.attached = adapter;
    this.layers.forEach((layer, i) => (layer.adapters = adapter?.layers[i]));
    for (const parameter of this.parameters.values()) parameter.trainable = adapter === null;
    this.fingerprint = null;
  }

  /** Number of parameters, the tied head counted once. */
  get parameterCount(): number {
    return [...this.parameters.values()].reduce((sum, parameter) => sum + parameter.size, 0);
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

  /** A parameter's values, with an adapter's update of it where there is one. */
  async read(name: string): Promise<Float32Array> {
    const parameter = this.parameters.get(name)!;
    const delta = this.attached?.deltaOf(name);
    if (!delta) return (await parameter.data()) as Float32Array;
    const sum = tf.add(parameter, delta);
    try {
      return (await sum.data()) as Float32Array;
    } finally {
      tf.dispose([sum, delta]);
    }
  }

  /** Copies another model's weights into this one, in place. */
  copyWeightsFrom(other: LlamaModel): void {
    for (const [name, parameter] of this.parameters) {
      const source = other.parameters.get(name);
      if (!source) throw new Error(`copyWeightsFrom: the other model has no ${name}.`);
      parameter.assign(source as never);
    }
    this.fingerprint = other.fingerprint;
  }

  /** Frees the weights. */
  dispose(): void {
    for (const parameter of this.parameters.values()) parameter.dispose();
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
