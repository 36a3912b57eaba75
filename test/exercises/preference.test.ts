import { applyChatTemplate, tokenizeRow, type ApplyChatTemplate, type TokenizeRow } from "../../src/exercises/checks/preference";
import { applyChatTemplate as libraryApply, tokenizeRow as libraryTokenize } from "../../src/tokens/preference";
import type { PreferenceRow } from "../../src/data/preference";
import type { Tokenizer } from "../../src/tokens/tokenizer";
import { namesAll, passes, recognises, refuses } from "./judging";

const ask = (prompt: string) => ({ role: "user", content: prompt });
const say = (text: string) => ({ role: "assistant", content: text });
const head = (example: PreferenceRow, tokenizer: Tokenizer): string => tokenizer.applyChatTemplate([ask(example.prompt)], { addGenerationPrompt: true });
const whole = (example: PreferenceRow, text: string, tokenizer: Tokenizer): string => tokenizer.applyChatTemplate([ask(example.prompt), say(text)]);

type Answer = (example: PreferenceRow, text: string, tokenizer: Tokenizer) => string;
const cut: Answer = (example, text, tokenizer) => whole(example, text, tokenizer).slice(head(example, tokenizer).length);
const render = (answer: Answer, prompt = head): ApplyChatTemplate => (example, tokenizer) => ({
  prompt: prompt(example, tokenizer),
  chosen: answer(example, example.chosen, tokenizer),
  rejected: answer(example, example.rejected, tokenizer),
});

passes(applyChatTemplate, "cut by length", render(cut));
passes(applyChatTemplate, "replace", render((example, text, tokenizer) => whole(example, text, tokenizer).replace(head(example, tokenizer), "")));
passes(applyChatTemplate, "the library's own", libraryApply);

const wrongTemplates: Record<string, ApplyChatTemplate> = {
  "generation prompt missing": render(cut, (example, tokenizer) => tokenizer.applyChatTemplate([ask(example.prompt)])),
  "prompt not removed": render(whole),
  "answer rendered alone": render((_, text, tokenizer) => tokenizer.applyChatTemplate([say(text)])),
  "head left in the answer": render((example, text, tokenizer) => whole(example, text, tokenizer).slice(tokenizer.applyChatTemplate([ask(example.prompt)]).length)),
  "answer not rendered": render((_, text) => text),
  "line break cut": render((...args) => cut(...args).trim()),
  "prompt not rendered": render(cut, (example) => example.prompt),
  "generation prompt after the answer": render((example, text, tokenizer) =>
    tokenizer.applyChatTemplate([ask(example.prompt), say(text)], { addGenerationPrompt: true }).slice(head(example, tokenizer).length)),
  "chosen and rejected exchanged": (example, tokenizer) => render(cut)({ ...example, chosen: example.rejected, rejected: example.chosen }, tokenizer),
  "answer in a user's turn": render((example, text, tokenizer) =>
    tokenizer.applyChatTemplate([ask(example.prompt), ask(text)]).slice(tokenizer.applyChatTemplate([ask(example.prompt)]).length)),
  "system turn cut off": render(cut, (example, tokenizer) => head(example, tokenizer).replace(/^.*<\|im_end\|>\n(?=<\|im_start\|>user)/s, "")),
  "one answer twice": (example, tokenizer) => render(cut)({ ...example, rejected: example.chosen }, tokenizer),
};
for (const [name, answer] of Object.entries(wrongTemplates)) recognises(applyChatTemplate, name, answer);
namesAll(applyChatTemplate, Object.keys(wrongTemplates));
recognises(applyChatTemplate, "generation prompt missing", (example, tokenizer) => {
  const prompt = tokenizer.applyChatTemplate([ask(example.prompt)]);
  const answer = (text: string) => whole(example, text, tokenizer).slice(prompt.length);
  return { prompt, chosen: answer(example.chosen), rejected: answer(example.rejected) };
});
refuses(applyChatTemplate, "ids in place of text", ((example: PreferenceRow, tokenizer: Tokenizer) => {
  const { prompt, chosen, rejected } = render(cut)(example, tokenizer);
  return { prompt: tokenizer.encode(prompt), chosen, rejected };
}) as never, /\.prompt: a list of \d+, where a text is wanted/);
refuses(applyChatTemplate, "a system turn of one's own", render(cut, (example, tokenizer) =>
  tokenizer.applyChatTemplate([{ role: "system", content: "Hello." }, ask(example.prompt)], { addGenerationPrompt: true })), /\.prompt: from character 19 on it says "Hello/);

interface Options {
  prompt?: (ids: number[], limit: number) => number[];
  answer?: (ids: number[], limit: number | null) => number[];
  encode?: (tokenizer: Tokenizer, text: string) => number[];
}
const tokenize = ({ prompt = (ids, n) => ids.slice(-n), answer = (ids, n) => (n === null ? ids : ids.slice(0, n)), encode = (t, text) => t.encode(text) }: Options = {}): TokenizeRow =>
  (example, tokenizer, maxPromptLength = 512, maxCompletionLength = null) => ({
    prompt_input_ids: prompt(encode(tokenizer, example.prompt), maxPromptLength),
    chosen_input_ids: answer(encode(tokenizer, example.chosen), maxCompletionLength),
    rejected_input_ids: answer(encode(tokenizer, example.rejected), maxCompletionLength),
  });

passes(tokenizeRow, "slices", tokenize());
passes(tokenizeRow, "the library's own", libraryTokenize);
passes(tokenizeRow, "splice and Infinity", tokenize({ prompt: (ids, n) => ids.splice(Math.max(0, ids.length - n)), answer: (ids, n) => ids.slice(0, n ?? Infinity) }));

const wrongTokens: Record<string, TokenizeRow> = {
  "characters cut": (example, tokenizer, maxPromptLength = 512, maxCompletionLength = null) => ({
    prompt_input_ids: tokenizer.encode(example.prompt.slice(-maxPromptLength)),
    chosen_input_ids: tokenizer.encode(example.chosen.slice(0, maxCompletionLength ?? undefined)),
    rejected_input_ids: tokenizer.encode(example.rejected.slice(0, maxCompletionLength ?? undefined)),
  }),
  "prompt cut on the right": tokenize({ prompt: (ids, n) => ids.slice(0, n) }),
  "answer cut on the left": tokenize({ answer: (ids, n) => (n === null ? ids : ids.slice(-n)) }),
  "special tokens added twice": tokenize({ encode: (t, text) => t.encode(text, { addSpecialTokens: true }) }),
  "end token added": (example, tokenizer, p = 512, c = null) => {
    const row = (text: string) => [...tokenizer.encode(text), tokenizer.eosTokenId!].slice(0, c ?? undefined);
    return { ...tokenize()(example, tokenizer, p, c), chosen_input_ids: row(example.chosen), rejected_input_ids: row(example.rejected) };
  },
  "prompt not cut": tokenize({ prompt: (ids) => ids }),
  "answers not cut": tokenize({ answer: (ids) => ids }),
  "null cuts everything": tokenize({ answer: (ids, n) => ids.slice(0, n as number) }),
  "limits exchanged": (example, tokenizer, p = 512, c = null) => tokenize({ prompt: (ids) => (c === null ? ids : ids.slice(-c)), answer: (ids) => ids.slice(0, p) })(example, tokenizer, p, c),
  "one token off": tokenize({ prompt: (ids, n) => ids.slice(-n - 1), answer: (ids, n) => (n === null ? ids : ids.slice(0, n + 1)) }),
  "one answer twice": (example, ...rest) => tokenize()({ ...example, rejected: example.chosen }, ...rest),
  "chosen and rejected exchanged": (example, ...rest) => tokenize()({ ...example, chosen: example.rejected, rejected: example.chosen }, ...rest),
  "prompt before the answers": (example, ...rest) => tokenize()({ ...example, chosen: example.prompt + example.chosen, rejected: example.prompt + example.rejected }, ...rest),
  "answer limit of 512": (example, tokenizer, p, c = 512) => tokenize()(example, tokenizer, p, c ?? 512),
};
for (const [name, answer] of Object.entries(wrongTokens)) recognises(tokenizeRow, name, answer);
namesAll(tokenizeRow, Object.keys(wrongTokens));
recognises(tokenizeRow, "one token off", tokenize({ answer: (ids, n) => (n === null ? ids : ids.slice(0, n - 1)) }));
recognises(applyChatTemplate, "answer in a user's turn", render((example, text, tokenizer) =>
  tokenizer.applyChatTemplate([ask(example.prompt), ask(text)]).slice(head(example, tokenizer).length)));
passes(tokenizeRow, "an async function", (async (...args: Parameters<TokenizeRow>) => tokenize()(...args)) as never);
refuses(tokenizeRow, "bigints", ((...args: Parameters<TokenizeRow>) => ({ ...tokenize()(...args), prompt_input_ids: tokenize()(...args).prompt_input_ids.map(BigInt) })) as never, /a bigint/);
refuses(applyChatTemplate, "the row is changed in place", (example, tokenizer) => Object.assign(example, render(cut)(example, tokenizer)), /changed what it was given/);
refuses(tokenizeRow, "text in place of ids", ((example: PreferenceRow) => ({ prompt_input_ids: example.prompt, chosen_input_ids: [], rejected_input_ids: [] })) as never, /a text, where a list of \d+ is wanted/);
refuses(tokenizeRow, "another name for a column", ((...args: Parameters<TokenizeRow>) => {
  const { prompt_input_ids, ...rest } = tokenize()(...args);
  return { prompt_ids: prompt_input_ids, ...rest };
}) as never, /it has no prompt_input_ids; its keys are prompt_ids, chosen_input_ids/);
