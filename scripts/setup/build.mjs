import path from 'node:path';
import { driverObjection, findDriver } from './driver.mjs';
import { SetupFailure } from './failure.mjs';
import { readStamp, writeStamp } from './stamp.mjs';
import { installedBuild } from './tensorflow.mjs';
import { venvVersion } from './venv.mjs';

/** What the CUDA build takes, for the sentence that announces it. */
export const CUDA_COST = '3.4 GB to download, 5.6 GB on disk';

const choiceOf = (paths) => path.join(paths.work, 'build.json');

/** What the command line asks for: --cuda, --no-cuda, or neither. @returns {'cuda' | 'cpu' | undefined} */
export function buildOfOptions({ cuda, 'no-cuda': noCuda }) {
  if (cuda && noCuda) throw new SetupFailure('usage', '--cuda and --no-cuda exclude each other: give one of them, or neither.');
  return cuda ? 'cuda' : noCuda ? 'cpu' : undefined;
}

function buildOfEnvironment({ ALIGNLAB_CUDA: text }) {
  if (text === undefined || text === '') return undefined;
  if (text === '1' || text === '0') return text === '1' ? 'cuda' : 'cpu';
  throw new SetupFailure('usage', `ALIGNLAB_CUDA is ${JSON.stringify(text)}; it takes 1 (the CUDA build of TensorFlow) or 0 (the CPU build).`);
}

/** Keeps what a flag asked for, so that the next command without one means the same. */
export function rememberBuild(paths, asked) {
  if (asked && readStamp(choiceOf(paths))?.build !== asked) writeStamp(choiceOf(paths), { build: asked });
}

/**
 * Which build of TensorFlow is to be in `.venv`: the one asked for (by a flag, by ALIGNLAB_CUDA, by a flag of an earlier
 * command), else the CUDA build where NVIDIA's driver is, else the CPU build. A CUDA build that is there stays: it runs on
 * the CPU too, and a driver may be missing for a while. Nothing is looked for where the answer does not matter.
 * @param {{ asked?: 'cuda' | 'cpu', paths: object, environment: NodeJS.ProcessEnv, offline?: boolean, look?: typeof findDriver }} options
 * @returns {Promise<{ build: 'cuda' | 'cpu', why: string }>} `why` is the beginning of a sentence
 */
export async function chooseBuild({ asked, paths, environment, offline = false, look = findDriver }) {
  const sources = [[asked, 'asked for'], [buildOfEnvironment(environment), 'asked for by ALIGNLAB_CUDA'], [readStamp(choiceOf(paths))?.build, 'asked for by an earlier command']];
  const [build, why] = sources.find(([each]) => each === 'cuda' || each === 'cpu') ?? [];
  if (build) return { build, why };
  const installed = installedBuild(paths, venvVersion(paths));
  if (installed === 'cuda') return { build: 'cuda', why: 'it is there' };
  if (installed && offline) return { build: installed, why: 'it is there' };
  if (environment.ALIGNLAB_TENSORFLOW) return { build: 'cpu', why: 'ALIGNLAB_TENSORFLOW names another' };
  const driver = await look({ environment });
  const objection = driver.present ? driverObjection(driver) : undefined;
  if (driver.present && !objection) return { build: 'cuda', why: driver.why };
  return { build: 'cpu', why: objection ? `${driver.why}. ${objection}` : driver.why };
}
