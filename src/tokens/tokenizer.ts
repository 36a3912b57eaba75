import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import type { Message } from "../data/messages";

export type { Message };

/** What is used of the class of @huggingface/transformers, whose own declarations are heavy to check in a notebook's every cell. */
interface PreTrainedTokenizer {
  (text: string, options: { text_pair: string | null; add_special_tokens: boolean; return_tensor: false; return_token_type_ids: true }): { input_ids: number[]; token_type_ids?: number[] };
  bos_token_id?: number;
  eos_token_id?: number;
  pad_token_id?: number;
  sep_token_id?: number;
  encode(text: string, options: { add_special_tokens: boolean }): number[];
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  get_vocab(): Map<string, number>;
  apply_chat_template(messages: Message[], options: { tokenize: false; add_generation_prompt: boolean }): string;
}

interface TransformersModule {
  PreTrainedTokenizer: new (tokenizerJson: object, tokenizerConfig: object) => PreTrainedTokenizer;
}

/** Ids of a text or a pair of texts, special tokens included. */
export interface EncodedText {
  ids: number[];
  /** 1 for the tokens of the second text, 0 for those of the first. */
  tokenTypeIds: number[];
}

/** transformers writes a number like 10³⁰ where a tokenizer has no limit. */
const NO_LIMIT = 1e20;

/** A Hugging Face tokenizer: text to ids and back, and the model's chat template. */
export class Tokenizer {
  readonly vocabSize: number;
  readonly bosTokenId: number | null;
  readonly eosTokenId: number | null;
  /** The padding token's id, or where the files name none, the end token's. */
  readonly padTokenId: number | null;
  /** What an encoder's tokenizer puts behind each text ([SEP], </s>), or null. */
  readonly sepTokenId: number | null;
  /** `model_max_length` of tokenizer_config.json: the tokens that texts may have; Infinity where it names none. */
  readonly maxLength: number;
  /** The Jinja template that renders a chat, or null where the files have none. */
  readonly chatTemplate: string | null;
  /** SHA-256 of tokenizer.json and the chat template: two tokenizers with the same one give the same ids. */
  readonly fingerprint: string;
  private readonly inner: PreTrainedTokenizer;
  private readonly knownIds: Set<number>;
  private tokenOf: Map<number, string> | null = null;
  private readonly files: { tokenizerJson: Record<string, unknown>; tokenizerConfig: Record<string, unknown> };

  /** @param files tokenizer.json and tokenizer_config.json, parsed; `ModelFiles.tokenizer` is such a pair */
  constructor(files: { tokenizerJson: Record<string, unknown>; tokenizerConfig: Record<string, unknown> }) {
    // Loaded on first use: the library brings ONNX Runtime along and takes 0.2 s.
    const transformers = require("@huggingface/transformers") as TransformersModule;
    const config = plainConfig(files.tokenizerConfig);
    this.files = files;
    this.inner = new transformers.PreTrainedTokenizer(asPythonSplits(files.tokenizerJson), config);
    this.knownIds = new Set(this.inner.get_vocab().values());
    this.vocabSize = this.knownIds.size;
    this.bosTokenId = this.inner.bos_token_id ?? null;
    this.eosTokenId = this.inner.eos_token_id ?? null;
    this.padTokenId = this.inner.pad_token_id ?? this.eosTokenId;
    this.sepTokenId = this.inner.sep_token_id ?? null;
    const { model_max_length: limit } = config;
    this.maxLength = typeof limit === "number" && limit < NO_LIMIT ? limit : Infinity;
    this.chatTemplate = chatTemplateOf(config.chat_template);
    this.fingerprint = createHash("sha256").update(JSON.stringify(files.tokenizerJson)).update("\0").update(this.chatTemplate ?? "").digest("hex");
  }

  /** Ids of a text. Special tokens written out in it (`<|im_end|>`) become their ids; none is added unless asked. */
  encode(text: string, { addSpecialTokens = false }: { addSpecialTokens?: boolean } = {}): number[] {
    if (typeof text !== "string") throw new TypeError(`encode takes a string, not ${text === null ? "null" : typeof text}.`);
    return this.inner.encode(text, { add_special_tokens: addSpecialTokens });
  }

  /** Ids of a text, or of two, with the special tokens that the tokenizer adds, and which of the two each token is of. */
  encodePair(text: string, textPair: string | null = null): EncodedText {
    const { input_ids: ids, token_type_ids: types } = this.inner(text, { text_pair: textPair, add_special_tokens: true, return_tensor: false, return_token_type_ids: true });
    return { ids, tokenTypeIds: types ?? ids.map(() => 0) };
  }

  /** Text of ids; an id that the vocabulary lacks is left out, as Python's tokenizers do. */
  decode(ids: ArrayLike<number>, { skipSpecialTokens = false }: { skipSpecialTokens?: boolean } = {}): string {
    const known = Array.from(ids).filter((id) => this.knownIds.has(id));
    if (known.length === 0) return "";
    const cleanUp = this.files.tokenizerConfig.clean_up_tokenization_spaces === true;
    return this.inner.decode(known, { skip_special_tokens: skipSpecialTokens, clean_up_tokenization_spaces: cleanUp });
  }

  /** `decode` for each sequence. */
  batchDecode(sequences: ArrayLike<number>[], options: { skipSpecialTokens?: boolean } = {}): string[] {
    return sequences.map((ids) => this.decode(ids, options));
  }

  /** The bytes of UTF-8 that one token adds to a text; a character may be spread over several tokens. Empty for an id that the vocabulary lacks. */
  bytesOf(id: number): Buffer {
    this.tokenOf ??= new Map([...this.inner.get_vocab()].map(([token, id]) => [id, token]));
    const token = this.tokenOf.get(id);
    if (token === undefined) return Buffer.alloc(0);
    const isByteLevel = JSON.stringify(this.files.tokenizerJson.decoder ?? this.files.tokenizerJson.pre_tokenizer ?? null).includes('"ByteLevel"');
    const bytes = [...token].map((character) => BYTE_OF.get(character) ?? -1);
    if (isByteLevel && !bytes.includes(-1)) return Buffer.from(bytes);
    const single = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
    if (single) return Buffer.from(single[1]!, "hex");
    // A token alone may lose the space before it: it is decoded behind others, whose text is then taken away.
    const before = this.encode("abcdef");
    return Buffer.from(this.decode([...before, id]).slice(this.decode(before).length), "utf8");
  }

  /**
   * Renders a chat as one string by the model's template.
   * @throws when the tokenizer has no template, the messages are malformed, or the template refuses them
   */
  applyChatTemplate(messages: Message[], { addGenerationPrompt = false }: { addGenerationPrompt?: boolean } = {}): string {
    if (this.chatTemplate === null) throw new Error("This tokenizer has no chat template: it belongs to a base model. Take an instruct model, or set chat_template in its tokenizer_config.json.");
    messages.forEach((message, index) => {
      if (typeof message?.role !== "string" || typeof message.content !== "string") throw new TypeError(`Message ${index} of the chat needs a role and a content, both strings; it is ${JSON.stringify(message)}.`);
    });
    return this.inner.apply_chat_template(messages, { tokenize: false, add_generation_prompt: addGenerationPrompt });
  }

  /** Writes tokenizer.json and tokenizer_config.json (the chat template in it) into an existing folder, as Python's AutoTokenizer reads them. */
  async save(dir: string): Promise<void> {
    await writeFile(path.join(dir, "tokenizer.json"), JSON.stringify(this.files.tokenizerJson, null, 2));
    await writeFile(path.join(dir, "tokenizer_config.json"), `${JSON.stringify(this.files.tokenizerConfig, null, 2)}\n`);
  }
}

/** Python may write a named token as an object with its content; the JavaScript class wants `__type` there, or the plain string. */
function plainConfig(config: Record<string, unknown>): Record<string, unknown> {
  const plain = (value: unknown): unknown => (typeof (value as { content?: unknown } | null)?.content === "string" ? (value as { content: string }).content : value);
  return Object.fromEntries(Object.entries(config).map(([key, value]) => [key, key.endsWith("_token") ? plain(value) : value]));
}

/** A file may hold several named templates; chats use the one called default. */
function chatTemplateOf(template: unknown): string | null {
  if (typeof template === "string") return template;
  if (!Array.isArray(template)) return null;
  const named = template as { name: string; template: string }[];
  return named.find(({ name }) => name === "default")?.template ?? null;
}

/** The tokenizer.json that makes the JavaScript library split as Python's does, where the two differ. */
function asPythonSplits(tokenizerJson: Record<string, unknown>): Record<string, unknown> {
  const steps = [unicodeDigits(tokenizerJson.pre_tokenizer), dropUnknownBytes(tokenizerJson)].filter((step) => step != null);
  return { ...tokenizerJson, pre_tokenizer: steps.length > 1 ? { type: "Sequence", pretokenizers: steps } : (steps[0] ?? null) };
}

/** The JavaScript `Digits` step knows ASCII digits only, Python's all of Unicode's: the same split, written as an expression. */
function unicodeDigits(step: unknown): unknown {
  const node = step as { type?: string; individual_digits?: boolean; pretokenizers?: unknown[] } | null;
  if (node?.type === "Sequence") return { ...node, pretokenizers: node.pretokenizers?.map(unicodeDigits) };
  if (node?.type === "Digits") return { type: "Split", pattern: { Regex: node.individual_digits ? "\\p{N}" : "\\p{N}+" }, behavior: "Isolated", invert: false };
  return step;
}

/**
 * Bytes that a byte-level vocabulary lacks (SmolLM2's has 235 of 256) vanish in both libraries, but Python's drops them before it
 * merges and may join their neighbours, JavaScript's after. A step that takes them out early makes both agree.
 */
function dropUnknownBytes(tokenizerJson: Record<string, unknown>): unknown {
  const model = tokenizerJson.model as { type?: string; unk_token?: string | null; byte_fallback?: boolean; vocab?: Record<string, number> } | undefined;
  const isByteLevel = JSON.stringify(tokenizerJson.pre_tokenizer ?? null).includes('"ByteLevel"');
  if (!isByteLevel || model?.type !== "BPE" || model.unk_token != null || model.byte_fallback || !model.vocab) return null;
  const vocabulary = model.vocab;
  const missing = byteLevelAlphabet().filter((character) => !(character in vocabulary));
  if (missing.length === 0) return null;
  const expression = missing.map((character) => `\\u{${character.codePointAt(0)!.toString(16)}}`).join("");
  return { type: "Replace", pattern: { Regex: `[${expression}]` }, content: "" };
}

/** Byte-level BPE writes each byte as one printable character: itself where it has one in Latin-1, else the next free one from U+0100. */
function byteLevelAlphabet(): string[] {
  const printable = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(printable(byte) ? byte : next++));
}

const BYTE_OF: ReadonlyMap<string, number> = new Map(byteLevelAlphabet().map((character, byte) => [character, byte]));
