import { openModel, type OpenModelOptions } from "../hub/source";
import { Tokenizer } from "../tokens/tokenizer";
import { classifierShapes, LlamaForSequenceClassification } from "./classification";
import { SCORE_NAME, withFreshHead, withLabels, type FreshHead } from "./classifierHead";
import { checkTensors } from "./load";

/** A classifier ready for use, with its tokenizer. */
export interface LoadedClassifier {
  /** The id or path it was asked for by. */
  name: string;
  model: LlamaForSequenceClassification;
  tokenizer: Tokenizer;
}

/**
 * Loads a sequence classifier: one that was saved as such with its head, or the body of a causal language model with a
 * fresh head, as transformers' `AutoModelForSequenceClassification.from_pretrained` does.
 * @param idOrPath as for `loadModel`
 * @param options of the fresh head; where the files hold a head, `numLabels` may only repeat what they say
 * @throws UnsupportedModelError for an architecture or shape that this library does not run
 */
export async function loadSequenceClassifier(idOrPath: string, options: OpenModelOptions & FreshHead = {}): Promise<LoadedClassifier> {
  const files = await openModel(idOrPath, options);
  const hasHead = files.tensors.names().includes(SCORE_NAME);
  const config = hasHead ? files.config : withLabels(files.config, options);
  const shapes = classifierShapes(config);
  const [labels] = shapes.get(SCORE_NAME)!;
  if (hasHead && options.numLabels !== undefined && options.numLabels !== labels) {
    throw new RangeError(`${files.name} has a head for ${labels} label${labels === 1 ? "" : "s"}, numLabels is ${options.numLabels}. Leave numLabels out, or take a model without a score head.`);
  }
  const body = new Map([...shapes].filter(([name]) => hasHead || name !== SCORE_NAME));
  checkTensors(files.name, files.tensors, body);
  const tokenizer = new Tokenizer(files.tokenizer);
  const read = (name: string): Promise<Float32Array> => files.tensors.read(name);
  const model = await LlamaForSequenceClassification.create(config, hasHead ? read : withFreshHead(config, read, options.seed));
  // With a fresh head these are no longer the weights that the files' sum names.
  if (hasHead) model.fingerprint = files.fingerprint;
  // After the embedding was made: that one learns from the padding token's row unless the files themselves name it.
  model.padTokenId ??= tokenizer.padTokenId;
  return { name: files.name, model, tokenizer };
}
