import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { freeBytes, thisMachine } from '../setup/machine.mjs';

export { ask, lastLine, onPath } from '../setup/tool.mjs';

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
