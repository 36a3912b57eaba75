import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { HfConfig } from "./config";
import { writeWholeFolder } from "./whole";
import { writeSafetensors, type TensorToWrite } from "./writeSafetensors";

export type SavedDtype = "float32" | "bfloat16" | "float16";

export interface ModelToSave {
  config: HfConfig;
  /** Left out for a model that generates nothing. */
  generationConfig?: Record<string, unknown>;
  /** Under Hugging Face's names. A tied `lm_head.weight` may be among them; it is left out. */
  tensors: readonly TensorToWrite[];
  /** How the weights are stored. Default float32. */
  dtype?: SavedDtype;
  /** What writes tokenizer.json and tokenizer_config.json into a folder: a `Tokenizer`. */
  tokenizer: { save(dir: string): Promise<void> };
  /** README.md, the model card, with its front matter. */
  card: string;
}

const dtypes = { float32: "F32", bfloat16: "BF16", float16: "F16" } as const;

/** What a model folder may hold that a newly saved model replaces; anything else in it stays. */
const MODEL_FILE = /^(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json$|^(README\.md|merges\.txt|chat_template\.jinja)$|\.safetensors$|\.safetensors\.index\.json$/;

/**
 * Saves a model as a Hugging Face folder that Python's transformers loads: config.json, generation_config.json (of a model that generates), model.safetensors,
 * tokenizer.json, tokenizer_config.json, README.md. All of it is written to a folder beside and then renamed.
 * @param dir a path that is free, an empty folder, or a model folder, whose model is replaced while its other files stay
 * @throws when `dir` is anything else
 */
export async function saveModelFolder(dir: string, model: ModelToSave): Promise<void> {
  const target = path.resolve(dir);
  const others = await otherFiles(target);
  await writeWholeFolder(target, (folder) => writeModel(folder, model), { kept: others });
}

async function writeModel(dir: string, { config, generationConfig, tensors, dtype = "float32", tokenizer, card }: ModelToSave): Promise<void> {
  await mkdir(dir, { recursive: true });
  // transformers 5 reads `dtype`, 4 reads `torch_dtype`; each ignores the other.
  const saved = { architectures: ["LlamaForCausalLM"], ...config, dtype, torch_dtype: dtype };
  const weights = config.tie_word_embeddings ? tensors.filter(({ name }) => name !== "lm_head.weight") : tensors;
  await writeJson(path.join(dir, "config.json"), saved);
  if (generationConfig) await writeJson(path.join(dir, "generation_config.json"), generationConfig);
  await writeSafetensors(path.join(dir, "model.safetensors"), weights.map((tensor) => ({ ...tensor, dtype: dtypes[dtype] })));
  await tokenizer.save(dir);
  await writeFile(path.join(dir, "README.md"), card);
}

/** Names in an existing target that are no part of a model. */
async function otherFiles(target: string): Promise<string[]> {
  if (!existsSync(target)) return [];
  const names = await readdir(target).catch(() => {
    throw new Error(`${target} is a file; a model is saved into a folder.`);
  });
  if (names.length > 0 && !isModelFolder(target)) throw new Error(`${target} holds other things than a model, so it is not replaced. Choose a new folder, or empty this one.`);
  return names.filter((name) => !MODEL_FILE.test(name));
}

function isModelFolder(dir: string): boolean {
  try {
    return typeof (JSON.parse(readFileSync(path.join(dir, "config.json"), "utf8")) as { model_type?: unknown }).model_type === "string";
  } catch {
    return false;
  }
}

function writeJson(file: string, value: object): Promise<void> {
  const inOrder = Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
  return writeFile(file, `${JSON.stringify(inOrder, null, 2)}\n`);
}
