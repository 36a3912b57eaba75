import { createHash } from 'node:crypto';
import { accessSync, constants, mkdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's root, whatever the working directory is. */
export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Every path of one checkout. */
export function projectPaths(root = ROOT) {
  const venv = path.join(root, '.venv');
  const requirements = path.join(root, 'requirements');
  return {
    root,
    nodeModules: path.join(root, 'node_modules'),
    lockFile: path.join(root, 'package-lock.json'),
    venv,
    venvPython: path.join(venv, 'bin', 'python'),
    requirements: {
      jupyter: path.join(requirements, 'jupyter.txt'),
      tensorflow: path.join(requirements, 'tensorflow.txt'),
      tensorflowCuda: path.join(requirements, 'tensorflow-cuda.txt'),
      cuda: path.join(requirements, 'cuda.txt'),
      weights: path.join(requirements, 'weights.txt'),
      encoder: path.join(requirements, 'encoder.txt'),
    },
    work: path.join(root, '.cache'),
  };
}

function isWritableFolder(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return statSync(folder).isDirectory();
  } catch {
    return false;
  }
}

function homeOf(environment) {
  if (environment.HOME) return environment.HOME;
  try {
    return homedir();
  } catch {
    return undefined;
  }
}

/**
 * The environment in which every tool runs: a usable HOME, and ALIGNLAB_CACHE spelt out (`$ALIGNLAB_CACHE`, else
 * `$XDG_CACHE_HOME/alignlab`, else `~/.cache/alignlab`), so that all of them agree on one cache.
 * @param {{ make?: boolean }} options whether a HOME of the project's own is made where the user's cannot be used
 */
export function toolEnvironment(environment = process.env, root = ROOT, { make = true } = {}) {
  let home = homeOf(environment);
  if (home === undefined || !isWritableFolder(home)) {
    home = path.join(root, '.cache', 'home');
    if (make) mkdirSync(home, { recursive: true });
  }
  const cache = environment.ALIGNLAB_CACHE
    ? path.resolve(environment.ALIGNLAB_CACHE)
    : path.join(environment.XDG_CACHE_HOME || path.join(home, '.cache'), 'alignlab');
  return { ...environment, HOME: home, ALIGNLAB_CACHE: cache };
}

/** SHA-256, in hexadecimal, of texts and of the contents of files. */
export function fingerprint({ files = [], texts = [] }) {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(`${text}\0`);
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
}
