import { RandomSource } from "../engine/random";
import { isEncoderConfig, type EncoderType, type HfConfig } from "../hub/config";
import { UnsupportedModelError } from "./config";
import { ENCODER_LAYOUTS, freshNames } from "./encoderLayout";
import type { ReadTensor } from "./pretrained";

/** The head of a Llama classifier, which has it in place of `lm_head.weight`. */
export const SCORE_NAME = "score.weight";

/** The matrix of a family's classifier that gives the scores: where a file has it, it holds a head. */
export const scoreNameOf = (config: HfConfig): string => (isEncoderConfig(config) ? `${ENCODER_LAYOUTS[config.model_type as EncoderType].score}.weight` : SCORE_NAME);

/** The parameters of a family's classifier that are drawn anew where a body has no head yet. */
export const headNamesOf = (config: HfConfig): string[] => (isEncoderConfig(config) ? freshNames(config.model_type as EncoderType) : [SCORE_NAME]);

const CLASSES: Record<string, string> = { bert: "Bert", distilbert: "DistilBert", roberta: "Roberta" };

/** A head that is still to be made. */
export interface FreshHead {
  /** Scores that a text gets; 1 for a reward model. Default: as many as `id2label` names, else 1. */
  numLabels?: number;
  /** What each score is called. Default LABEL_0, LABEL_1, …, transformers' own. */
  id2label?: Readonly<Record<number, string>>;
  /** Of the head's first weights. Default 0. */
  seed?: number;
}

/** What config.json calls each label, by its number as text. */
const labelNames = (config: HfConfig): Record<string, string> | undefined => config.id2label as Record<string, string> | undefined;

/** What each of a classifier's scores is called, in their order. */
export const labelsOf = (config: HfConfig): string[] => Array.from({ length: numLabelsOf(config) }, (_, i) => labelNames(config)?.[i] ?? `LABEL_${i}`);

/** As transformers counts them: by `id2label`, else `num_labels`, else 2. */
export function numLabelsOf(config: HfConfig): number {
  const names = labelNames(config);
  const count = names ? Object.keys(names).length : (config.num_labels ?? 2);
  if (!Number.isInteger(count) || (count as number) < 1) throw new UnsupportedModelError(`config.json: num_labels is ${JSON.stringify(count)}; a whole number above 0 is needed.`);
  return count as number;
}

/**
 * The config.json of a causal language model or an encoder as a classifier's.
 * @throws RangeError for a number of labels that is none, or names that do not fit it
 */
export function withLabels(config: HfConfig, { numLabels, id2label }: FreshHead): HfConfig {
  const count = numLabels ?? (id2label ? Object.keys(id2label).length : 1);
  if (!Number.isInteger(count) || count < 1) throw new RangeError(`numLabels is ${count}; a whole number above 0 is needed.`);
  const names = Array.from({ length: count }, (_, i) => (id2label ? id2label[i] : `LABEL_${i}`));
  if (names.some((name) => name === undefined) || (id2label && Object.keys(id2label).length !== count)) {
    throw new RangeError(`id2label names ${JSON.stringify(Object.keys(id2label!))}; ${count === 1 ? "the label 0" : `each label from 0 to ${count - 1}`} needs a name, and no other.`);
  }
  const { num_labels: _, ...rest } = config;
  return {
    ...rest, architectures: [`${CLASSES[config.model_type] ?? "Llama"}ForSequenceClassification`],
    id2label: Object.fromEntries(names.map((name, i) => [i, name])), label2id: Object.fromEntries(names.map((name, i) => [name, i])),
  } as HfConfig;
}

/**
 * A reader that makes the head's weights itself, drawn as transformers draws them: normal, of deviation `initializer_range`, and
 * biases 0.
 * @param fresh what is drawn
 */
export function withFreshHead(config: HfConfig, read: ReadTensor, seed = 0, fresh: readonly string[] = headNamesOf(config)): ReadTensor {
  const random = new RandomSource(seed);
  const deviation = typeof config.initializer_range === "number" ? config.initializer_range : 0.02;
  return (name, shape) => {
    if (!fresh.includes(name)) return read(name, shape);
    const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
    return name.endsWith(".bias") ? values : values.map(() => deviation * random.normal());
  };
}
