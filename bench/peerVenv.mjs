import { existsSync, realpathSync, rmSync } from 'node:fs';
import path from 'node:path';
import { diagnose } from '../scripts/setup/diagnose.mjs';
import { SetupFailure } from '../scripts/setup/failure.mjs';
import { interruptible } from '../scripts/setup/interrupt.mjs';
import { fingerprint, projectPaths, toolEnvironment } from '../scripts/setup/paths.mjs';
import { findPython, probePython } from '../scripts/setup/python.mjs';
import { readStamp, writeStamp } from '../scripts/setup/stamp.mjs';
import { runTool } from '../scripts/setup/tool.mjs';
import { makeVenv, PIP_SAFETY, pipEnvironment } from '../scripts/setup/venv.mjs';

const OLDEST_MINOR = 11;

/** Where the peers' own virtual environment lies, and what it is made from. */
export function peerPaths(root = projectPaths().root) {
  const venv = path.join(root, '.venv-peer');
  return { venv, python: path.join(venv, 'bin', 'python'), requirements: path.join(root, 'requirements', 'peer.txt'), stamp: path.join(venv, '.alignlab', 'peer.json') };
}

// By the folder itself: its scripts hold absolute paths, and several checkouts may have links to one.
const wanted = ({ venv, requirements }) => fingerprint({ files: [requirements], texts: [realpathSync(venv)] });

/** Whether the peers' environment is there and whole. */
export function peerReady(paths = peerPaths()) {
  return existsSync(paths.python) && readStamp(paths.stamp)?.fingerprint === wanted(paths);
}

/**
 * Makes the peers' environment where it is missing: PyTorch, transformers, PEFT and TRL, pinned, with their sums.
 * @param {(text: string) => void} onProgress
 * @returns {Promise<string>} the path of its Python
 */
export async function ensurePeer(onProgress = () => {}) {
  const paths = peerPaths();
  if (peerReady(paths)) return paths.python;
  const environment = toolEnvironment();
  const python = peerPython(environment);
  onProgress(`The peers (PyTorch, transformers, PEFT, TRL) are fetched once into ${path.basename(paths.venv)}: 2.6 GB to download, 4.6 GB on disk.`);
  const { signal, restore } = interruptible();
  try {
    await installPeer(paths, python, environment, signal);
  } finally {
    restore();
  }
  return paths.python;
}

async function installPeer(paths, python, environment, signal) {
  const project = projectPaths();
  await makeVenv({ paths: { ...project, venv: paths.venv }, python, environment, temporary: environment.TMPDIR, signal });
  const options = { cwd: project.root, env: pipEnvironment(environment, environment.TMPDIR), signal };
  const { code, output } = await runTool(paths.python, ['-m', 'pip', 'install', ...PIP_SAFETY, '-r', paths.requirements], options);
  if (code !== 0) {
    rmSync(paths.venv, { recursive: true, force: true });
    throw diagnose('pip', 'the peers', output);
  }
  writeStamp(paths.stamp, { fingerprint: wanted(paths) });
}

function peerPython(environment) {
  const probe = (command) => {
    const found = probePython(command, environment);
    return found && found.version[1] >= OLDEST_MINOR ? found : undefined;
  };
  try {
    return findPython({ named: environment.ALIGNLAB_PYTHON, environment, probe }).command;
  } catch (error) {
    if (error instanceof SetupFailure && error.kind !== 'pythonVenv') throw new SetupFailure('pythonVersion', `The peers need Python 3.${OLDEST_MINOR} to 3.13 (PyTorch 2.15 and transformers 5 do). Install one, or name it with ALIGNLAB_PYTHON; --peer none measures without a peer.`);
    throw error;
  }
}
