import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupFailure } from './failure.mjs';
import { signalGroup, startTimeOf } from './tool.mjs';
import { writeWhole } from './stamp.mjs';

const TOUCH_MS = 2_000;
const SILENT_MS = 30_000;
const PATIENCE_MS = 15 * 60_000;
const POLL_MS = 250;

/**
 * Keeps two set-ups of the same folder apart. A lock is stale when its process is gone from this machine or, for
 * one of another machine or container, when it was not touched for half a minute (the holder does so every two seconds).
 * A stale lock is taken over after the tools that its holder left running have been ended.
 * @param {string} file
 * @param {{ onWait?: (holder: string) => void, signal?: AbortSignal, patience?: number, silence?: number }} options
 * @returns {Promise<{ tool: (pid: number) => void, release: () => void }>} `tool` notes a program started under the lock
 */
export async function takeLock(file, { onWait = () => {}, signal, patience = PATIENCE_MS, silence = SILENT_MS } = {}) {
  mkdirSync(path.dirname(file), { recursive: true });
  const deadline = Date.now() + patience;
  let told = false;
  for (;;) {
    signal?.throwIfAborted();
    if (create(file)) return hold(file);
    const holder = readHolder(file);
    if (holder && isStale(file, holder, silence)) {
      await removeStale(file, silence);
      continue;
    }
    if (!told && holder) onWait(`process ${holder.pid} on ${holder.host}`);
    told = true;
    if (Date.now() > deadline) {
      throw new SetupFailure('busy', `Another set-up holds ${file} (process ${holder?.pid ?? 'unknown'}). Wait for it to end, or end it, and run the command again.`);
    }
    await sleep(POLL_MS, undefined, { signal }).catch(() => signal?.throwIfAborted());
  }
}

function self() {
  return { pid: process.pid, started: startTimeOf(process.pid), host: hostname(), tools: [] };
}

function create(file) {
  let descriptor;
  try {
    descriptor = openSync(file, 'wx');
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
  writeFileSync(descriptor, JSON.stringify(self()));
  closeSync(descriptor);
  return true;
}

function hold(file) {
  const holder = self();
  const touch = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(file, now, now);
    } catch {
      clearInterval(touch);
    }
  }, TOUCH_MS).unref();
  return {
    tool(pid) {
      holder.tools.push({ pid, started: startTimeOf(pid) });
      writeWhole(file, JSON.stringify(holder));
    },
    release() {
      clearInterval(touch);
      rmSync(file, { force: true });
    },
  };
}

/** Who holds the lock: undefined when it is free; an empty holder when its file is not written yet. */
function readHolder(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    return error.code === 'ENOENT' ? undefined : { pid: undefined, host: 'unknown', tools: [] };
  }
}

/** The process that holds a lock now, or undefined when nobody does. */
export function holderOf(file, silence = SILENT_MS) {
  const holder = readHolder(file);
  return holder && !isStale(file, holder, silence) ? holder : undefined;
}

function isStale(file, holder, silence) {
  if (holder.host === hostname() && holder.pid !== undefined) {
    const started = startTimeOf(holder.pid);
    return started === undefined || started !== holder.started;
  }
  try {
    return Date.now() - statSync(file).mtimeMs > silence;
  } catch {
    return false;
  }
}

/** Only the process that makes the file beside the lock may remove it, so that no fresh lock is removed by mistake. */
async function removeStale(file, silence) {
  const turn = `${file}.takeover`;
  if (!create(turn)) {
    const other = readHolder(turn);
    if (other && isStale(turn, other, silence)) rmSync(turn, { force: true });
    await sleep(POLL_MS);
    return;
  }
  try {
    const holder = readHolder(file);
    if (!holder || !isStale(file, holder, silence)) return;
    await endLeftOvers(holder);
    rmSync(file, { force: true });
  } finally {
    rmSync(turn, { force: true });
  }
}

/** Ends npm or pip runs that outlived a killed set-up: they would write into what is about to be made anew. */
async function endLeftOvers(holder) {
  if (holder.host !== hostname()) return;
  const alive = () => (holder.tools ?? []).filter(({ pid, started }) => started !== undefined && startTimeOf(pid) === started);
  for (const { pid } of alive()) signalGroup(pid, 'SIGTERM');
  for (let tries = 0; tries < 20 && alive().length > 0; tries++) await sleep(POLL_MS);
  for (const { pid } of alive()) signalGroup(pid, 'SIGKILL');
}
