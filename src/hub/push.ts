import { readdir } from "node:fs/promises";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { hubEndpoint, storedToken } from "./download";

export interface PushOptions {
  /** Default: `$HF_TOKEN`, else the stored one. */
  token?: string;
  /** Nobody else sees the repository. Default true. */
  private?: boolean;
  /** The commit's first line. */
  message?: string;
}

/**
 * Puts a model folder on the Hugging Face hub, into a repository that is made if need be.
 * @param folder a folder as `saveModel` writes it @param name `owner/name`
 * @returns the repository's address
 * @throws when there is no token, the name is none, the folder is empty, or the hub refuses
 */
export async function pushToHub(folder: string, name: string, options: PushOptions = {}): Promise<string> {
  if (!/^[\w.-]+\/[\w.-]+$/.test(name)) throw new Error(`${JSON.stringify(name)} is no name of a repository; it has the form owner/name.`);
  const accessToken = options.token ?? (await storedToken());
  if (!accessToken) throw new Error("Pushing needs a token with write access in HF_TOKEN.");
  const entries = await readdir(folder, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => ({ path: entry.name, content: pathToFileURL(path.resolve(folder, entry.name)) }));
  if (files.length === 0) throw new Error(`${folder} holds no files to push.`);
  const hub = await import("@huggingface/hub");
  const repo = { type: "model", name } as const;
  const access = { accessToken, hubUrl: hubEndpoint() };
  await hub.createRepo({ repo, visibility: (options.private ?? true) ? "private" : "public", ...access }).catch((error: Error & { statusCode?: number }) => {
    const exists = 409;
    if (error.statusCode !== exists) throw new Error(`The hub did not make ${name}: ${error.message}`);
  });
  await hub.uploadFiles({ repo, files, commitTitle: options.message ?? "Upload model", ...access });
  return `${hubEndpoint()}/${name}`;
}
