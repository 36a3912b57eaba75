import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A repository served as the Hugging Face hub serves it: `large` files by redirect and with a SHA-256, the others from git. */
export interface ServedRepo {
  type?: "model" | "dataset";
  name: string;
  /** Files of each revision, by path; a revision's name is its branch. */
  revisions: Record<string, Record<string, Buffer | string>>;
  large?: RegExp;
  token?: string;
}

/** Ways to misbehave, changed by tests while the server runs. */
export interface Faults {
  /** Closes the connection after so many bytes of a large file, as often as said. */
  cut?: { after: number; times: number };
  /** Sends so many bytes of a large file and then nothing more, the connection left open. */
  stallAfter?: number;
  /** Sends whole files even where a range is asked for. */
  ignoreRanges?: boolean;
  /** Sends other bytes than were listed. */
  corrupt?: boolean;
}

export interface HubServer {
  url: string;
  requests: { method: string; url: string; range: string | undefined; authorization: string | undefined }[];
  faults: Faults;
  close(): Promise<void>;
}

export const commitOf = (revision: string): string => createHash("sha1").update(`commit ${revision}`).digest("hex");

export async function serveHub(repos: ServedRepo[]): Promise<HubServer> {
  const requests: HubServer["requests"] = [];
  const faults: Faults = {};
  const server = createServer((request, response) => {
    requests.push({ method: request.method!, url: request.url!, range: request.headers.range, authorization: request.headers.authorization });
    answer(repos, faults, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(() => resolve());
    });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests, faults, close };
}

function answer(repos: ServedRepo[], faults: Faults, request: IncomingMessage, response: ServerResponse): void {
  const { pathname } = new URL(request.url!, "http://hub");
  const json = (status: number, body: unknown): void => void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  const repo = repos.find(({ name }) => pathname.includes(`/${name}/`));
  if (!repo) return json(401, { error: "Invalid username or password." });
  if (repo.token && !pathname.startsWith("/cdn/") && request.headers.authorization !== `Bearer ${repo.token}`) return json(401, { error: "Access is restricted." });
  const [, rest] = pathname.split(`/${repo.name}/`) as [string, string];
  const [verb, encoded, ...file] = rest.split("/") as [string, string, ...string[]];
  const wanted = decodeURIComponent(encoded);
  const revision = Object.keys(repo.revisions).find((name) => name === wanted || commitOf(name) === wanted);
  if (!revision) return json(404, { error: "Revision Not Found" });
  const files = repo.revisions[revision]!;
  if (verb === "revision") return json(200, { _id: "1", id: repo.name, sha: commitOf(revision), gated: false, private: false, downloads: 0, likes: 0, lastModified: "2026-01-01T00:00:00.000Z" });
  if (verb === "tree") return json(200, Object.entries(files).map(([path, content]) => listed(path, Buffer.from(content), repo)));
  const path = file.map(decodeURIComponent).join("/");
  if (files[path] === undefined) return json(404, { error: "Entry not found" });
  if (verb === "resolve" && repo.large?.test(path)) return void response.writeHead(302, { location: `/cdn/${repo.name}/cdn/${encoded}/${file.join("/")}` }).end();
  sendFile(Buffer.from(files[path]!), verb === "cdn", faults, request, response);
}

function listed(path: string, content: Buffer, { large }: ServedRepo): object {
  const oid = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
  const lfs = { oid: createHash("sha256").update(content).digest("hex"), size: content.length, pointerSize: 134 };
  return { type: "file", path, size: content.length, oid, ...(large?.test(path) ? { lfs } : {}) };
}

function sendFile(content: Buffer, isLarge: boolean, faults: Faults, request: IncomingMessage, response: ServerResponse): void {
  const range = faults.ignoreRanges ? null : /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
  const from = range ? Number(range[1]) : 0;
  const body = Buffer.from(content.subarray(from));
  if (faults.corrupt && isLarge) body[body.length - 1]! ^= 1;
  response.writeHead(range ? 206 : 200, { "content-length": body.length, ...(range ? { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` } : {}) });
  if (isLarge && faults.cut && faults.cut.times > 0) {
    faults.cut.times--;
    response.write(body.subarray(0, faults.cut.after), () => setTimeout(() => response.destroy(), 20));
    return;
  }
  if (isLarge && faults.stallAfter !== undefined) return void response.write(body.subarray(0, faults.stallAfter));
  response.end(body);
}
