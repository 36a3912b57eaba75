import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

const KEPT_CHARACTERS = 20_000;
const GRACE_MS = 5_000;

/** When the process with this id was started, as the kernel counts it; undefined when there is none. */
export function startTimeOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** Sends a signal to a process and everything it started. */
export function signalGroup(pid, name) {
  try {
    process.kill(-pid, name);
    return true;
  } catch {
    return false;
  }
}

/**
 * Runs a program in a process group of its own and keeps the end of what it prints.
 * @param {string} command
 * @param {string[]} args
 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, signal?: AbortSignal, onStart?: (pid: number) => void }} options
 *   an aborted `signal` ends the whole group; `onStart` gets the process id
 * @returns {Promise<{ code: number, output: string }>} `code` is 127 when the program does not exist and 128 + n after a signal
 */
export function runTool(command, args, { cwd, env, signal, onStart } = {}) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (chunk) => {
      output = (output + chunk).slice(-KEPT_CHARACTERS);
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);

    let killer;
    const abort = () => {
      signalGroup(child.pid, 'SIGTERM');
      killer = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), GRACE_MS);
    };
    signal?.addEventListener('abort', abort, { once: true });
    child.once('spawn', () => onStart?.(child.pid));
    child.once('error', (error) => {
      signal?.removeEventListener('abort', abort);
      if (error.code === 'ENOENT' || error.code === 'EACCES') resolve({ code: 127, output: error.message });
      else reject(error);
    });
    child.once('close', (code, killedBy) => {
      clearTimeout(killer);
      signal?.removeEventListener('abort', abort);
      if (signal?.aborted) reject(signal.reason);
      else resolve({ code: code ?? 128 + (killedBy === 'SIGKILL' ? 9 : 15), output });
    });
  });
}

/**
 * Runs a program for at most some seconds, its output cut to the end.
 * @returns {Promise<{ code: number, output: string }>} `code` as runTool gives it: 127 when there is no such program
 * @throws Error when it does not end in time
 */
export async function ask(command, args, { environment, cwd, seconds = 60 }) {
  try {
    return await runTool(command, args, { cwd, env: environment, signal: AbortSignal.timeout(seconds * 1000) });
  } catch (error) {
    throw error.name === 'TimeoutError' ? new Error(`${path.basename(command)} did not end within ${seconds} s`) : error;
  }
}

/** The last line of a program's output, for a reason. */
export function lastLine(output) {
  return output.trimEnd().split('\n').at(-1).trim().slice(0, 300);
}

/** The path of a program on the PATH, or undefined. */
export function onPath(name, environment, exists = existsSync) {
  const folders = (environment.PATH ?? '').split(path.delimiter).filter(Boolean);
  return folders.map((folder) => path.join(folder, name)).find((file) => exists(file));
}
