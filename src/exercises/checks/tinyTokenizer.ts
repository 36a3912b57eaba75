import { Tokenizer } from "../../tokens/tokenizer";

const special = ["<s>", "<|im_start|>", "<|im_end|>", "</s>"];

/** How byte-level tokenizers write a byte as a visible character. */
function byteCharacters(): string[] {
  const visible = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(visible(byte) ? byte : next++));
}

/** ChatML, with a default system turn, as SmolLM2's template has one. */
const chatTemplate =
  "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}" +
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

let tokenizer: Tokenizer | null = null;

/** A tokenizer with one token a byte and ChatML turns: no download, and lengths can be counted by hand. */
export function tinyTokenizer(): Tokenizer {
  tokenizer ??= new Tokenizer({ tokenizerJson: tokenizerJson(), tokenizerConfig: { bos_token: "<s>", eos_token: "</s>", pad_token: "</s>", chat_template: chatTemplate } });
  return tokenizer;
}

function tokenizerJson(): Record<string, unknown> {
  const vocab = Object.fromEntries([...special, ...byteCharacters()].map((token, id) => [token, id]));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: "1.0",
    added_tokens: special.map((content, id) => ({ id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false })),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "</s>", type_id: 0 } }],
      pair: [],
      special_tokens: { "<s>": { id: "<s>", ids: [0], tokens: ["<s>"] }, "</s>": { id: "</s>", ids: [3], tokens: ["</s>"] } },
    },
    decoder: byteLevel,
    model: { type: "BPE", vocab, merges: [] },
  };
}
