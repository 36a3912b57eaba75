import { isEncoderConfig, type EncoderType, type HfConfig } from "../hub/config";
import { parseLlamaConfig, UnsupportedModelError, type LlamaConfig } from "./config";

/** What an encoder's shape and mathematics depend on, whatever its family calls it in config.json. */
export interface EncoderConfig {
  modelType: EncoderType;
  vocabSize: number;
  hiddenSize: number;
  intermediateSize: number;
  numHiddenLayers: number;
  numAttentionHeads: number;
  /** Of the feed-forward half; `gelu` is the exact one. */
  activation: "gelu" | "relu";
  layerNormEps: number;
  /** Rows of the table of positions. RoBERTa's texts begin at row `padTokenId` + 1. */
  maxPositionEmbeddings: number;
  /** Kinds of token (first text, second text); 0 where the family has none. */
  typeVocabSize: number;
  /** The token whose embedding is never trained; null for none. */
  padTokenId: number | null;
}

type Size = "hiddenSize" | "intermediateSize" | "numHiddenLayers" | "numAttentionHeads" | "activation";

const BERT_NAMES: Record<Size, string> = {
  hiddenSize: "hidden_size", intermediateSize: "intermediate_size", numHiddenLayers: "num_hidden_layers", numAttentionHeads: "num_attention_heads", activation: "hidden_act",
};
const NAMES: Record<EncoderType, Record<Size, string>> = {
  bert: BERT_NAMES, roberta: BERT_NAMES,
  distilbert: { hiddenSize: "dim", intermediateSize: "hidden_dim", numHiddenLayers: "n_layers", numAttentionHeads: "n_heads", activation: "activation" },
};

/** What transformers takes where config.json does not say. */
const PADDING: Record<EncoderType, number> = { bert: 0, distilbert: 0, roberta: 1 };
const NORM_EPS = 1e-12;

/**
 * Reads the parts of an encoder's config.json that the model needs.
 * @throws UnsupportedModelError naming the entry that is missing or asks for something the model does not do
 */
export function parseEncoderConfig(config: HfConfig): EncoderConfig {
  if (!isEncoderConfig(config)) throw new UnsupportedModelError(`config.json: model_type is ${JSON.stringify(config.model_type)}; "bert", "distilbert" and "roberta" are encoders.`);
  const modelType = config.model_type as EncoderType;
  const names = NAMES[modelType];
  const size = (key: string, fallback?: number): number => {
    const value = config[key] ?? fallback;
    if (!Number.isInteger(value) || (value as number) <= 0) throw new UnsupportedModelError(`config.json: ${key} is ${JSON.stringify(value)}; a positive whole number is needed.`);
    return value as number;
  };
  for (const key of ["is_decoder", "add_cross_attention"]) if (config[key]) throw new UnsupportedModelError(`config.json: ${key} is true; only encoders that see the whole text are supported.`);
  const positions = config.position_embedding_type ?? "absolute";
  if (positions !== "absolute") throw new UnsupportedModelError(`config.json: position_embedding_type is ${JSON.stringify(positions)}; "absolute" is supported.`);
  const activation = config[names.activation] ?? "gelu";
  if (activation !== "gelu" && activation !== "relu") throw new UnsupportedModelError(`config.json: ${names.activation} is ${JSON.stringify(activation)}; "gelu" and "relu" are supported.`);
  const layerNormEps = modelType === "distilbert" ? NORM_EPS : (config.layer_norm_eps ?? NORM_EPS);
  if (typeof layerNormEps !== "number") throw new UnsupportedModelError(`config.json: layer_norm_eps is ${JSON.stringify(layerNormEps)}; a number is needed.`);
  const padTokenId = config.pad_token_id === undefined ? PADDING[modelType] : config.pad_token_id;
  if (modelType === "roberta" && padTokenId === null) throw new UnsupportedModelError("config.json: pad_token_id is null; RoBERTa counts positions from it.");
  const [hiddenSize, numAttentionHeads] = [size(names.hiddenSize), size(names.numAttentionHeads)];
  if (hiddenSize % numAttentionHeads !== 0) throw new UnsupportedModelError(`config.json: ${names.hiddenSize} ${hiddenSize} is not a multiple of ${names.numAttentionHeads} ${numAttentionHeads}.`);
  return {
    modelType, vocabSize: size("vocab_size"), hiddenSize, intermediateSize: size(names.intermediateSize), numHiddenLayers: size(names.numHiddenLayers), numAttentionHeads,
    activation, layerNormEps, maxPositionEmbeddings: size("max_position_embeddings", 512), typeVocabSize: modelType === "distilbert" ? 0 : size("type_vocab_size", 2), padTokenId,
  };
}

/** What a config.json of any family says. */
export const parseConfig = (config: HfConfig): LlamaConfig | EncoderConfig => (isEncoderConfig(config) ? parseEncoderConfig(config) : parseLlamaConfig(config));
