import { isEncoderConfig } from "../hub/config";
import { openModel, type OpenModelOptions } from "../hub/source";
import { saveModelFolder, type SavedDtype } from "../hub/save";
import { Tokenizer } from "../tokens/tokenizer";
import { SCORE_NAME } from "./classifierHead";
import { parseLlamaConfig, UnsupportedModelError } from "./config";
import { LlamaForCausalLM, parameterShapes } from "./llama";
import type { PretrainedModel } from "./pretrained";

/** A model ready for use, with its tokenizer and what it takes to save it again. */
export interface LoadedModel {
  /** The id or path it was asked for by. */
  name: string;
  model: LlamaForCausalLM;
  tokenizer: Tokenizer;
  /** generation_config.json, in Hugging Face's names. */
  generationConfig: Record<string, unknown>;
}

/**
 * Loads a causal language model with its tokenizer.
 * @param idOrPath `PACKAGED_MODEL`, a folder in Hugging Face's layout, a `.gguf` file, or a hub id `owner/name`
 * @throws UnsupportedModelError for an architecture or shape that this library does not run
 */
export async function loadModel(idOrPath: string, options: OpenModelOptions = {}): Promise<LoadedModel> {
  const files = await openModel(idOrPath, options);
  if (isEncoderConfig(files.config)) throw new UnsupportedModelError(`${files.name} is an encoder (${files.config.model_type}): it reads texts and generates none. Load it as a classifier with loadSequenceClassifier.`);
  const config = parseLlamaConfig(files.config);
  if (files.tensors.names().includes(SCORE_NAME)) throw new UnsupportedModelError(`${files.name} is a classifier: it scores texts and has no language model's head. Load it with loadSequenceClassifier.`);
  checkTensors(files.name, files.tensors, parameterShapes(config));
  const tokenizer = new Tokenizer(files.tokenizer);
  const model = await LlamaForCausalLM.create(files.config, (name) => files.tensors.read(name));
  model.fingerprint = files.fingerprint;
  return { name: files.name, model, tokenizer, generationConfig: files.generationConfig };
}

/** Refuses a wrong shape before the first weight is read. */
export function checkTensors(name: string, tensors: { names(): string[]; shape(name: string): number[] }, expected: Map<string, number[]>): void {
  const present = new Set(tensors.names());
  for (const [tensor, shape] of expected) {
    if (!present.has(tensor)) throw new Error(`${name} has no tensor ${tensor}, which its config.json calls for.`);
    const found = tensors.shape(tensor);
    if (found.join() !== shape.join()) throw new Error(`${name}: ${tensor} has shape [${found}], its config.json calls for [${shape}].`);
  }
}

export interface SaveOptions {
  /** How the weights are stored. Default float32. */
  dtype?: SavedDtype;
  /** README.md with its front matter. */
  card: string;
  generationConfig?: Record<string, unknown>;
}

/** What `saveModel` takes: a model of any kind, and its tokenizer. */
export interface ModelParts {
  model: PretrainedModel;
  tokenizer: Tokenizer;
  generationConfig?: Record<string, unknown>;
}

/**
 * Saves a model as a Hugging Face folder that Python's transformers loads, an adapter's updates merged into the weights. Weights leave the device one by one, and
 * the event loop stays free.
 */
export async function saveModel(dir: string, { model, tokenizer, generationConfig }: ModelParts, options: SaveOptions): Promise<void> {
  const tensors = [...model.parameters].map(([name, parameter]) => ({ name, shape: parameter.shape, data: () => model.read(name) }));
  const generation = options.generationConfig ?? generationConfig ?? (model instanceof LlamaForCausalLM ? {} : undefined);
  await saveModelFolder(dir, {
    config: model.hfConfig, ...(generation && { generationConfig: generation }), tensors,
    dtype: options.dtype ?? "float32", tokenizer, card: options.card,
  });
}
