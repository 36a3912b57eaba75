import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { cacheDir } from "../src/hub/cache";
import { saveModelFolder } from "../src/hub/save";
import type { ModelFiles } from "../src/hub/source";
import { Tokenizer } from "../src/tokens/tokenizer";

/**
 * The same weights for a peer: the model as a Hugging Face folder in float32, written once into the cache.
 * @returns the folder
 */
export async function peerCheckpoint(files: ModelFiles): Promise<string> {
  const parent = path.join(cacheDir(), "peer");
  const folder = path.join(parent, `${files.name.replace(/[^\w.-]/g, "-")}-${files.fingerprint.slice(0, 16)}-float32`);
  if (existsSync(path.join(folder, "model.safetensors"))) return folder;
  await mkdir(parent, { recursive: true });
  await saveModelFolder(folder, {
    config: files.config, generationConfig: files.generationConfig, dtype: "float32",
    tensors: files.tensors.names().map((name) => ({ name, shape: files.tensors.shape(name), data: () => files.tensors.read(name) })),
    tokenizer: new Tokenizer(files.tokenizer),
    card: `# ${files.name}\n\nThe packaged weights, dequantised to float32 for the benches' peers.\n`,
  });
  return folder;
}
