/** A model's config.json, in Hugging Face's names; whatever else the file holds is kept. */
export interface HfConfig {
  model_type: string;
  architectures?: string[];
  hidden_size: number;
  intermediate_size: number;
  num_hidden_layers: number;
  num_attention_heads: number;
  num_key_value_heads: number;
  head_dim: number;
  rms_norm_eps: number;
  rope_theta: number;
  vocab_size: number;
  max_position_embeddings: number;
  tie_word_embeddings: boolean;
  hidden_act: string;
  bos_token_id: number | null;
  /** Some models end a turn with any of several tokens. */
  eos_token_id: number | number[] | null;
  pad_token_id: number | null;
  [other: string]: unknown;
}

/** The families of encoders. What their config.json says is read by `parseEncoderConfig`, which knows each one's names. */
export const ENCODER_TYPES = ["bert", "distilbert", "roberta"] as const;

export type EncoderType = (typeof ENCODER_TYPES)[number];

/** Whether a config.json is an encoder's. */
export const isEncoderConfig = ({ model_type: type }: HfConfig): boolean => (ENCODER_TYPES as readonly string[]).includes(type);

const requiredSizes = ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size"] as const;

/**
 * Reads a parsed config.json: an encoder's as it is; of the Llama family, what transformers fills in by default is filled in, and
 * `rope_parameters` (transformers 5) moves to `rope_theta` and `rope_scaling` (transformers 4).
 * @param where the file's path, for errors
 * @throws when a size is missing or no positive whole number
 */
export function readConfig(json: Record<string, unknown>, where: string): HfConfig {
  if (typeof json.model_type !== "string") throw new Error(`${where} names no model_type.`);
  if (isEncoderConfig(json as HfConfig)) return json as HfConfig;
  for (const key of requiredSizes) {
    const value = json[key];
    if (!Number.isInteger(value) || (value as number) <= 0) throw new Error(`${where}: ${key} is ${JSON.stringify(value)}; a positive whole number is needed.`);
  }
  const raw = json as Record<(typeof requiredSizes)[number], number> & Record<string, unknown>;
  const rope = (raw.rope_parameters ?? {}) as Record<string, unknown>;
  const { rope_theta: ropeTheta, ...scaling } = rope;
  const scaled = scaling.rope_type !== undefined && scaling.rope_type !== "default";
  const config: HfConfig = {
    num_key_value_heads: raw.num_attention_heads,
    head_dim: raw.hidden_size / raw.num_attention_heads,
    rms_norm_eps: 1e-6,
    max_position_embeddings: 2048,
    tie_word_embeddings: false,
    hidden_act: "silu",
    bos_token_id: null,
    eos_token_id: null,
    pad_token_id: null,
    ...withoutUndefined(raw),
    model_type: json.model_type,
    rope_theta: Number(raw.rope_theta ?? ropeTheta ?? 10_000),
    rope_scaling: raw.rope_scaling ?? (scaled ? scaling : null),
  };
  delete config.rope_parameters;
  return config;
}

function withoutUndefined<T extends Record<string, unknown>>(record: T): T {
  return Object.fromEntries(Object.entries(record).filter(([key, value]) => value !== undefined && !(value === null && key in { head_dim: 0, num_key_value_heads: 0 }))) as T;
}
