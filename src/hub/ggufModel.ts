import type { Gguf } from "./gguf";
import type { HfConfig } from "./config";

/** A GGUF Llama model's config.json, rebuilt from its metadata.
 *  @throws for another architecture, or one whose rotary embedding is scaled in a way that GGUF stores as a tensor */
export function ggufConfig(gguf: Gguf): HfConfig {
  const { metadata, tensors, path } = gguf;
  const architecture = metadata.get("general.architecture");
  if (architecture !== "llama") throw new Error(`${path} holds a model of architecture ${JSON.stringify(architecture)}; of GGUF files only "llama" (Llama, SmolLM, SmolLM2) is read.`);
  if (tensors.has("rope_freqs.weight")) throw new Error(`${path} stores rotary scaling factors as a tensor (Llama 3.1 and later), which is not read from GGUF. Load the model's safetensors.`);
  const scaling = metadata.get("llama.rope.scaling.type") ?? "none";
  if (scaling !== "none") throw new Error(`${path} uses rotary scaling ${JSON.stringify(scaling)}, which is not read from GGUF. Load the model's safetensors.`);
  const heads = number(gguf, "llama.attention.head_count");
  const hiddenSize = number(gguf, "llama.embedding_length");
  const embedding = tensors.get("token_embd.weight");
  if (!embedding) throw new Error(`${path} has no tensor token_embd.weight.`);
  return {
    architectures: ["LlamaForCausalLM"],
    attention_bias: false,
    attention_dropout: 0,
    bos_token_id: optional(gguf, "tokenizer.ggml.bos_token_id") ?? null,
    eos_token_id: optional(gguf, "tokenizer.ggml.eos_token_id") ?? null,
    head_dim: optional(gguf, "llama.attention.key_length") ?? hiddenSize / heads,
    hidden_act: "silu",
    hidden_size: hiddenSize,
    intermediate_size: number(gguf, "llama.feed_forward_length"),
    max_position_embeddings: number(gguf, "llama.context_length"),
    mlp_bias: false,
    model_type: "llama",
    num_attention_heads: heads,
    num_hidden_layers: number(gguf, "llama.block_count"),
    num_key_value_heads: optional(gguf, "llama.attention.head_count_kv") ?? heads,
    pad_token_id: optional(gguf, "tokenizer.ggml.padding_token_id") ?? null,
    pretraining_tp: 1,
    rms_norm_eps: shortest(number(gguf, "llama.attention.layer_norm_rms_epsilon")),
    rope_scaling: null,
    rope_theta: shortest(optional(gguf, "llama.rope.freq_base") ?? 10_000),
    tie_word_embeddings: !tensors.has("output.weight"),
    use_cache: true,
    vocab_size: embedding.shape[0]!,
  };
}

/** The GGUF names of a Llama model's tensors under their Hugging Face names. */
export function ggufNames(config: HfConfig): Map<string, string> {
  const names = new Map([
    ["model.embed_tokens.weight", "token_embd.weight"],
    ["model.norm.weight", "output_norm.weight"],
  ]);
  if (!config.tie_word_embeddings) names.set("lm_head.weight", "output.weight");
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    for (const [ours, theirs] of Object.entries(layerNames)) names.set(`model.layers.${layer}.${ours}.weight`, `blk.${layer}.${theirs}.weight`);
  }
  return names;
}

const layerNames = {
  input_layernorm: "attn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  post_attention_layernorm: "ffn_norm",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
};

/** A tensor of a GGUF Llama model as Hugging Face has it: Q and K get their rows back in the order that rotates halves. */
export function readGgufTensor(gguf: Gguf, config: HfConfig, name: string, ggufName: string): Float32Array {
  const weights = gguf.readTensor(ggufName);
  if (name.endsWith("q_proj.weight")) return unpermute(weights, config.num_attention_heads, config.head_dim);
  if (name.endsWith("k_proj.weight")) return unpermute(weights, config.num_key_value_heads, config.head_dim);
  return weights;
}

/** llama.cpp rotates neighbouring rows, Hugging Face rows half a head apart: [heads, headDim / 2, 2, in] → [heads, 2, headDim / 2, in]. */
function unpermute(weights: Float32Array, heads: number, headDim: number): Float32Array {
  const inputs = weights.length / (heads * headDim);
  const half = headDim / 2;
  const out = new Float32Array(weights.length);
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < headDim; row++) {
      const from = (head * headDim + (row % half) * 2 + Math.floor(row / half)) * inputs;
      out.set(weights.subarray(from, from + inputs), (head * headDim + row) * inputs);
    }
  }
  return out;
}

function number(gguf: Gguf, key: string): number {
  const value = optional(gguf, key);
  if (value === undefined) throw new Error(`${gguf.path} lacks the metadata ${key}.`);
  return value;
}

function optional(gguf: Gguf, key: string): number | undefined {
  const value = gguf.metadata.get(key);
  if (value === undefined) return undefined;
  if (typeof value !== "number") throw new Error(`${gguf.path}: the metadata ${key} is no single number.`);
  return value;
}

/** GGUF stores 1e-5 as a float32, 9.99999974e-6 as a double: seven digits give back what was meant. */
function shortest(value: number): number {
  return Number(value.toPrecision(7));
}
