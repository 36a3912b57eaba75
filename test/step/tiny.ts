import type { PreferenceRow } from "../../src/data/preference";
import { Tokenizer } from "../../src/tokens/tokenizer";

const WORDS = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y", "z"];

/** A tokenizer of single letters and a space, 30 ids, with a chat template of two marks. */
export function tinyTokenizer(): Tokenizer {
  const vocabulary = ["<pad>", "<user>", "<bot>", "<end>", " ", ...WORDS];
  const special = vocabulary.slice(0, 4).map((content, id) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }));
  return new Tokenizer({
    tokenizerJson: {
      version: "1.0", truncation: null, padding: null, added_tokens: special, normalizer: null,
      pre_tokenizer: { type: "Split", pattern: { Regex: "." }, behavior: "Isolated", invert: false }, post_processor: null,
      decoder: { type: "Fuse" },
      model: { type: "BPE", vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])), merges: [], unk_token: null, fuse_unk: false },
    },
    tokenizerConfig: {
      tokenizer_class: "PreTrainedTokenizerFast", pad_token: "<pad>", eos_token: "<end>",
      chat_template: "{% for m in messages %}{{ '<' + ('user' if m.role == 'user' else 'bot') + '>' + m.content + ('<end>' if m.role != 'user' else '') }}{% endfor %}{% if add_generation_prompt %}<bot>{% endif %}",
    },
  });
}

/** Pairs whose chosen answers lean to the alphabet's beginning, of differing lengths. */
export function tinyRows(count: number, offset = 0): PreferenceRow[] {
  const text = (length: number, start: number, step: number): string => Array.from({ length }, (_, i) => WORDS[(start + i * step) % 12]).join("");
  return Array.from({ length: count }, (_, n) => {
    const k = n + offset;
    return { prompt: text(3 + (k % 5), k, 5), chosen: text(2 + (k % 7), k % 3, 1), rejected: text(3 + ((k * 3) % 6), 6 + (k % 4), 7).toUpperCase().toLowerCase().replace(/[a-f]/g, "z") };
  });
}
