import { isEncoderConfig, type EncoderType, type HfConfig } from "../hub/config";
import { openModel, type ModelTensors, type OpenModelOptions } from "../hub/source";
import { Tokenizer } from "../tokens/tokenizer";
import { classifierShapes, LlamaForSequenceClassification } from "./classification";
import { headNamesOf, numLabelsOf, scoreNameOf, withFreshHead, withLabels, type FreshHead } from "./classifierHead";
import { EncoderForSequenceClassification } from "./encoderClassification";
import { parseEncoderConfig } from "./encoderConfig";
import { classifierName, encoderShapes } from "./encoderLayout";
import { checkTensors } from "./load";
import type { PretrainedModel, ReadTensor } from "./pretrained";

/** A model that scores texts, on any backbone. */
export type SequenceClassifier = LlamaForSequenceClassification | EncoderForSequenceClassification;

/** Which of the two kinds a classifier is. By what it has: a notebook's model may be of a class from before `src` was edited and loaded again. */
export const isEncoder = (model: PretrainedModel): model is EncoderForSequenceClassification => isEncoderConfig(model.hfConfig);

/** A classifier ready for use, with its tokenizer. */
export interface LoadedClassifier {
  /** The id or path it was asked for by. */
  name: string;
  model: SequenceClassifier;
  tokenizer: Tokenizer;
  /** Whether the files held no head, so that its weights are fresh ones. */
  hasFreshHead: boolean;
}

/**
 * Loads a sequence classifier: one that was saved as such with its head, or the body of a causal language model or an encoder
 * with a fresh head, as transformers' `AutoModelForSequenceClassification.from_pretrained` does.
 * @param idOrPath as for `loadModel`, or `PACKAGED_ENCODER`
 * @param options of the fresh head; where the files hold a head, `numLabels` may only repeat what they say
 * @throws UnsupportedModelError for an architecture or shape that this library does not run
 */
export async function loadSequenceClassifier(idOrPath: string, options: OpenModelOptions & FreshHead = {}): Promise<LoadedClassifier> {
  const files = await openModel(idOrPath, options);
  const ofEncoder = isEncoderConfig(files.config);
  const tensors = ofEncoder ? renamed(files.tensors, (name) => classifierName(files.config.model_type as EncoderType, name)) : files.tensors;
  const present = new Set(tensors.names());
  const hasHead = present.has(scoreNameOf(files.config));
  const config = hasHead ? files.config : withLabels(files.config, options);
  const labels = numLabelsOf(config);
  if (hasHead && options.numLabels !== undefined && options.numLabels !== labels) {
    throw new RangeError(`${files.name} has a head for ${labels} label${labels === 1 ? "" : "s"}, numLabels is ${options.numLabels}. Leave numLabels out, or take a model without a score head.`);
  }
  const fresh = hasHead ? [] : headNamesOf(config).filter((name) => !present.has(name));
  const shapes = ofEncoder ? encoderShapes(parseEncoderConfig(config), labels) : classifierShapes(config);
  checkTensors(files.name, tensors, new Map([...shapes].filter(([name]) => !fresh.includes(name))));
  const tokenizer = new Tokenizer(files.tokenizer);
  const read = withFreshHead(config, (name) => tensors.read(name), options.seed, fresh);
  const model = ofEncoder ? await EncoderForSequenceClassification.create(config, read) : await createLlama(config, read, tokenizer);
  // With a fresh head these are no longer the weights that the files' sum names.
  if (hasHead) model.fingerprint = files.fingerprint;
  return { name: files.name, model, tokenizer, hasFreshHead: !hasHead };
}

async function createLlama(config: HfConfig, read: ReadTensor, tokenizer: Tokenizer): Promise<LlamaForSequenceClassification> {
  const model = await LlamaForSequenceClassification.create(config, read);
  // After the embedding was made: that one learns from the padding token's row unless the files themselves name it.
  model.padTokenId ??= tokenizer.padTokenId;
  return model;
}

/** The same tensors under other names. */
function renamed(tensors: ModelTensors, rename: (name: string) => string): ModelTensors {
  const places = new Map(tensors.names().map((name) => [rename(name), name]));
  return { names: () => [...places.keys()], shape: (name) => tensors.shape(places.get(name)!), read: (name) => tensors.read(places.get(name)!) };
}
