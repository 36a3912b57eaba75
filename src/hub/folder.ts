import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { rememberedSha256 } from "./cache";
import { readConfig } from "./config";
import type { TokenizerFiles } from "./ggufTokenizer";
import { openSafetensors } from "./safetensors";
import type { ModelFiles } from "./source";

/** The files of a model's folder beside its weights, all small. */
export const SMALL_FILES = ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"];

/**
 * Opens a folder in Hugging Face's layout.
 * @param name what the model is called in outputs
 * @throws when a file is missing or damaged
 */
export async function openFolder(folder: string, name: string): Promise<ModelFiles> {
  const configPath = path.join(folder, "config.json");
  if (!existsSync(configPath)) throw new Error(`${folder} is no model folder: it has no config.json.`);
  const config = readConfig(await readJson(configPath), configPath);
  const safetensors = openSafetensors(folder);
  return {
    name,
    config,
    generationConfig: await readJson(path.join(folder, "generation_config.json"), {}),
    tensors: {
      names: () => [...safetensors.tensors.keys()],
      shape: (tensor) => {
        const entry = safetensors.tensors.get(tensor);
        if (!entry) throw new Error(`${folder} has no tensor ${tensor}.`);
        return entry.shape;
      },
      read: async (tensor) => safetensors.read(tensor),
    },
    tokenizer: await readTokenizer(folder),
    fingerprint: await sumOfSums([configPath, ...safetensors.files]),
  };
}

async function readTokenizer(folder: string): Promise<TokenizerFiles> {
  const json = path.join(folder, "tokenizer.json");
  if (!existsSync(json)) throw new Error(`${folder} has no tokenizer.json. Save the tokenizer with Python's AutoTokenizer first, which writes one.`);
  const tokenizerConfig = await readJson(path.join(folder, "tokenizer_config.json"), {});
  const template = await readFile(path.join(folder, "chat_template.jinja"), "utf8").catch(() => undefined);
  if (template !== undefined) tokenizerConfig.chat_template = template;
  return { tokenizerJson: await readJson(json), tokenizerConfig };
}

async function readJson(file: string, ifMissing?: Record<string, unknown>): Promise<Record<string, unknown>> {
  if (ifMissing && !existsSync(file)) return ifMissing;
  try {
    return JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  } catch (error) {
    throw new Error(`${file} is no JSON: ${(error as Error).message}`);
  }
}

async function sumOfSums(files: string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of files) hash.update(await rememberedSha256(file));
  return hash.digest("hex");
}
