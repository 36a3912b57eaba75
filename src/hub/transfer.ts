import { createHash } from "node:crypto";
import { createReadStream, createWriteStream, existsSync } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import { setTimeout as delay } from "node:timers/promises";
import { stopSignal, StopError } from "../engine/host";

/** A file to be brought from the network, and how to know that it is right. */
export interface Transfer {
  url: string;
  token: string | undefined;
  /** In bytes. */
  size: number;
  /** `sha256` of the content, or `git`: SHA-1 of git's blob. */
  sum: { algorithm: "sha256" | "git"; value: string };
  /** What to call it in messages. */
  label: string;
}

/** A transfer under way, and what ends it. */
type Stoppable = Transfer & { signal: AbortSignal };

/** Above this size a download is announced, so that a silent minute is explained. */
const ANNOUNCED_BYTES = 10_000_000;
const ATTEMPTS = 5;
/** A lock whose download has not moved for so long belongs to nobody, even if its process number is in use again. */
const ABANDONED_MS = 600_000;

/**
 * Brings a file to `blob`, going on where an earlier attempt stopped (`blob.incomplete`), and checks its sum. Processes that want the
 * same file wait for one another. Stop ends it and keeps what has arrived.
 * @throws StopError on Stop; Error when the server refuses, the connection keeps breaking, or the sum is wrong twice
 */
export async function bringBlob(blob: string, transfer: Transfer): Promise<void> {
  if (existsSync(blob)) return;
  const signal = stopSignal();
  await mkdir(path.dirname(blob), { recursive: true });
  const part = `${blob}.incomplete`;
  let release: (() => Promise<void>) | undefined;
  try {
    release = await lock(`${blob}.lock`, part, signal);
    if (existsSync(blob)) return;
    if (transfer.size > ANNOUNCED_BYTES) console.log(`Downloading ${transfer.label} (${Math.round(transfer.size / 1e6)} MB)`);
    // A part left behind by something else may be what is wrong, so a wrong sum gets one download from the start.
    for (let round = 0; round < 2; round++) {
      await complete(part, { ...transfer, signal });
      if ((await sumOf(part, transfer)) === transfer.sum.value) return await rename(part, blob);
      await rm(part);
    }
    throw new Error(`${transfer.label} does not match its sum ${transfer.sum.value} after two downloads. Try again later, or another HF_ENDPOINT.`);
  } catch (error) {
    if (signal.aborted) throw new StopError(`stopped: ${transfer.label} was not downloaded to its end. What has arrived is kept; run again to go on.`);
    throw (error as NodeJS.ErrnoException).code === "ENOSPC" ? new Error(`No space left on the disk for ${transfer.label} (${Math.round(transfer.size / 1e6)} MB) in ${path.dirname(blob)}.`, { cause: error }) : error;
  } finally {
    await release?.();
  }
}

/** Fetches until the part is as long as the file; a break is followed by another request for the rest. */
async function complete(part: string, transfer: Stoppable): Promise<void> {
  let failures = 0;
  for (;;) {
    const before = await sizeOf(part);
    if (before === transfer.size) return;
    if (before > transfer.size) await rm(part);
    try {
      await fetchRest(part, before > transfer.size ? 0 : before, transfer);
    } catch (error) {
      if (transfer.signal.aborted || error instanceof Refusal || (error as NodeJS.ErrnoException).code === "ENOSPC") throw error;
      failures = (await sizeOf(part)) > before ? 0 : failures + 1;
      if (failures >= ATTEMPTS) throw new Error(`${transfer.label} could not be downloaded: ${(error as Error).message}. What has arrived is kept; run again to go on.`, { cause: error });
      await delay(250 * 2 ** failures, undefined, { signal: transfer.signal });
    }
  }
}

/** The server answered, and the answer is no. */
class Refusal extends Error {}

async function fetchRest(part: string, from: number, { url, token, label, size, signal }: Stoppable): Promise<void> {
  const response = await fetch(url, { headers: { ...(token ? { authorization: `Bearer ${token}` } : {}), ...(from > 0 ? { range: `bytes=${from}-` } : {}), "accept-encoding": "identity" }, signal });
  if (response.status >= 500 || response.status === 429) throw new Error(`the server answered ${response.status}`);
  if (!response.ok || !response.body) throw new Refusal(`${label} could not be downloaded: the server answered ${response.status} ${response.statusText}.`);
  const continues = response.status === 206 && response.headers.get("content-range")?.startsWith(`bytes ${from}-`);
  const body = Readable.fromWeb(response.body as ReadableStream);
  await pipeline(body, createWriteStream(part, { flags: continues ? "a" : "w" }));
  const arrived = await sizeOf(part);
  if (arrived > size) throw new Refusal(`${label} should have ${size} bytes, but the server sent ${arrived}.`);
  if (arrived < size) throw new Error(`the connection ended ${size - arrived} bytes early`);
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => ({ size: 0 }))).size;
}

/** Milliseconds since 1970; 0 for a file that is not there. */
async function changedAt(file: string): Promise<number> {
  return (await stat(file).catch(() => ({ mtimeMs: 0 }))).mtimeMs;
}

async function sumOf(file: string, { sum, size }: Transfer): Promise<string> {
  const hash = createHash(sum.algorithm === "git" ? "sha1" : "sha256");
  if (sum.algorithm === "git") hash.update(`blob ${size}\0`);
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** Waits until no other living, working process holds the lock, takes it, and returns what gives it back. */
async function lock(file: string, part: string, signal: AbortSignal): Promise<() => Promise<void>> {
  for (;;) {
    signal.throwIfAborted();
    try {
      const handle = await open(file, "wx");
      await handle.writeFile(String(process.pid));
      await handle.close();
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    if (!existsSync(file)) continue;
    const holder = Number(await readFile(file, "utf8").catch(() => "0"));
    const idle = Date.now() - Math.max(await changedAt(file), await changedAt(part));
    if ((holder > 0 && !isAlive(holder)) || idle > ABANDONED_MS) await rm(file, { force: true });
    else await delay(200);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
