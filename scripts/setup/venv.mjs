import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { diagnose } from './diagnose.mjs';
import { SetupFailure } from './failure.mjs';
import { fingerprint } from './paths.mjs';
import { objection, probePython } from './python.mjs';
import { readStamp, writeStamp } from './stamp.mjs';
import { runTool } from './tool.mjs';

/** Where the set-up keeps its notes inside the virtual environment, so that they vanish with it. */
export function venvNotes(paths) {
  return path.join(paths.venv, '.alignlab');
}

const stampOf = (paths) => path.join(venvNotes(paths), 'jupyter.json');
const markOf = (paths) => path.join(venvNotes(paths), 'installing');

/** "3.11" for the interpreter inside the virtual environment, or undefined when it does not run. */
export function venvVersion(paths) {
  if (!existsSync(paths.venvPython)) return undefined;
  const { status, stdout } = spawnSync(paths.venvPython, ['-I', '-S', '-c', 'import sys; print("%d.%d.%d" % sys.version_info[:3])'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

function wanted(paths, version) {
  return fingerprint({ files: [paths.requirements.jupyter], texts: [paths.root, minorOf(version)] });
}

const minorOf = (version) => version.split('.').slice(0, 2).join('.');

/** The `site-packages` folder of the virtual environment. */
export function sitePackages(paths, version) {
  return path.join(paths.venv, 'lib', `python${minorOf(version)}`, 'site-packages');
}

/** Whether the virtual environment works and has the Jupyter stack of the requirements file. */
export function jupyterReady(paths, version = venvVersion(paths)) {
  return version !== undefined
    && readStamp(stampOf(paths))?.fingerprint === wanted(paths, version)
    && existsSync(path.join(sitePackages(paths, version), 'jupyterlab'));
}

/**
 * Whether the existing virtual environment can be installed over. It cannot when an earlier installation was cut off,
 * when the folder was moved (its scripts hold absolute paths), or when its Python is not one that the wheels exist for.
 */
export function canInstallOver(paths) {
  if (existsSync(markOf(paths)) || !existsSync(paths.venvPython) || madeElsewhere(paths)) return false;
  const found = probePython(paths.venvPython);
  if (!found || objection({ ...found, venv: true })) return false;
  return spawnSync(paths.venvPython, ['-m', 'pip', '--version'], { encoding: 'utf8' }).status === 0;
}

function madeElsewhere(paths) {
  const stamp = readStamp(stampOf(paths));
  if (stamp) return stamp.root !== paths.root;
  const script = path.join(paths.venv, 'bin', 'pip');
  if (!existsSync(script)) return false;
  return !readFileSync(script, 'utf8').includes(path.join(paths.venv, 'bin'));
}

/** The environment for pip: the user's index, proxy and certificates stay; what would send packages elsewhere goes. */
export function pipEnvironment(environment, temporary) {
  const env = { ...environment, PIP_USER: '0', PIP_NO_INPUT: '1', PIP_DISABLE_PIP_VERSION_CHECK: '1', TMPDIR: temporary };
  for (const name of ['PYTHONPATH', 'PYTHONHOME', 'PIP_TARGET', 'PIP_PREFIX', 'PIP_ROOT', 'PIP_REQUIREMENT', 'PIP_CONSTRAINT',
    'PIP_NO_BINARY', 'PIP_ONLY_BINARY', 'PIP_PYTHON', 'PIP_DRY_RUN', 'PIP_NO_DEPS', 'PIP_PLATFORM', 'PIP_QUIET']) delete env[name];
  return env;
}

/** Options of every pip call: sums required, wheels only (so nothing downloaded is executed), no copy kept. */
export const PIP_SAFETY = ['--require-hashes', '--only-binary=:all:', '--no-deps', '--no-cache-dir', '--progress-bar=off'];

/** Makes `.venv` with `python -m venv`, after removing what is there. */
export async function makeVenv({ paths, python, environment, temporary, signal, onStart }) {
  rmSync(paths.venv, { recursive: true, force: true });
  const options = { cwd: paths.root, env: pipEnvironment(environment, temporary), signal, onStart };
  const { code, output } = await runTool(python, ['-m', 'venv', paths.venv], options);
  if (code === 0) return;
  rmSync(paths.venv, { recursive: true, force: true });
  if (/ensurepip|python3[\d.]*-venv/.test(output)) {
    throw new SetupFailure('pythonVenv', `${python} could not make a virtual environment. On Debian and Ubuntu that part is a package of its own: sudo apt-get install python3-venv.`, output);
  }
  throw diagnose('pip', 'the virtual environment', output);
}

/** Installs the Jupyter stack. */
export async function installJupyter({ paths, environment, temporary, signal, onStart }) {
  rmSync(stampOf(paths), { force: true });
  writeStamp(markOf(paths), {});
  const options = { cwd: paths.root, env: pipEnvironment(environment, temporary), signal, onStart };
  const { code, output } = await runTool(paths.venvPython, ['-m', 'pip', 'install', ...PIP_SAFETY, '-r', paths.requirements.jupyter], options);
  // pip undoes what it began when it fails by itself: only one that was ended from outside leaves the mark behind.
  rmSync(markOf(paths), { force: true });
  if (code !== 0) throw diagnose('pip', 'JupyterLab', output);
  writeStamp(stampOf(paths), { fingerprint: wanted(paths, venvVersion(paths)), root: paths.root });
}
