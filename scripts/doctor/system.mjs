import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import path from 'node:path';
import { freeBytes, thisMachine } from '../setup/machine.mjs';
import { runTool } from '../setup/tool.mjs';

/** What the probes ask of the machine; tests answer in its place. */
export function thisSystem() {
  return {
    machine: thisMachine(),
    node: { version: process.versions.node, path: process.execPath },
    cores: availableParallelism(),
    totalMemory: totalmem(),
    exists: existsSync,
    readText,
    list,
    freeBytes,
  };
}

/** A file's text, or undefined where it cannot be read. */
export function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function list(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
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

/** The last line of a program's output that is JSON, parsed; undefined when there is none. */
export function lastJson(output) {
  for (const line of output.trimEnd().split('\n').reverse()) {
    if (!line.startsWith('{')) continue;
    try {
      return JSON.parse(line);
    } catch {
      return undefined;
    }
  }
  return undefined;
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
