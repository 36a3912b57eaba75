import type { OpenModelOptions } from "../hub/source";
import type { EncodedText, Tokenizer } from "../tokens/tokenizer";
import { loadSequenceClassifier, type SequenceClassifier } from "./loadClassifier";
import { TextScorer } from "./textScorer";

/** What makes scores of logits. */
export const SCORE_FUNCTIONS = {
  sigmoid: (logits: readonly number[]): number[] => logits.map((x) => 1 / (1 + Math.exp(-x))),
  softmax: (logits: readonly number[]): number[] => {
    const most = Math.max(...logits);
    const powers = logits.map((x) => Math.exp(x - most));
    const sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  },
  none: (logits: readonly number[]): number[] => [...logits],
};

export type ScoreFunction = keyof typeof SCORE_FUNCTIONS;

/** A label with its score. */
export interface LabelScore {
  label: string;
  score: number;
}

/** A text, or two that are scored together. */
export type TextToClassify = string | { text: string; textPair?: string };

export interface ClassificationOptions {
  /** How many labels of each text, best first; null for all. Left out, only the best, and not in a list of its own. */
  topK?: number | null;
  /** Default: none for a regression (`problem_type`), sigmoid for one label or where several may hold at once, else softmax. */
  functionToApply?: ScoreFunction;
  /** Cut single texts that are too long for the tokenizer or the model. Default false: they are refused. */
  truncation?: boolean;
  /** Texts at a time; the scores do not depend on it. Default 8. */
  batchSize?: number;
}

type WithTopK = ClassificationOptions & { topK: number | null };
type WithoutTopK = Omit<ClassificationOptions, "topK">;

/** Classifies texts, as transformers' `TextClassificationPipeline` does. */
export interface TextClassificationPipeline {
  /** The best label of each text; of a single text in a list, as in Python. */
  (texts: TextToClassify | readonly TextToClassify[], options?: WithoutTopK): Promise<LabelScore[]>;
  /** The best labels of a text. */
  (text: TextToClassify, options: WithTopK): Promise<LabelScore[]>;
  /** The best labels of each text. */
  (texts: readonly TextToClassify[], options: WithTopK): Promise<LabelScore[][]>;
  readonly model: SequenceClassifier;
  readonly tokenizer: Tokenizer;
  /** Frees the compiled functions, and the model where the pipeline has loaded it. */
  dispose(): void;
}

/**
 * A pipeline in transformers' sense: texts in, labels and scores out.
 *
 * ```ts
 * const classify = await pipeline("text-classification", folder);
 * await classify(["Splendid.", "Dreadful."]); // [{ label: "good", score: 0.98 }, { label: "bad", score: 0.97 }]
 * ```
 * @param task `"text-classification"`, which is the only one
 * @param source of the classifier, as for `loadSequenceClassifier`, or a model with its tokenizer
 * @throws Error for a model without a head, whose labels would mean nothing
 */
export async function pipeline(task: "text-classification", source: string | { model: SequenceClassifier; tokenizer: Tokenizer }, options: OpenModelOptions = {}): Promise<TextClassificationPipeline> {
  if (task !== "text-classification") throw new RangeError(`pipeline: the task is ${JSON.stringify(task)}; "text-classification" is known.`);
  const parts = typeof source === "string" ? await loadTrained(source, options) : source;
  const { model, tokenizer } = parts;
  const scorer = new TextScorer(model);
  const classify = async (texts: TextToClassify | readonly TextToClassify[], given: ClassificationOptions = {}): Promise<LabelScore[] | LabelScore[][]> => {
    const { topK, truncation = false, batchSize = 8 } = checked(given);
    const list = Array.isArray(texts) ? (texts as readonly TextToClassify[]) : [texts as TextToClassify];
    const limit = Math.min(model.maxTokens, tokenizer.maxLength);
    const encoded = list.map((text, i) => encode(text, i, tokenizer, truncation ? limit : null));
    const scoresOf = SCORE_FUNCTIONS[given.functionToApply ?? functionOf(model)];
    const results = (await scorer.score(encoded, batchSize)).map((logits) => ranked(scoresOf([...logits]), model.labels));
    if (topK === undefined) return results.map(([best]) => best!);
    const best = results.map((scores) => scores.slice(0, topK ?? scores.length));
    return Array.isArray(texts) ? best : best[0]!;
  };
  const dispose = (): void => {
    scorer.dispose();
    if (typeof source === "string") model.dispose();
  };
  return Object.assign(classify, { model, tokenizer, dispose }) as TextClassificationPipeline;
}

async function loadTrained(idOrPath: string, options: OpenModelOptions): Promise<{ model: SequenceClassifier; tokenizer: Tokenizer }> {
  const { name, model, tokenizer, hasFreshHead } = await loadSequenceClassifier(idOrPath, options);
  if (!hasFreshHead) return { model, tokenizer };
  model.dispose();
  throw new Error(`${name} has no classification head, so its labels would be chance. Load it with loadSequenceClassifier, train it, save it with saveModel, and name that folder.`);
}

/** transformers' choice where none is asked for. */
function functionOf({ hfConfig, numLabels }: SequenceClassifier): ScoreFunction {
  const { problem_type: problem } = hfConfig;
  if (problem === "regression") return "none";
  return problem === "multi_label_classification" || numLabels === 1 ? "sigmoid" : "softmax";
}

/** Best first; equal ones in the labels' order. */
const ranked = (scores: readonly number[], labels: readonly string[]): LabelScore[] => scores.map((score, i) => ({ label: labels[i]!, score })).sort((a, b) => b.score - a.score);

/** @param limit tokens to cut to; null to leave the text whole */
function encode(input: TextToClassify, index: number, tokenizer: Tokenizer, limit: number | null): EncodedText {
  const { text, textPair = null } = typeof input === "string" ? { text: input } : ((input ?? {}) as { text: string; textPair?: string });
  if (typeof text !== "string" || (textPair !== null && typeof textPair !== "string")) throw new TypeError(`Text ${index} is ${JSON.stringify(input)}; a string, or { text, textPair } of strings, is needed.`);
  const whole = tokenizer.encodePair(text, textPair);
  const excess = limit === null ? 0 : whole.ids.length - limit;
  if (excess <= 0) return whole;
  if (textPair !== null) throw new RangeError(`Text ${index} is a pair of ${whole.ids.length} tokens, ${limit} are taken; pairs are not cut. Shorten one of its texts.`);
  // Special tokens stay: the text's own are dropped from its end.
  const own = tokenizer.encode(text);
  const end = specialsBefore(whole.ids, own) + own.length;
  const cut = (values: readonly number[]): number[] => [...values.slice(0, end - excess), ...values.slice(end)];
  return { ids: cut(whole.ids), tokenTypeIds: cut(whole.tokenTypeIds) };
}

/** How many special tokens stand before a text's own. */
function specialsBefore(whole: readonly number[], own: readonly number[]): number {
  const most = whole.length - own.length;
  for (let before = 0; before <= most; before++) if (own.every((id, i) => whole[before + i] === id)) return before;
  return most;
}

function checked(options: ClassificationOptions): ClassificationOptions {
  const { topK, functionToApply, batchSize } = options;
  if (topK !== undefined && topK !== null && !(Number.isInteger(topK) && topK > 0)) throw new RangeError(`topK is ${topK}; a whole number above 0, or null for all labels, is needed.`);
  if (functionToApply !== undefined && !(functionToApply in SCORE_FUNCTIONS)) throw new RangeError(`functionToApply is ${JSON.stringify(functionToApply)}; known are ${Object.keys(SCORE_FUNCTIONS).join(", ")}.`);
  if (batchSize !== undefined && !(Number.isInteger(batchSize) && batchSize > 0)) throw new RangeError(`batchSize is ${batchSize}; a whole number above 0 is needed.`);
  return options;
}
