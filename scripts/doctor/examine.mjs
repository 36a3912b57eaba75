import { statSync } from 'node:fs';
import path from 'node:path';
import { cudaReady } from '../setup/cuda.mjs';
import { holderOf } from '../setup/lock.mjs';
import { agreesWithLock, packagesReady } from '../setup/packages.mjs';
import { installedBuild } from '../setup/tensorflow.mjs';
import { jupyterReady, venvVersion as versionInVenv } from '../setup/venv.mjs';
import { PACKAGED_WEIGHTS, sha256, weightsPath, weightsReady } from '../setup/weights.mjs';
import { chosenBackendProbe, fallbacksProbe, startFallbacks } from './backends.mjs';
import { browserProbe } from './browser.mjs';
import { findGpus, gpuProbe } from './gpu.mjs';
import { kernelProbe } from './kernel.mjs';
import { instructionsProbe, memoryProbe, systemProbe, threadsProbe } from './machine.mjs';
import { jupyterProbe, nodeProbe, packagesProbe, pythonProbe, setupProbe } from './programs.mjs';
import { cacheProbe, diskProbe } from './storage.mjs';
import { loadTensorflow, tensorflowProbe } from './tensorflow.mjs';

/** Every row of the table. What is `optional` cannot make the doctor's exit code 1 by failing to answer. */
const PROBES = [
  { id: 'system', title: 'System', probe: systemProbe },
  { id: 'node', title: 'Node', probe: nodeProbe },
  { id: 'python', title: 'Python', probe: pythonProbe },
  { id: 'setup', title: 'Set-up', probe: setupProbe },
  { id: 'packages', title: 'node_modules', probe: packagesProbe },
  { id: 'tensorflow', title: 'TensorFlow', probe: tensorflowProbe },
  { id: 'jupyterlab', title: 'JupyterLab', probe: jupyterProbe },
  { id: 'kernel', title: 'Kernel', probe: kernelProbe },
  { id: 'cache', title: 'Cache', probe: cacheProbe },
  { id: 'instructions', title: 'Instructions', probe: instructionsProbe },
  { id: 'threads', title: 'Threads', probe: threadsProbe, optional: true },
  { id: 'memory', title: 'Memory', probe: memoryProbe, optional: true },
  { id: 'disk', title: 'Disk', probe: diskProbe, optional: true },
  { id: 'gpu', title: 'GPU', probe: gpuProbe, optional: true },
  { id: 'backend', title: 'Backend', probe: chosenBackendProbe },
  { id: 'fallbacks', title: 'Fallbacks', probe: fallbacksProbe, optional: true },
  { id: 'browser', title: 'Browser', probe: browserProbe, optional: true },
];

/** A row of the table: what a probe found, under its name. @typedef {import('./row.mjs').Finding & { id: string, title: string }} Row */

/**
 * Looks at everything; writes nothing but a cell of its own in the system's temporary folder, and that only when `deep`.
 * @param {{ paths: object, environment: NodeJS.ProcessEnv, system: object, deep?: boolean }} options
 * @returns {Promise<Row[]>} one for each probe: one that fails says why
 */
export async function examine({ paths, environment, system, deep = false }, probes = PROBES) {
  const context = { paths, environment, system, deep, ...(await setupState(paths, environment)) };
  context.tensorflow = once(() => loadTensorflow(context).catch((error) => ({ problem: `could not be tried: ${error.message}` })));
  context.fallbacks = once(() => startFallbacks(context));
  context.gpus = once(() => findGpus(context));
  const rows = [];
  for (const { id, title, probe, optional } of probes) rows.push({ id, title, ...(await answer(probe, context, optional)) });
  return rows;
}

async function answer(probe, context, optional) {
  try {
    return await probe(context);
  } catch (error) {
    const found = `could not be found out: ${error?.message ?? error}`;
    return { state: optional ? 'advice' : 'amiss', found, advice: 'The reason is what the probe met; if it says nothing to you, report it with the output of npm run doctor -- --json.' };
  }
}

const once = (work) => {
  let result;
  return () => (result ??= work());
};

const NAMES = { packages: 'node_modules', venv: '.venv', jupyter: 'JupyterLab', tensorflow: "TensorFlow's libraries", cuda: "NVIDIA's CUDA libraries", weights: 'the packaged weights' };

/** Which parts of the set-up are there, found out without stamping or mending anything. */
async function setupState(paths, environment) {
  const venvVersion = quietly(() => versionInVenv(paths), undefined);
  const build = quietly(() => installedBuild(paths, venvVersion), undefined);
  const ready = {
    packages: quietly(() => packagesReady(paths) || agreesWithLock(paths), false),
    venv: venvVersion !== undefined,
    jupyter: quietly(() => jupyterReady(paths, venvVersion), false),
    tensorflow: Boolean(environment.ALIGNLAB_TENSORFLOW) || build !== undefined,
    cuda: build !== 'cuda' || quietly(() => cudaReady(paths, venvVersion), false),
    weights: await weightsIntact(environment.ALIGNLAB_CACHE).catch(() => false),
  };
  const missing = Object.keys(NAMES).filter((part) => !ready[part]).map((part) => NAMES[part]);
  return { venvVersion, ready, missing, running: quietly(() => holderOf(path.join(paths.work, 'setup.lock')), undefined) };
}

/** A part whose state cannot be read is not there; its own row says what is wrong with it. */
function quietly(work, otherwise) {
  try {
    return work();
  } catch {
    return otherwise;
  }
}

async function weightsIntact(cache) {
  if (weightsReady(cache)) return true;
  const file = weightsPath(cache);
  return statSync(file, { throwIfNoEntry: false })?.size === PACKAGED_WEIGHTS.bytes && (await sha256(file)) === PACKAGED_WEIGHTS.sha256;
}
