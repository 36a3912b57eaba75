import { stat } from "node:fs/promises";
import path from "node:path";
import { PACKAGED_ENCODER, PACKAGED_MODEL, PACKAGED_WEIGHTS, packagedWeightsPath, rememberedSha256 } from "./cache";
import type { HfConfig } from "./config";
import { downloadModel } from "./download";
import { openFolder } from "./folder";
import { openGguf } from "./gguf";
import { ggufConfig, ggufNames, readGgufTensor } from "./ggufModel";
import { ggufTokenizer, type TokenizerFiles } from "./ggufTokenizer";
import { packagedEncoderFolder } from "./packagedEncoder";

/** A model's weights under their Hugging Face names, read one by one. */
export interface ModelTensors {
  names(): string[];
  /** Row-major; [out, in] for a matrix. */
  shape(name: string): number[];
  read(name: string): Promise<Float32Array>;
}

/** Everything that makes a model, wherever it came from. */
export interface ModelFiles {
  name: string;
  config: HfConfig;
  /** generation_config.json, or {} where there is none. */
  generationConfig: Record<string, unknown>;
  tensors: ModelTensors;
  tokenizer: TokenizerFiles;
  /** Changes whenever the weights do: a SHA-256 of the files' own sums. */
  fingerprint: string;
}

export interface OpenModelOptions {
  /** Branch, tag or commit of a hub repository. Default `main`. */
  revision?: string;
  /** For a private or gated repository. Default `$HF_TOKEN`. */
  token?: string;
}

/**
 * Opens a model without loading its weights.
 * @param idOrPath `PACKAGED_MODEL`, `PACKAGED_ENCODER`, a folder in Hugging Face's layout, a `.gguf` file, or a hub id `owner/name`
 */
export async function openModel(idOrPath: string, options: OpenModelOptions = {}): Promise<ModelFiles> {
  if (idOrPath === PACKAGED_MODEL) return openPackaged();
  if (idOrPath === PACKAGED_ENCODER) return openFolder(await packagedEncoderFolder(), PACKAGED_ENCODER);
  const kind = await stat(idOrPath).catch(() => undefined);
  if (kind?.isDirectory()) return openFolder(idOrPath, path.basename(path.resolve(idOrPath)));
  if (kind?.isFile() && idOrPath.endsWith(".gguf")) return openGgufModel(idOrPath);
  if (!kind && /^[\w.-]+\/[\w.-]+$/.test(idOrPath)) return openFolder(await downloadModel(idOrPath, options), idOrPath);
  throw new Error(`${JSON.stringify(idOrPath)} is no model: neither ${JSON.stringify(PACKAGED_MODEL)} or ${JSON.stringify(PACKAGED_ENCODER)} (the packaged ones), nor an existing folder or .gguf file, nor a hub id like "owner/name".`);
}

async function openPackaged(): Promise<ModelFiles> {
  const path = packagedWeightsPath();
  const sum = await rememberedSha256(path);
  if (sum !== PACKAGED_WEIGHTS.sha256) throw new Error(`${path} is damaged: its SHA-256 is ${sum}, not ${PACKAGED_WEIGHTS.sha256}. Delete it and run \`npm start\` or \`npm test\`.`);
  return { ...(await openGgufModel(path)), name: PACKAGED_MODEL };
}

async function openGgufModel(path: string): Promise<ModelFiles> {
  const gguf = openGguf(path);
  const config = ggufConfig(gguf);
  const names = ggufNames(config);
  const place = (name: string): string => {
    const ggufName = names.get(name);
    if (!ggufName || !gguf.tensors.has(ggufName)) throw new Error(`${path} has no tensor ${name}.`);
    return ggufName;
  };
  return {
    name: String(gguf.metadata.get("general.name") ?? path),
    config,
    generationConfig: { bos_token_id: config.bos_token_id, eos_token_id: config.eos_token_id, pad_token_id: config.pad_token_id },
    tensors: {
      names: () => [...names.keys()],
      shape: (name) => gguf.tensors.get(place(name))!.shape,
      read: async (name) => readGgufTensor(gguf, config, name, place(name)),
    },
    tokenizer: ggufTokenizer(gguf),
    fingerprint: await rememberedSha256(path),
  };
}
