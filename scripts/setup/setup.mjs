import { existsSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { chooseBuild, CUDA_COST, rememberBuild } from './build.mjs';
import { cudaReady, installCuda } from './cuda.mjs';
import { SetupFailure } from './failure.mjs';
import { writeKernelSpec } from './kernelspec.mjs';
import { takeLock } from './lock.mjs';
import { requireMachine, requireSpace } from './machine.mjs';
import { adoptPackages, installPackages, packagesReady } from './packages.mjs';
import { findPython } from './python.mjs';
import { installedBuild, installTensorflow, tensorflowFolder } from './tensorflow.mjs';
import { canInstallOver, installJupyter, jupyterReady, makeVenv, venvVersion } from './venv.mjs';
import { installWeights, verifyWeights, weightsPath, weightsReady } from './weights.mjs';
import { allUnder, largestUnder, sizeOf } from './wheel.mjs';

/** Megabytes that each part needs while it is made, downloads included: measured (of CUDA's, the sizes in the wheels), rounded up. */
const MEGABYTES = { packages: 1200, npmCache: 400, jupyter: 350, tensorflow: { cpu: 1150, cuda: 1850 }, cuda: 6900, weightsDownload: 100, weights: 100 };

/**
 * Makes what is missing: node_modules, the virtual environment, TensorFlow's libraries, the packaged weights.
 * @param {{ paths: ReturnType<import('./paths.mjs').projectPaths>, environment: NodeJS.ProcessEnv, progress: import('./progress.mjs').Progress,
 *   signal?: AbortSignal, offline?: boolean, python?: string, repair?: boolean, build?: 'cuda' | 'cpu' }} options
 *   `environment` comes from toolEnvironment; `repair` makes everything anew; `build` is the TensorFlow that a flag asks for
 */
export async function ensureSetup(options) {
  const { paths, environment, progress, signal, offline = false, repair = false } = options;
  const python = options.python ? findPython({ named: options.python, environment }) : undefined;
  const { build, why } = await chooseBuild({ asked: options.build, paths, environment, offline });
  let missing = await findMissing(paths, environment, python, build, repair);
  if (Object.values(missing).some(Boolean)) {
    refuseOffline(offline, missing);
    requireMachine();
    if (missing.tensorflow || missing.cuda) progress.line(announcement(build, why));
    requireRoom(missing, paths, environment);
    const onWait = (holder) => progress.line(`waiting for another set-up to end (${holder})`);
    const locks = [await takeLock(path.join(paths.work, 'setup.lock'), { onWait, signal })];
    try {
      if (missing.weights) locks.push(await takeLock(path.join(environment.ALIGNLAB_CACHE, 'setup.lock'), { onWait, signal }));
      missing = await findMissing(paths, environment, python, build, repair);
      await makeMissing(missing, python, { ...options, onStart: (pid) => locks[0].tool(pid) });
    } finally {
      for (const lock of locks) lock.release();
    }
  }
  rememberBuild(paths, options.build);
  writeKernelSpec(paths);
}

function announcement(build, why) {
  if (build === 'cpu') return `tensorflow: the CPU build (${why})`;
  return `tensorflow: the CUDA build (${why}): ${CUDA_COST} in all; --no-cuda takes the CPU build`;
}

/**
 * Which parts have to be made, of `tensorflow` the build; parts that only lack their stamp are stamped on the way.
 * NVIDIA's libraries stay where they are beside a CPU build: going back to the CUDA build does not fetch them again.
 */
async function findMissing(paths, environment, python, build, repair) {
  if (repair) return { packages: true, venv: true, jupyter: true, tensorflow: build, cuda: build === 'cuda', weights: true };
  const version = venvVersion(paths);
  const otherPython = python !== undefined && version !== undefined && python.version !== version;
  const jupyter = otherPython || !jupyterReady(paths, version);
  const venv = otherPython || (jupyter && !canInstallOver(paths));
  const cache = environment.ALIGNLAB_CACHE;
  return {
    packages: !packagesReady(paths) && !adoptPackages(paths),
    venv,
    jupyter,
    tensorflow: (venv || installedBuild(paths, version) !== build) && build,
    cuda: build === 'cuda' && (venv || !cudaReady(paths, version)),
    weights: !weightsReady(cache) && !(await verifyWeights(cache)),
  };
}

const NAMES = { packages: 'node_modules', jupyter: "JupyterLab's virtual environment", tensorflow: "TensorFlow's libraries", cuda: "NVIDIA's CUDA libraries", weights: 'the packaged weights' };

function refuseOffline(offline, missing) {
  if (!offline) return;
  const list = Object.keys(NAMES).filter((name) => missing[name]).map((name) => NAMES[name]).join(', ');
  throw new SetupFailure('offline', `--offline was given, and this has to be downloaded first: ${list}. Run the command once without --offline.`);
}

function requireRoom(missing, paths, environment) {
  try {
    requireSpace(spaceNeeded(missing, paths, environment));
  } catch (error) {
    if (error.kind !== 'disk' || missing.tensorflow !== 'cuda') throw error;
    throw new SetupFailure('disk', `${error.message} Most of it is for the CUDA build of TensorFlow: --no-cuda takes the CPU build.`);
  }
}

/** Space that making the missing parts takes, for requireSpace. `missing.tensorflow` may name a build. */
export function spaceNeeded(missing, paths, environment) {
  return [
    missing.packages && !existsSync(paths.nodeModules) && { folder: paths.root, megabytes: MEGABYTES.packages },
    missing.packages && { folder: environment.npm_config_cache || environment.HOME, megabytes: MEGABYTES.npmCache },
    missing.venv && { folder: paths.root, megabytes: MEGABYTES.jupyter },
    missing.tensorflow && { folder: paths.root, megabytes: MEGABYTES.tensorflow[missing.tensorflow === 'cuda' ? 'cuda' : 'cpu'] },
    missing.cuda && { folder: paths.root, megabytes: MEGABYTES.cuda },
    missing.weights && { folder: paths.root, megabytes: MEGABYTES.weightsDownload },
    missing.weights && { folder: environment.ALIGNLAB_CACHE, megabytes: MEGABYTES.weights },
  ].filter(Boolean);
}

/** Runs the JavaScript and the Python part side by side. The first failure ends the others and is the one reported. */
async function makeMissing(missing, python, { paths, environment, progress, signal, onStart }) {
  const downloads = path.join(paths.work, 'setup');
  rmSync(downloads, { recursive: true, force: true });
  mkdirSync(downloads, { recursive: true });
  const interpreter = missing.venv ? python ?? findPython({ environment }) : undefined;
  const { together, signal: stop } = allOrNothing(signal);
  const shared = { paths, environment, signal: stop, onStart };
  const temporary = (name) => {
    const folder = path.join(downloads, name);
    mkdirSync(folder, { recursive: true });
    return folder;
  };

  const javascript = async () => {
    if (missing.packages) await progress.part('packages', 'npm ci, from package-lock.json', () => installPackages(shared));
  };
  const jupyter = () => progress.part('jupyter', 'pip install JupyterLab, nbconvert, plotly', () =>
    installJupyter({ ...shared, temporary: temporary('jupyter') }));
  const tensorflow = () => {
    const folder = temporary('tensorflow');
    const detail = () => megabytes(unpacked(paths), 'unpacked') || megabytes(largestUnder(folder), 'downloaded');
    const size = missing.tensorflow === 'cuda' ? '573 MB' : '274 MB';
    return progress.part('tensorflow', `TensorFlow 2.21's libraries (${size} to download)`, () => installTensorflow({ ...shared, build: missing.tensorflow, temporary: folder }), detail);
  };
  const cuda = () => {
    const folder = temporary('cuda');
    return progress.part('cuda', "NVIDIA's CUDA 12 libraries (2.8 GB to download, 4.3 GB on disk)", () => installCuda({ ...shared, temporary: folder }), () => megabytes(allUnder(folder), 'downloaded'));
  };
  const weights = () => {
    const folder = temporary('weights');
    return progress.part('weights', `SmolLM2-135M-Instruct (93 MB to download) into ${weightsPath(environment.ALIGNLAB_CACHE)}`, () =>
      installWeights({ ...shared, cache: environment.ALIGNLAB_CACHE, temporary: folder }), () => megabytes(largestUnder(folder), 'downloaded'));
  };
  const pythonParts = async () => {
    if (missing.venv) {
      await progress.part('venv', `python -m venv .venv, with Python ${interpreter.version}`, () =>
        makeVenv({ ...shared, python: interpreter.command, temporary: temporary('venv') }));
    }
    // Both install into one place, which pip does not do twice at once.
    const installed = async () => {
      if (missing.jupyter) await jupyter();
      if (missing.cuda) await cuda();
    };
    await together([installed, ...(missing.tensorflow ? [tensorflow] : []), ...(missing.weights ? [weights] : [])]);
  };

  try {
    await together([javascript, pythonParts]);
  } finally {
    rmSync(downloads, { recursive: true, force: true });
  }
}

/** Runs tasks side by side under one signal: when one fails, the others are ended, and its error is thrown after all have ended. */
function allOrNothing(outer) {
  const controller = new AbortController();
  outer?.addEventListener('abort', () => controller.abort(outer.reason), { once: true });
  const together = async (tasks) => {
    let first;
    await Promise.all(tasks.map((task) => task().catch((error) => {
      first ??= error;
      controller.abort(error);
    })));
    if (first) throw first;
  };
  return { together, signal: controller.signal };
}

function unpacked(paths) {
  const version = venvVersion(paths);
  return version === undefined ? 0 : sizeOf(path.join(tensorflowFolder(paths, version), 'libtensorflow_cc.so.2.part'));
}

function megabytes(bytes, what) {
  return bytes > 0 ? `${Math.round(bytes / 1e6)} MB ${what}` : '';
}
