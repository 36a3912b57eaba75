import { existsSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import { diagnose } from './diagnose.mjs';
import { SetupFailure } from './failure.mjs';
import { interruptible } from './interrupt.mjs';
import { fingerprint, projectPaths, toolEnvironment } from './paths.mjs';
import { findPython, probePython } from './python.mjs';
import { readStamp, writeStamp } from './stamp.mjs';
import { runTool } from './tool.mjs';
import { makeVenv, PIP_SAFETY, pipEnvironment } from './venv.mjs';

// Virtual environments beside `.venv` that few need, made when they are first asked for: the benches' peers, nbgrader.

/**
 * Where such an environment lies, and what it is made from: `.venv-NAME` from requirements/NAME.txt.
 * @returns {{ venv: string, python: string, requirements: string, stamp: string }}
 */
export function extraPaths(name, root = projectPaths().root) {
  const venv = path.join(root, `.venv-${name}`);
  return { venv, python: path.join(venv, 'bin', 'python'), requirements: path.join(root, 'requirements', `${name}.txt`), stamp: path.join(venv, '.alignlab', `${name}.json`) };
}

// By the folder itself: its scripts hold absolute paths, and several checkouts may have links to one.
const wanted = ({ venv, requirements }) => fingerprint({ files: [requirements], texts: [realpathSync(venv)] });

/** Whether an environment is there and whole. */
export function extraReady(paths) {
  return existsSync(paths.python) && readStamp(paths.stamp)?.fingerprint === wanted(paths);
}

/**
 * Makes an environment where it is missing.
 * @param {{ what: string, size: string, oldestMinor: number, needs: string }} of its packages in a few words, what they
 *   take, the oldest Python 3 that they run on, and what to say where there is none
 * @param {(text: string) => void} onProgress
 * @returns {Promise<string>} the path of its Python
 */
export async function ensureExtra(paths, { what, size, oldestMinor, needs }, onProgress = () => {}) {
  if (extraReady(paths)) return paths.python;
  const environment = toolEnvironment();
  const python = pythonFor(environment, oldestMinor, needs);
  onProgress(`${what} are fetched once into ${path.basename(paths.venv)}: ${size}.`);
  const { signal, restore } = interruptible();
  try {
    await install({ paths, what, python, environment, signal });
  } finally {
    restore();
  }
  return paths.python;
}

async function install({ paths, what, python, environment, signal }) {
  const project = projectPaths();
  await makeVenv({ paths: { ...project, venv: paths.venv }, python, environment, temporary: environment.TMPDIR, signal });
  const options = { cwd: project.root, env: pipEnvironment(environment, environment.TMPDIR), signal };
  const { code, output } = await runTool(paths.python, ['-m', 'pip', 'install', ...PIP_SAFETY, '-r', paths.requirements], options);
  if (code !== 0) {
    rmSync(paths.venv, { recursive: true, force: true });
    throw diagnose('pip', what, output);
  }
  writeStamp(paths.stamp, { fingerprint: wanted(paths) });
}

function pythonFor(environment, oldestMinor, needs) {
  const probe = (command) => {
    const found = probePython(command, environment);
    return found && found.version[1] >= oldestMinor ? found : undefined;
  };
  try {
    return findPython({ named: environment.ALIGNLAB_PYTHON, environment, probe }).command;
  } catch (error) {
    if (error instanceof SetupFailure && error.kind !== 'pythonVenv') throw new SetupFailure('pythonVersion', needs);
    throw error;
  }
}
