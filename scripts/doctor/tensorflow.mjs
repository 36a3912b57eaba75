import { existsSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CUDA_LIBRARIES } from '../setup/cuda.mjs';
import { findPython } from '../setup/python.mjs';
import { installedBuild, tensorflowFolder } from '../setup/tensorflow.mjs';
import { advise, amiss, ok } from './row.mjs';
import { ask, lastJson, lastLine } from './system.mjs';

const LOAD = fileURLToPath(new URL('tensorflow.py', import.meta.url));
const LIBRARY = 'libtensorflow_cc.so.2';
const SETUP = 'Run npm start (or npm start -- --setup-only): it brings what is missing.';
const REPAIR = 'Run npm start -- --repair --setup-only: it makes the environment anew.';

/** The release that the requirements pin, such as 2.21.0. */
export function pinnedRelease(paths) {
  return /^tensorflow(?:-cpu)?==([\d.]+)/m.exec(readFileSync(paths.requirements.tensorflow, 'utf8'))?.[1];
}

/**
 * Loads the library that the engine would load, in a process of its own, since a wrong one can end its process.
 * @returns {Promise<{ folder?: string, problem?: string, version?: string, cuda?: boolean | null, devices?: string[] }>}
 *   `problem` where it does not load: then nothing else is known
 */
export async function loadTensorflow({ paths, environment, venvVersion }) {
  const named = environment.ALIGNLAB_TENSORFLOW;
  const folder = named ? path.resolve(named) : venvVersion && tensorflowFolder(paths, venvVersion);
  if (!folder || !existsSync(path.join(folder, LIBRARY))) return { problem: named ? `ALIGNLAB_TENSORFLOW is ${named}, which holds no ${LIBRARY}` : 'not in .venv' };
  const python = venvVersion ? paths.venvPython : findPython({ environment }).command;
  const libraries = CUDA_LIBRARIES.map(([wheel, name]) => path.join(folder, '..', 'nvidia', wheel, 'lib', name)).filter((file) => existsSync(file));
  const { code, output } = await ask(python, ['-I', LOAD, folder, ...libraries], { environment });
  const answer = lastJson(output);
  if (code === 0 && answer) return { folder, ...answer };
  return { folder, problem: `does not load: ${reasonOf(code, output)}` };
}

function reasonOf(code, output) {
  if (code === 128 + constants.signals.SIGKILL) return 'its process was killed, as when memory runs out';
  if (code > 128) return 'its process was ended by a signal, as for an instruction that this processor does not have';
  return lastLine(output) || `exit code ${code}`;
}

/** TensorFlow's libraries: release, and whether they load. */
export async function tensorflowProbe(context) {
  const { paths, environment, venvVersion } = context;
  const { folder, problem, version, cuda, devices } = await context.tensorflow();
  const values = { version: version ?? null, folder: folder ?? null, cuda: cuda ?? null, devices: devices ?? null };
  const named = environment.ALIGNLAB_TENSORFLOW;
  if (problem && named) return amiss(problem, "Point ALIGNLAB_TENSORFLOW at the tensorflow folder of an installed wheel, or unset it to use the project's own.", values);
  if (problem) return amiss(problem, folder ? REPAIR : SETUP, values);
  const pinned = pinnedRelease(paths);
  const found = `${version}, loads${cuda ? ', CUDA build' : cuda === false ? ', CPU build' : ''}${named ? `, from ALIGNLAB_TENSORFLOW (${folder})` : ''}`;
  if (minor(version) !== minor(pinned)) return amiss(found, `The engine needs ${minor(pinned)}. ${named ? 'Install that release there, or unset ALIGNLAB_TENSORFLOW.' : SETUP}`, values);
  if (!named && installedBuild(paths, venvVersion) === undefined) return advise(found, 'It is not what the set-up recorded: the next npm start fetches it again.', values);
  return ok(found, values);
}

const minor = (version) => version.split('.').slice(0, 2).join('.');
