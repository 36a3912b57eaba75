import { readFileSync } from "node:fs";
import path from "node:path";
import type { HfConfig } from "../../src/hub/config";
import { EncoderForSequenceClassification } from "../../src/model/encoderClassification";
import type { LabelScore } from "../../src/model/pipeline";
import type { ReadTensor } from "../../src/model/pretrained";
import { Tokenizer } from "../../src/tokens/tokenizer";

/** What a family's `…ForSequenceClassification` gives in Python. */
export interface EncoderCase {
  config: HfConfig;
  tokenizerJson: Record<string, unknown>;
  tokenizerConfig: Record<string, unknown>;
  encodings: { text: string; ids: number[] }[];
  pairEncoding: { text: string; text_pair: string; input_ids: number[]; token_type_ids?: number[] };
  figures: { input_ids: number[][]; attention_mask: number[][]; token_type_ids?: number[][]; logits: number[][]; loss: number; gradients: Record<string, { norm: number; every: number; values: number[] }> };
  pipelines: { config: Record<string, string>; options: { top_k?: number | null; function_to_apply?: string; truncation?: boolean }; texts: string | (string | { text: string; text_pair: string })[]; scores: LabelScore[] | LabelScore[][] }[];
  rows?: { chosen_ids: number[]; rejected_ids: number[] }[];
  trainings?: Record<string, { headOnly: boolean; log: Record<string, number[]> }>;
}

export const FAMILIES = ["bert", "distilbert", "roberta"] as const;
export type Family = (typeof FAMILIES)[number];

/** Figures of transformers, TRL and PyTorch; `make_encoders.py` writes them. */
export const fixture = JSON.parse(readFileSync(path.join(__dirname, "../fixtures/encoders.json"), "utf8")) as Record<Family, EncoderCase> & { scale: number; batch: number; steps: number; learningRate: number; weightDecay: number };

/** The fixture's weights: x ← 1664525·x + 1013904223 mod 2³² as numbers in [−1, 1), from a sum over a parameter's name on. */
export const fixtureWeights: ReadTensor = (name, shape) => {
  let state = [...name].reduce((seed, character) => (Math.imul(seed, 31) + character.charCodeAt(0)) >>> 0, 0);
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 31 - 1;
  const isScale = /norm/i.test(name) && name.endsWith("weight");
  return Float32Array.from({ length: shape.reduce((product, n) => product * n, 1) }, () => next() * fixture.scale + (isScale ? 1 : 0));
};

/** The config with another number of labels where one is given. */
export function fixtureConfig(family: Family, numLabels?: number): HfConfig {
  const { config } = fixture[family];
  return numLabels === undefined ? { ...config } : { ...config, id2label: Object.fromEntries(Array.from({ length: numLabels }, (_, i) => [i, `LABEL_${i}`])) };
}

export const fixtureEncoder = (family: Family, numLabels?: number): Promise<EncoderForSequenceClassification> => EncoderForSequenceClassification.create(fixtureConfig(family, numLabels), fixtureWeights);

export const fixtureTokenizer = (family: Family): Tokenizer => new Tokenizer(fixture[family]);
