import type { EncoderType } from "../hub/config";
import type { EncoderConfig } from "./encoderConfig";

/** The parts of one layer, each with a weight and a bias. */
export const LAYER_PARTS = ["query", "key", "value", "attentionOutput", "attentionNorm", "intermediate", "output", "outputNorm"] as const;

export type LayerPart = (typeof LAYER_PARTS)[number];

/** What transformers calls the parts of a family's `…ForSequenceClassification`. */
export interface EncoderLayout {
  /** The body within it. */
  prefix: string;
  /** The list of layers, and each part within a layer. */
  layers: string;
  parts: Record<LayerPart, string>;
  /** What the first token's state passes through before it is scored, and how that is bent. BERT's belongs to the body. */
  summary: string;
  summaryActivation: "tanh" | "relu";
  /** The scores. */
  score: string;
}

const BERT_PARTS: Record<LayerPart, string> = {
  query: "attention.self.query", key: "attention.self.key", value: "attention.self.value", attentionOutput: "attention.output.dense", attentionNorm: "attention.output.LayerNorm",
  intermediate: "intermediate.dense", output: "output.dense", outputNorm: "output.LayerNorm",
};

export const ENCODER_LAYOUTS: Record<EncoderType, EncoderLayout> = {
  bert: { prefix: "bert.", layers: "encoder.layer", parts: BERT_PARTS, summary: "bert.pooler.dense", summaryActivation: "tanh", score: "classifier" },
  roberta: { prefix: "roberta.", layers: "encoder.layer", parts: BERT_PARTS, summary: "classifier.dense", summaryActivation: "tanh", score: "classifier.out_proj" },
  distilbert: {
    prefix: "distilbert.", layers: "transformer.layer",
    parts: {
      query: "attention.q_lin", key: "attention.k_lin", value: "attention.v_lin", attentionOutput: "attention.out_lin", attentionNorm: "sa_layer_norm",
      intermediate: "ffn.lin1", output: "ffn.lin2", outputNorm: "output_layer_norm",
    },
    summary: "pre_classifier", summaryActivation: "relu", score: "classifier",
  },
};

/** Names and shapes of every parameter of an encoder that classifies, in transformers' terms. */
export function encoderShapes(config: EncoderConfig, labels: number): Map<string, number[]> {
  const { hiddenSize: h, intermediateSize: m } = config;
  const { prefix, layers, parts, summary, score } = ENCODER_LAYOUTS[config.modelType];
  const inner: Record<LayerPart, number[]> = {
    query: [h, h], key: [h, h], value: [h, h], attentionOutput: [h, h], attentionNorm: [h], intermediate: [m, h], output: [h, m], outputNorm: [h],
  };
  const all = new Map<string, number[]>();
  const affine = (name: string, shape: number[]): void => void all.set(`${name}.weight`, shape).set(`${name}.bias`, [shape[0]!]);
  all.set(`${prefix}embeddings.word_embeddings.weight`, [config.vocabSize, h]);
  all.set(`${prefix}embeddings.position_embeddings.weight`, [config.maxPositionEmbeddings, h]);
  if (config.typeVocabSize > 0) all.set(`${prefix}embeddings.token_type_embeddings.weight`, [config.typeVocabSize, h]);
  affine(`${prefix}embeddings.LayerNorm`, [h]);
  for (let layer = 0; layer < config.numHiddenLayers; layer++) for (const part of LAYER_PARTS) affine(`${prefix}${layers}.${layer}.${parts[part]}`, inner[part]);
  affine(summary, [h, h]);
  affine(score, [labels, h]);
  return all;
}

/** The parameters that transformers draws anew where a body has no head yet; BERT's summary only where the body lacks it. */
export function freshNames(type: EncoderType): string[] {
  const { summary, score } = ENCODER_LAYOUTS[type];
  return [summary, score].flatMap((name) => [`${name}.weight`, `${name}.bias`]);
}

/** A tensor's name in a file of any of a family's models as its classifier has it: a body alone is saved without its prefix, and old files call a norm's weight and bias gamma and beta. */
export function classifierName(type: EncoderType, fileName: string): string {
  const { prefix } = ENCODER_LAYOUTS[type];
  const name = fileName.replace(/(LayerNorm)\.gamma$/, "$1.weight").replace(/(LayerNorm)\.beta$/, "$1.bias");
  return name.startsWith(prefix) || /^(pre_)?classifier\./.test(name) ? name : `${prefix}${name}`;
}
