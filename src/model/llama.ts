import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Variable } from "@tensorflow/tfjs";
import { tf, toResource } from "../engine/backend";
import { requireCapacity } from "../engine/capacity";
import { attentionBias, rotaryTable, selfAttention, type AttentionLayout, type AttentionWeights, type TreeRows } from "./attention";
import { checkpointed } from "./checkpointing";
import type { HfConfig } from "../hub/config";
import { UnsupportedModelError, parseLlamaConfig, type LlamaConfig } from "./config";
import { embedding, linear, residual, rmsNorm, swiGlu, type RotaryTable } from "./ops";

/** One transformer layer's weights, matrices [out, in]. */
export interface LlamaLayer extends AttentionWeights {
  inputNorm: Tensor1D;
  postAttentionNorm: Tensor1D;
  gate: Tensor2D;
  up: Tensor2D;
  down: Tensor2D;
}

const LAYER_NAMES: Record<keyof LlamaLayer, string> = {
  inputNorm: "input_layernorm", q: "self_attn.q_proj", k: "self_attn.k_proj", v: "self_attn.v_proj", o: "self_attn.o_proj",
  postAttentionNorm: "post_attention_layernorm", gate: "mlp.gate_proj", up: "mlp.up_proj", down: "mlp.down_proj",
};

/** Names, in Hugging Face's terms, and shapes of every parameter of a Llama model. */
export function parameterShapes(config: LlamaConfig): Map<string, number[]> {
  const { hiddenSize: h, intermediateSize: m, headDim: d, numAttentionHeads: heads, numKeyValueHeads: keyHeads, vocabSize } = config;
  const shapes: Record<keyof LlamaLayer, number[]> = {
    inputNorm: [h], q: [heads * d, h], k: [keyHeads * d, h], v: [keyHeads * d, h], o: [h, heads * d],
    postAttentionNorm: [h], gate: [m, h], up: [m, h], down: [h, m],
  };
  const all = new Map<string, number[]>([["model.embed_tokens.weight", [vocabSize, h]]]);
  for (let layer = 0; layer < config.numHiddenLayers; layer++) {
    for (const [key, name] of Object.entries(LAYER_NAMES)) all.set(`model.layers.${layer}.${name}.weight`, shapes[key as keyof LlamaLayer]);
  }
  all.set("model.norm.weight", [h]);
  if (!config.tieWordEmbeddings) all.set("lm_head.weight", [vocabSize, h]);
  return all;
}

/** Tokens, where each stands in its text, and how they attend. */
export interface SequenceLayout {
  /** int32 [batch, length], as are the positions. */
  inputIds: Tensor2D;
  positions: Tensor2D;
  attention: AttentionLayout;
}

let modelCount = 0;

/**
 * A Llama-family causal language model (SmolLM, SmolLM2): RoPE, grouped-query attention, RMSNorm, SwiGLU.
 * Its parameters are tf.Variables in TensorFlow's memory; every method may be called inside `jit`.
 */
export class LlamaForCausalLM {
  readonly config: LlamaConfig;
  /** Trainable parameters under Hugging Face's names. */
  readonly parameters: ReadonlyMap<string, Variable>;
  readonly layers: readonly LlamaLayer[];
  /** Names the exact weights, for caches on disk; null once they have been trained or for weights of unknown origin. */
  fingerprint: string | null = null;
  /** Whether the backward pass computes each layer anew from its input, so that its values need not be kept. */
  gradientCheckpointing = false;

  /**
   * @param hfConfig config.json as Hugging Face writes it, kept for saving
   * @param weights one array for each name of `parameterShapes`; consumed one by one
   */
  private constructor(
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

  /**
   * Builds a model from config.json and a reader of its tensors (float32, row-major, Hugging Face's names).
   * @throws UnsupportedModelError when a tensor is missing or has another shape than the config says; BackendError for a
   * model that the backend in use cannot train.
   */
  static async create(hfConfig: HfConfig, read: (name: string, shape: number[]) => Promise<Float32Array> | Float32Array): Promise<LlamaForCausalLM> {
    const config = parseLlamaConfig(hfConfig);
    await tf.ready();
    requireCapacity(new Map([...parameterShapes(config)].map(([name, shape]) => [name, tf.util.sizeFromShape(shape)])));
    const prefix = `llama${modelCount++}`;
    const parameters = new Map<string, Variable>();
    try {
      for (const [name, shape] of parameterShapes(config)) {
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
    return new LlamaForCausalLM(hfConfig, config, parameters);
  }

  get embedTokens(): Tensor2D {
    return this.parameters.get("model.embed_tokens.weight") as unknown as Tensor2D;
  }
  get finalNorm(): Tensor1D {
    return this.parameters.get("model.norm.weight") as unknown as Tensor1D;
  }
  /** The output head, [vocabulary, hidden]: the embedding itself where the two are tied. */
  get head(): Tensor2D {
    return (this.parameters.get("lm_head.weight") as unknown as Tensor2D | undefined) ?? this.embedTokens;
  }

  /** Number of parameters, the tied head counted once. */
  get parameterCount(): number {
    return [...this.parameters.values()].reduce((sum, parameter) => sum + parameter.size, 0);
  }

  /** Hidden states after the final norm: [batch, length, hidden]. */
  hiddenStates({ inputIds, positions, attention }: SequenceLayout): Tensor3D {
    const table = rotaryTable(positions, this.config);
    // transformers hands pad_token_id to the embedding: SmolLM2's is <|im_end|>, whose row learns from the head alone.
    let x = embedding(this.embedTokens, inputIds, this.config.padTokenId) as Tensor3D;
    for (const layer of this.layers) x = this.gradientCheckpointing ? checkpointedLayer(x, layer, table, attention, this.config) : decoderLayer(x, layer, table, attention, this.config);
    return rmsNorm(x, this.finalNorm, this.config.rmsNormEps);
  }

  /**
   * Next-token logits for every position, as transformers' `model(input_ids, attention_mask).logits`.
   * @param inputIds int32 [batch, length] @param attentionMask 1 for tokens, 0 for padding on either side, [batch, length]
   * @returns float32 [batch, length, vocabulary]
   */
  forward(inputIds: Tensor2D, attentionMask: Tensor2D = tf.onesLike(inputIds)): Tensor3D {
    const mask = tf.cast(attentionMask, "int32");
    const positions = tf.maximum(tf.sub(tf.cumsum(mask, 1), tf.scalar(1, "int32")), tf.scalar(0, "int32")) as Tensor2D;
    return linear(this.hiddenStates({ inputIds, positions, attention: { bias: attentionBias(mask) } }), this.head);
  }

  /** A second model with the same weights of its own. */
  async clone(): Promise<LlamaForCausalLM> {
    const copy = await LlamaForCausalLM.create(this.hfConfig, async (name) => (await this.parameters.get(name)!.data()) as Float32Array);
    copy.fingerprint = this.fingerprint;
    return copy;
  }

  /** Copies another model's weights into this one, in place. */
  copyWeightsFrom(other: LlamaForCausalLM): void {
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

/** One pre-norm layer: x + attention(norm(x)), then x + mlp(norm(x)). */
export function decoderLayer(x: Tensor3D, layer: LlamaLayer, table: RotaryTable, attention: AttentionLayout, config: LlamaConfig): Tensor3D {
  const attended = residual(x, selfAttention(rmsNorm(x, layer.inputNorm, config.rmsNormEps, true), layer, table, attention, config));
  return residual(attended, mlp(rmsNorm(attended, layer.postAttentionNorm, config.rmsNormEps, true), layer));
}

/** `decoderLayer` that keeps nothing but `x` for the backward pass. */
function checkpointedLayer(x: Tensor3D, layer: LlamaLayer, table: RotaryTable, { bias, rows }: AttentionLayout, config: LlamaConfig): Tensor3D {
  const tree = rows && { queries: rows.queries, places: rows.places, keys: rows.keys, lasts: rows.lasts };
  const part = (x: Tensor3D, { cos, sin, bias, ...tree }: RotaryTable & AttentionLayout & Partial<TreeRows>): Tensor3D =>
    decoderLayer(x, layer, { cos, sin }, rows ? { bias, rows: tree as TreeRows } : { bias }, config);
  return checkpointed(part as never, x, { ...table, bias, ...tree }, Object.values(layer));
}

/** The feed-forward half of a layer. @param x [..., hidden] */
export function mlp<T extends Tensor>(x: T, layer: LlamaLayer): T {
  return swiGlu(linear(x, layer.gate), linear(x, layer.up), layer.down) as T;
}
