import type { Gguf } from "./gguf";

/** The two files that make a Hugging Face tokenizer, parsed. */
export interface TokenizerFiles {
  tokenizerJson: Record<string, unknown>;
  tokenizerConfig: Record<string, unknown>;
}

const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };

/** What splits text before byte-pair encoding, by GGUF's name for it. SmolLM cuts every digit of any script apart. */
const preTokenizers: Record<string, unknown> = {
  smollm: { type: "Sequence", pretokenizers: [{ type: "Split", pattern: { Regex: "\\p{N}" }, behavior: "Isolated", invert: false }, byteLevel] },
  "gpt-2": byteLevel,
};

/** Token types of GGUF: 3 is control, 4 is user-defined. */
const CONTROL = 3;
const USER_DEFINED = 4;

/**
 * tokenizer.json and tokenizer_config.json, rebuilt from a GGUF file's metadata (byte-level BPE).
 * @throws for another kind of tokenizer, or a pre-tokenizer that is not known here
 */
export function ggufTokenizer(gguf: Gguf): TokenizerFiles {
  const { metadata, path } = gguf;
  const model = metadata.get("tokenizer.ggml.model");
  const pre = String(metadata.get("tokenizer.ggml.pre"));
  if (model !== "gpt2") throw new Error(`${path} has a tokenizer of kind ${JSON.stringify(model)}; from GGUF only byte-level BPE ("gpt2") is read. Load the model's Hugging Face folder.`);
  const preTokenizer = preTokenizers[pre];
  if (!preTokenizer) throw new Error(`${path} splits text by ${JSON.stringify(pre)}; from GGUF ${Object.keys(preTokenizers).join(" and ")} are read. Load the model's Hugging Face folder.`);
  const tokens = strings(gguf, "tokenizer.ggml.tokens");
  const kinds = (metadata.get("tokenizer.ggml.token_type") ?? []) as number[];
  const addedTokens = tokens
    .map((content, id) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: kinds[id] === CONTROL }))
    .filter(({ id }) => kinds[id] === CONTROL || kinds[id] === USER_DEFINED);
  const tokenizerJson = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens,
    normalizer: null,
    pre_tokenizer: preTokenizer,
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: strings(gguf, "tokenizer.ggml.merges").map((merge) => merge.split(" ")),
    },
  };
  const named = (key: string): string | null => tokens[Number(metadata.get(`tokenizer.ggml.${key}`))] ?? null;
  const tokenizerConfig = {
    tokenizer_class: "PreTrainedTokenizerFast",
    add_prefix_space: false,
    added_tokens_decoder: Object.fromEntries(addedTokens.map(({ id, ...token }) => [String(id), token])),
    bos_token: named("bos_token_id"),
    chat_template: metadata.get("tokenizer.chat_template") ?? null,
    clean_up_tokenization_spaces: false,
    eos_token: named("eos_token_id"),
    model_max_length: metadata.get("llama.context_length") ?? null,
    pad_token: named("padding_token_id"),
    unk_token: named("unknown_token_id"),
  };
  return { tokenizerJson, tokenizerConfig };
}

function strings(gguf: Gguf, key: string): string[] {
  const value = gguf.metadata.get(key);
  if (!Array.isArray(value) || value.some((item) => typeof item !== "string")) throw new Error(`${gguf.path} lacks the metadata ${key}, a list of strings.`);
  return value as string[];
}
