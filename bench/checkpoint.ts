import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { cacheDir } from "../src/hub/cache";
import { saveModelFolder, type SavedDtype } from "../src/hub/save";
import type { ModelFiles } from "../src/hub/source";
import { Tokenizer } from "../src/tokens/tokenizer";

/**
 * The same weights for a peer: the model as a Hugging Face folder, written once into the cache.
 * @param dtype how the folder stores them @returns the folder
 */
export async function peerCheckpoint(files: ModelFiles, dtype: SavedDtype = "float32"): Promise<string> {
  const parent = path.join(cacheDir(), "peer");
  const folder = path.join(parent, `${files.name.replace(/[^\w.-]/g, "-")}-${files.fingerprint.slice(0, 16)}-${dtype}`);
  if (existsSync(path.join(folder, "model.safetensors"))) return folder;
  await mkdir(parent, { recursive: true });
  await saveModelFolder(folder, {
    config: files.config, generationConfig: files.generationConfig, dtype,
    tensors: files.tensors.names().map((name) => ({ name, shape: files.tensors.shape(name), data: () => files.tensors.read(name) })),
    tokenizer: new Tokenizer(files.tokenizer),
    card: `# ${files.name}\n\nThe packaged weights, dequantised to ${dtype} for the benches' peers.\n`,
  });
  return folder;
}
