import { exercise } from "../exercise";
import { tinyTokenizer } from "./tinyTokenizer";
import type { PreferenceRow } from "../../data/preference";
import type { TokenizedRow } from "../../tokens/preference";
import type { Tokenizer } from "../../tokens/tokenizer";

/** The functions to write in parts 1 and 2. */
export type ApplyChatTemplate = (example: PreferenceRow, tokenizer: Tokenizer) => PreferenceRow;
export type TokenizeRow = (example: PreferenceRow, tokenizer: Tokenizer, maxPromptLength?: number, maxCompletionLength?: number | null) => TokenizedRow;

type Example = { prompt: string; chosen: string; rejected: string };

const system = "<|im_start|>system\nBe kind.<|im_end|>\n";
const turn = (role: string, text: string): string => `<|im_start|>${role}\n${text}<|im_end|>\n`;
const head = "<|im_start|>assistant\n";
const question = (prompt: string): string => system + turn("user", prompt);
const both = (example: Example, answer: (text: string) => string): { chosen: string; rejected: string } => ({ chosen: answer(example.chosen), rejected: answer(example.rejected) });

/** What tinyTokenizer's template makes of a pair, written out by hand. */
function rendered(example: Example): Example {
  return { prompt: question(example.prompt) + head, ...both(example, (text) => `${text}<|im_end|>\n`) };
}

export const applyChatTemplate = exercise<Example, ApplyChatTemplate>({
  id: "apply-chat-template",
  title: "Exercise 1, applyChatTemplate",
  minutes: 15,
  returns: "a record { prompt, chosen, rejected } of rendered texts",
  hints: [
    "tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true }) renders a list of { role, content }. The prompt is one user message.",
    "Render question and answer together, then cut the rendered prompt off the front: what is left is the answer as the model would have to write it.",
    "The rendered prompt is a text with a length; slice cuts that many characters off.",
  ],
  trials: [
    { tried: "a question with two short answers", input: { prompt: "How are you?", chosen: "Great, and you?", rejected: "I am an AI." } },
    { tried: "an answer that repeats its question, and one of two lines", input: { prompt: "Tea", chosen: "Tea! Tea for two.", rejected: "Tea is\na drink." } },
  ],
  parts: ["prompt", "chosen", "rejected"],
  hidden: [{ tried: "a question of two lines and an empty answer", input: { prompt: "One,\ntwo?", chosen: "Three.", rejected: "" } }],
  call: (answer, example) => answer(example, tinyTokenizer()),
  right: rendered,
  mistakes: [
    {
      name: "generation prompt missing",
      says: "The prompt ends with the user's turn. The head of the assistant's turn (the generation prompt) is missing, so the answers begin with it or the model is never told to answer.",
      wrong: (example) => ({ ...rendered(example), prompt: question(example.prompt) }),
      others: [(example) => ({ prompt: question(example.prompt), ...both(example, (text) => turn("assistant", text)) })],
    },
    {
      name: "prompt not removed",
      says: "The prompt's rendering is still at the front of the answers: the model would be trained to repeat the question. Cut it off.",
      wrong: (example) => ({ ...rendered(example), ...both(example, (text) => question(example.prompt) + turn("assistant", text)) }),
    },
    {
      name: "answer rendered alone",
      says: "The answers are rendered without their question, and the template then puts a system turn of its own before them. Render question and answer together and cut the prompt's rendering off.",
      wrong: (example) => ({ ...rendered(example), ...both(example, (text) => system + turn("assistant", text)) }),
    },
    {
      name: "head left in the answer",
      says: "The answers still begin with the head of the assistant's turn. It belongs to the prompt: cut off the rendering with the generation prompt.",
      wrong: (example) => ({ ...rendered(example), ...both(example, (text) => turn("assistant", text)) }),
    },
    { name: "answer not rendered", says: "The answers are not rendered: the <|im_end|> that ends a turn is missing, so the model would never learn to stop.", wrong: (example) => ({ ...rendered(example), ...both(example, (text) => text) }) },
    { name: "line break cut", says: "The line break after <|im_end|> is missing at the end of the answers. It is part of the template: do not trim.", wrong: (example) => ({ ...rendered(example), ...both(example, (text) => `${text}<|im_end|>`) }) },
    { name: "prompt not rendered", says: "The prompt is plain text: render it as a user turn.", wrong: (example) => ({ ...rendered(example), prompt: example.prompt }) },
    {
      name: "generation prompt after the answer",
      says: "The head of a new assistant turn stands after the answers: the generation prompt is wanted for the prompt alone.",
      wrong: (example) => ({ ...rendered(example), ...both(example, (text) => `${text}<|im_end|>\n${head}`) }),
    },
    {
      name: "chosen and rejected exchanged",
      says: "chosen and rejected are exchanged: the model would learn the answers that people did not want.",
      wrong: (example) => ({ prompt: rendered(example).prompt, chosen: rendered(example).rejected, rejected: rendered(example).chosen }),
    },
    {
      name: "answer in a user's turn",
      says: "The answers are rendered as the user's words. An answer is a message with the role assistant.",
      wrong: (example) => ({ ...rendered(example), ...both(example, (text) => turn("user", text)) }),
      others: [(example) => ({ ...rendered(example), ...both(example, (text) => turn("user", text).slice(head.length)) })],
    },
    {
      name: "system turn cut off",
      says: "The system turn is missing at the front of the prompt. The template writes it by itself, and the model was trained with it: keep what the template gives.",
      wrong: (example) => ({ ...rendered(example), prompt: turn("user", example.prompt) + head }),
    },
    { name: "one answer twice", says: "Both answers are the same one: one of chosen and rejected is used twice.", wrong: (example) => ({ ...rendered(example), rejected: rendered(example).chosen }), others: [(example) => ({ ...rendered(example), chosen: rendered(example).rejected })] },
  ],
});

type TokenizeInput = { example: Example; maxPromptLength: number | null; maxCompletionLength: number | null; defaults: boolean };

/** tinyTokenizer's ids: the four special tokens first, then one for each byte. */
function ids(text: string): number[] {
  const parts = text.split(/(<s>|<\|im_start\|>|<\|im_end\|>|<\/s>)/);
  return parts.flatMap((part, at) => (at % 2 === 1 ? [["<s>", "<|im_start|>", "<|im_end|>", "</s>"].indexOf(part)] : [...Buffer.from(part)].map((byte) => byte + 4)));
}

interface Tokenizing {
  prompt?: (ids: number[], limit: number | null) => number[];
  completion?: (ids: number[], limit: number | null) => number[];
  encode?: (text: string) => number[];
}

const first = (values: number[], limit: number | null): number[] => (limit === null ? values : values.slice(0, limit));
const last = (values: number[], limit: number | null): number[] => (limit === null ? values : values.slice(-limit));

function tokenized({ example, maxPromptLength, maxCompletionLength }: TokenizeInput, { prompt = last, completion = first, encode = ids }: Tokenizing = {}): Record<string, number[]> {
  return {
    prompt_input_ids: prompt(encode(example.prompt), maxPromptLength),
    chosen_input_ids: completion(encode(example.chosen), maxCompletionLength),
    rejected_input_ids: completion(encode(example.rejected), maxCompletionLength),
  };
}

/** A cut that keeps more or fewer tokens than its limit. */
const off = (cut: (values: number[], limit: number | null) => number[], by: number) => (values: number[], limit: number | null): number[] => cut(values, limit === null ? null : limit + by);

function bothIds(input: TokenizeInput, change: (ids: number[]) => number[]): Record<string, number[]> {
  const { chosen_input_ids, rejected_input_ids } = tokenized(input);
  return { chosen_input_ids: change(chosen_input_ids), rejected_input_ids: change(rejected_input_ids) };
}

const sample: Example = { prompt: "<|im_start|>user\nTell me more<|im_end|>\n<|im_start|>assistant\n", chosen: "Once upon a time<|im_end|>\n", rejected: "No<|im_end|>\n" };

export const tokenizeRow = exercise<TokenizeInput, TokenizeRow>({
  id: "tokenize-row",
  title: "Exercise 2, tokenizeRow",
  minutes: 15,
  returns: "a record with prompt_input_ids, chosen_input_ids and rejected_input_ids, three plain lists of ids",
  hints: [
    "tokenizer.encode(text) gives the ids of a text and adds nothing. The rendered texts hold all special tokens already.",
    "The end of a list is slice(-n), its beginning slice(0, n).",
    "null means no limit, and slice(0, null) is an empty list: treat null by itself.",
  ],
  trials: [
    { tried: "a rendered pair with room for all of it (tokenizer of the check: one token a letter)", input: { example: sample, maxPromptLength: 100, maxCompletionLength: 100, defaults: false } },
    { tried: "at most 12 tokens of the prompt and 5 of an answer", input: { example: sample, maxPromptLength: 12, maxCompletionLength: 5, defaults: false } },
    { tried: "no limit for the answers (null)", input: { example: sample, maxPromptLength: 20, maxCompletionLength: null, defaults: false } },
    {
      tried: "a prompt and an answer of more than 600 tokens with the limits left out (512 and null)",
      input: { example: { ...sample, prompt: `${"so ".repeat(200)}<|im_start|>assistant\n`, chosen: `${"la ".repeat(210)}<|im_end|>\n` }, maxPromptLength: 512, maxCompletionLength: null, defaults: true },
    },
  ],
  parts: ["prompt_input_ids", "chosen_input_ids", "rejected_input_ids"],
  hidden: [{ tried: "at most 7 tokens of the prompt and 3 of an answer", input: { example: { prompt: "Which way to the sea?", chosen: "Down the hill.", rejected: "Up" }, maxPromptLength: 7, maxCompletionLength: 3, defaults: false } }],
  call: (answer, { example, maxPromptLength, maxCompletionLength, defaults }) =>
    defaults ? answer(example, tinyTokenizer()) : answer(example, tinyTokenizer(), maxPromptLength ?? undefined, maxCompletionLength),
  right: (input) => tokenized(input),
  mistakes: [
    {
      name: "prompt cut on the right",
      says: "The prompt is cut from the wrong side: its beginning is kept, and the end of the question with the head of the assistant's turn is lost. Keep the last maxPromptLength tokens.",
      wrong: (input) => tokenized(input, { prompt: first }),
    },
    { name: "answer cut on the left", says: "The answers are cut from the wrong side: their beginning is lost. Keep the first maxCompletionLength tokens.", wrong: (input) => tokenized(input, { completion: last }) },
    {
      name: "special tokens added twice",
      says: "Special tokens are added around each text. The chat template has written all that are needed; encode them as they stand, without addSpecialTokens.",
      wrong: (input) => tokenized(input, { encode: (text) => [0, ...ids(text), 3] }),
      others: [
        (input) => tokenized(input, { encode: (text) => [0, ...ids(text)] }),
        (input) => tokenized(input, { encode: (text) => [...ids(text), 3] }),
        (input) => ({ ...tokenized(input), prompt_input_ids: tokenized(input, { encode: (text) => [0, ...ids(text), 3] }).prompt_input_ids }),
      ],
    },
    {
      name: "end token added",
      says: "An end token is appended to the answers. Their text ends with <|im_end|> already.",
      wrong: (input) => ({ ...tokenized(input, { encode: (text) => [...ids(text), 3] }), prompt_input_ids: tokenized(input).prompt_input_ids }),
      others: [(input) => ({ ...tokenized(input, { encode: (text) => [...ids(text), 2] }), prompt_input_ids: tokenized(input).prompt_input_ids })],
    },
    {
      name: "characters cut",
      says: "The limits are applied to characters, before the text is encoded. They count tokens: encode first, then cut the list of ids.",
      wrong: ({ example, maxPromptLength, maxCompletionLength }) => tokenized({
        example: { prompt: maxPromptLength === null ? example.prompt : example.prompt.slice(-maxPromptLength), chosen: example.chosen.slice(0, maxCompletionLength ?? undefined), rejected: example.rejected.slice(0, maxCompletionLength ?? undefined) },
        maxPromptLength: null, maxCompletionLength: null, defaults: false,
      }),
    },
    { name: "prompt not cut", says: "The prompt is not cut: maxPromptLength is not used.", wrong: (input) => tokenized(input, { prompt: (all) => all }) },
    { name: "answers not cut", says: "The answers are not cut: maxCompletionLength is not used.", wrong: (input) => tokenized(input, { completion: (all) => all }) },
    { name: "null cuts everything", says: "With maxCompletionLength null the answers are empty: slice(0, null) is slice(0, 0). null means that nothing is cut.", wrong: (input) => tokenized(input, { completion: (all, limit) => all.slice(0, limit ?? 0) }) },
    {
      name: "limits exchanged",
      says: "The two limits are exchanged: the prompt is cut to maxCompletionLength and the answers to maxPromptLength.",
      wrong: (input) => tokenized({ ...input, maxPromptLength: input.maxCompletionLength, maxCompletionLength: input.maxPromptLength }),
    },
    {
      name: "one token off",
      says: "One token too many or too few is kept: slice(0, n) holds n tokens, and slice(-n) the last n.",
      wrong: (input) => tokenized(input, { prompt: off(last, -1), completion: off(first, -1) }),
      others: ([[-1, 0], [0, -1], [1, 1], [1, 0], [0, 1], [1, -1], [-1, 1]] as const).map(([p, c]) => (input: TokenizeInput) => tokenized(input, { prompt: off(last, p), completion: off(first, c) })),
    },
    {
      name: "one answer twice",
      says: "Both answers are the same one: one of chosen and rejected is used twice.",
      wrong: (input) => ({ ...tokenized(input), rejected_input_ids: tokenized(input).chosen_input_ids }),
      others: [(input) => ({ ...tokenized(input), chosen_input_ids: tokenized(input).rejected_input_ids })],
    },
    {
      name: "chosen and rejected exchanged",
      says: "chosen and rejected are exchanged: the model would learn the answers that people did not want.",
      wrong: (input) => ({ ...tokenized(input), chosen_input_ids: tokenized(input).rejected_input_ids, rejected_input_ids: tokenized(input).chosen_input_ids }),
    },
    {
      name: "prompt before the answers",
      says: "The answers begin with the prompt's tokens. They are joined later: each column holds its own text.",
      wrong: (input) => tokenized({ ...input, example: { prompt: input.example.prompt, ...both(input.example, (text) => input.example.prompt + text) } }),
      others: [(input) => ({ ...tokenized(input), ...bothIds(input, (answer) => [...tokenized(input).prompt_input_ids, ...answer]) })],
    },
    { name: "answer limit of 512", says: "Without a limit for the answers they are cut to 512 tokens; only the prompt has that default.", wrong: (input) => tokenized({ ...input, maxCompletionLength: input.maxCompletionLength ?? 512 }) },
  ],
});
