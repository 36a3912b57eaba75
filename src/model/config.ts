import type { HfConfig } from "../hub/config";

/** What a Llama-family model's shape and mathematics depend on, from Hugging Face's config.json. */
export interface LlamaConfig {
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  numKeyValueHeads: number;
  headDim: number;
  rmsNormEps: number;
  ropeTheta: number;
  maxPositionEmbeddings: number;
  tieWordEmbeddings: boolean;
  bosTokenId: number | null;
  eosTokenId: number | null;
  padTokenId: number | null;
}

/** Thrown for a model that this library cannot run as it is defined. */
export class UnsupportedModelError extends Error {
  override name = "UnsupportedModelError";
}

const firstId = (value: unknown): number | null => {
  const id = Array.isArray(value) ? (value[0] as unknown) : value;
  return typeof id === "number" ? id : null;
};

/**
 * Reads the parts of config.json that the model needs.
 * @throws UnsupportedModelError naming the entry that is missing or asks for something the model does not do.
 */
export function parseLlamaConfig(config: HfConfig): LlamaConfig {
  if (config.model_type !== "llama") {
    throw new UnsupportedModelError(`config.json: model_type is ${JSON.stringify(config.model_type)}. Supported: "llama" (SmolLM, SmolLM2 and other Llama-style models).`);
  }
  const number = (key: string, fallback?: number): number => {
    const value = config[key] ?? fallback;
    if (typeof value !== "number" || !Number.isFinite(value)) throw new UnsupportedModelError(`config.json: ${key} is ${JSON.stringify(value)}, a number is needed.`);
    return value;
  };
  refuse(config, "hidden_act", (value) => value === undefined || value === "silu");
  refuse(config, "attention_bias", (value) => !value);
  refuse(config, "mlp_bias", (value) => !value);
  refuse(config, "rope_scaling", isPlainRope);
  refuse(config, "rope_parameters", isPlainRope);
  const parameters = (config.rope_parameters ?? {}) as { rope_theta?: number };
  const hiddenSize = number("hidden_size");
  const numAttentionHeads = number("num_attention_heads");
  const numKeyValueHeads = number("num_key_value_heads", numAttentionHeads);
  if (numAttentionHeads % numKeyValueHeads !== 0) {
    throw new UnsupportedModelError(`config.json: num_attention_heads ${numAttentionHeads} is not a multiple of num_key_value_heads ${numKeyValueHeads}.`);
  }
  const headDim = number("head_dim", hiddenSize / numAttentionHeads);
  if (!Number.isInteger(headDim / 2)) throw new UnsupportedModelError(`config.json: head_dim is ${headDim} (hidden_size ÷ num_attention_heads where it is not given); RoPE needs an even whole number.`);
  return {
    vocabSize: number("vocab_size"),
    hiddenSize,
    intermediateSize: number("intermediate_size"),
    numHiddenLayers: number("num_hidden_layers"),
    numAttentionHeads,
    numKeyValueHeads,
    headDim,
    rmsNormEps: number("rms_norm_eps", 1e-6),
    ropeTheta: number("rope_theta", parameters.rope_theta ?? 10000),
    maxPositionEmbeddings: number("max_position_embeddings", 2048),
    tieWordEmbeddings: config.tie_word_embeddings === true,
    bosTokenId: firstId(config.bos_token_id),
    eosTokenId: firstId(config.eos_token_id),
    padTokenId: firstId(config.pad_token_id),
  };
}

function isPlainRope(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  const kind = (value as { rope_type?: string; type?: string }).rope_type ?? (value as { type?: string }).type ?? "default";
  return kind === "default";
}

function refuse(config: HfConfig, key: string, isFine: (value: unknown) => boolean): void {
  if (!isFine(config[key])) throw new UnsupportedModelError(`config.json: ${key} = ${JSON.stringify(config[key])} is not supported.`);
}
