import { existsSync } from "node:fs";
import { mkdir, readFile, symlink } from "node:fs/promises";
import { homedir } from "node:os";
import path from "node:path";
import { SMALL_FILES } from "./folder";
import { writeWhole } from "./whole";
import { bringBlob } from "./transfer";

/** A repository of the Hugging Face hub. */
export interface HubRepo {
  type: "model" | "dataset";
  /** `owner/name` */
  name: string;
}

export interface HubOptions {
  /** Branch, tag or commit. Default `main`. */
  revision?: string;
  /** Default `$HF_TOKEN`, else the token that Python's `hf auth login` has stored. */
  token?: string;
}

/** One file of a repository as the hub lists it. */
export interface HubFile {
  path: string;
  size: number;
  /** Git's SHA-1 of the blob, for a file in git itself. */
  oid?: string;
  /** SHA-256 of the content, for a large file. */
  lfs?: { oid: string };
}

/**
 * Brings a model's files into the hub's cache on this machine, whose layout is the one that Python's huggingface_hub uses.
 * @returns the folder of the snapshot
 * @throws when the repository has no safetensors weights, cannot be reached, or a file does not match its sum
 */
export function downloadModel(name: string, options: HubOptions = {}): Promise<string> {
  return downloadFiles({ type: "model", name }, chooseModelFiles, options);
}

function chooseModelFiles(files: HubFile[], name: string): HubFile[] {
  const named = (wanted: (path: string) => boolean): HubFile[] => files.filter((file) => wanted(file.path));
  const single = named((file) => file === "model.safetensors");
  const shards = named((file) => file === "model.safetensors.index.json" || /^model-\d+-of-\d+\.safetensors$/.test(file));
  const weights = single.length > 0 ? single : shards;
  if (weights.length === 0) throw new Error(`${name} has no model.safetensors on the hub. Weights in other formats are not read; a .gguf file can be downloaded by hand and opened by its path.`);
  return [...named((file) => SMALL_FILES.includes(file)), ...weights];
}

/**
 * Brings chosen files of a repository into the cache. Without a network, or with `HF_HUB_OFFLINE` set, what the cache has is used.
 * @param choose picks from the repository's files; it may throw to say that what is needed is not there
 */
export async function downloadFiles(repo: HubRepo, choose: (files: HubFile[], name: string) => HubFile[], options: HubOptions = {}): Promise<string> {
  const revision = options.revision ?? "main";
  const storage = path.join(hubCacheDir(), `${repo.type}s--${repo.name.replace("/", "--")}`);
  if (/^(1|on|yes|true)$/i.test(process.env.HF_HUB_OFFLINE ?? "")) return cachedSnapshot(storage, repo, revision, "HF_HUB_OFFLINE is set");
  const token = options.token ?? (await storedToken());
  let listed: { commit: string; files: HubFile[] };
  try {
    listed = await listRepository(repo, revision, token);
  } catch (error) {
    if (!isNetworkError(error)) throw hubError(error, repo, revision);
    const folder = await cachedSnapshot(storage, repo, revision, `${hubEndpoint()} cannot be reached`);
    console.warn(`${hubEndpoint()} cannot be reached: using the copy of ${repo.name} in ${folder}.`);
    return folder;
  }
  const { commit, files } = listed;
  const snapshot = path.join(storage, "snapshots", commit);
  for (const file of choose(files, repo.name)) await bringFile(file, { repo, commit, token, storage, snapshot });
  if (revision !== commit) await writeWhole(path.join(storage, "refs", revision), commit);
  return snapshot;
}

/** The hub's address: `$HF_ENDPOINT`, else the public one. */
export function hubEndpoint(): string {
  return (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
}

/** Where Python's huggingface_hub keeps what it downloaded, by the same environment variables. */
export function hubCacheDir(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = process.env;
  return HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || path.join(hubHome(), "hub");
}

function hubHome(): string {
  const { HF_HOME, XDG_CACHE_HOME } = process.env;
  return HF_HOME || path.join(XDG_CACHE_HOME || path.join(homedir(), ".cache"), "huggingface");
}

/** The access token: `$HF_TOKEN`, else the one that Python's `hf auth login` stored. */
export async function storedToken(): Promise<string | undefined> {
  if (process.env.HF_TOKEN) return process.env.HF_TOKEN.trim();
  const file = process.env.HF_TOKEN_PATH || path.join(hubHome(), "token");
  return (await readFile(file, "utf8").catch(() => "")).trim() || undefined;
}

async function cachedSnapshot(storage: string, { name }: HubRepo, revision: string, why: string): Promise<string> {
  const commit = await readFile(path.join(storage, "refs", revision), "utf8").catch(() => revision);
  const folder = path.join(storage, "snapshots", commit.trim());
  if (existsSync(folder)) return folder;
  throw new Error(`${why}, and ${name} (${revision}) is not in the cache at ${hubCacheDir()}. Run once with a network, or use a local folder.`);
}

async function listRepository(repo: HubRepo, revision: string, token: string | undefined): Promise<{ commit: string; files: HubFile[] }> {
  const hub = await import("@huggingface/hub");
  const access = { hubUrl: hubEndpoint(), ...(token ? { accessToken: token } : {}) };
  const query = { name: repo.name, revision, ...access };
  const { sha } = repo.type === "model" ? await hub.modelInfo({ ...query, additionalFields: ["sha"] }) : await hub.datasetInfo({ ...query, additionalFields: ["sha"] });
  const files: HubFile[] = [];
  for await (const entry of hub.listFiles({ repo, revision: sha, recursive: repo.type === "dataset", ...access })) if (entry.type === "file") files.push(entry);
  return { commit: sha, files };
}

interface Place {
  repo: HubRepo;
  commit: string;
  token: string | undefined;
  storage: string;
  snapshot: string;
}

async function bringFile(file: HubFile, { repo, commit, token, storage, snapshot }: Place): Promise<void> {
  const pointer = path.join(snapshot, file.path);
  if (path.relative(snapshot, pointer).startsWith("..")) throw new Error(`${repo.name} lists a file outside its folder: ${file.path}.`);
  if (existsSync(pointer)) return;
  const sum = file.lfs ? { algorithm: "sha256" as const, value: file.lfs.oid } : { algorithm: "git" as const, value: file.oid ?? "" };
  if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(sum.value)) throw new Error(`${hubEndpoint()} gives no sum for ${repo.name}/${file.path}.`);
  const blob = path.join(storage, "blobs", sum.value);
  const kind = repo.type === "dataset" ? "datasets/" : "";
  const url = `${hubEndpoint()}/${kind}${repo.name}/resolve/${commit}/${file.path.split("/").map(encodeURIComponent).join("/")}`;
  await bringBlob(blob, { url, token, size: file.size, sum, label: `${repo.name}/${file.path}` });
  await mkdir(path.dirname(pointer), { recursive: true });
  await symlink(path.relative(path.dirname(pointer), blob), pointer).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}

function isNetworkError(error: unknown): boolean {
  return error instanceof TypeError && error.message === "fetch failed";
}

/** The hub answers 401 both for what is private and for what does not exist, so as not to tell the two apart. */
function hubError(error: unknown, { name, type }: HubRepo, revision: string): Error {
  const status = (error as { statusCode?: number }).statusCode;
  const page = `${hubEndpoint()}/${type === "dataset" ? "datasets/" : ""}${name}`;
  if (status === 401 || status === 403) return new Error(`The ${type} ${name} does not exist, or is private, or wants its terms accepted. See ${page}; then set HF_TOKEN to a token that may read it.`, { cause: error });
  if (status === 404) return new Error(`The hub has no ${type} ${name} with a revision ${revision} (${page}).`, { cause: error });
  return error instanceof Error ? error : new Error(String(error));
}
