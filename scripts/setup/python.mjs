import { spawnSync } from 'node:child_process';
import { SetupFailure } from './failure.mjs';

const OLDEST = 10;
const NEWEST = 13;
const CANDIDATES = ['python3.13', 'python3.12', 'python3.11', 'python3.10', 'python3', 'python'];

const PROBE = `
import json, platform, sys, sysconfig
def has(name):
    try:
        __import__(name)
        return True
    except Exception:
        return False
print(json.dumps({
    "version": list(sys.version_info[:3]), "implementation": platform.python_implementation(),
    "bits": 64 if sys.maxsize > 2**32 else 32, "machine": platform.machine(), "executable": sys.executable,
    "freeThreaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "venv": has("venv") and has("ensurepip"),
}))
`;

/** Asks one interpreter what it is; undefined when it cannot be run (a missing program, or a shim of a version manager). */
export function probePython(command, environment = process.env) {
  const { PYTHONPATH, PYTHONHOME, PYTHONSTARTUP, ...env } = environment;
  const { status, stdout } = spawnSync(command, ['-c', PROBE], { env, encoding: 'utf8', timeout: 30_000 });
  if (status !== 0) return undefined;
  try {
    return JSON.parse(stdout.trim().split('\n').at(-1));
  } catch {
    return undefined;
  }
}

/** Why an interpreter will not do, as `{ kind, reason }`, or undefined when it will. */
export function objection(found) {
  const version = found.version.join('.');
  const [major, minor] = found.version;
  if (found.implementation !== 'CPython') return { kind: 'pythonVersion', reason: `is ${found.implementation} ${version}, not CPython` };
  if (major !== 3 || minor < OLDEST || minor > NEWEST) return { kind: 'pythonVersion', reason: `is Python ${version}` };
  if (found.freeThreaded) return { kind: 'pythonVersion', reason: `is Python ${version} in its free-threaded build` };
  if (found.bits !== 64) return { kind: 'pythonVersion', reason: `is Python ${version} in a 32-bit build` };
  if (!found.venv) return { kind: 'pythonVenv', reason: `is Python ${version} without venv or ensurepip` };
  return undefined;
}

/**
 * The first Python that TensorFlow's wheel exists for: the named one only when one is named, else whatever is on the PATH.
 * @param {{ named?: string, environment?: NodeJS.ProcessEnv, probe?: (command: string) => object | undefined }} options
 * @returns {{ command: string, version: string }}
 */
export function findPython({ named, environment = process.env, probe = (command) => probePython(command, environment) } = {}) {
  const rejected = [];
  for (const command of named ? [named] : CANDIDATES) {
    const found = probe(command);
    if (!found) continue;
    const objected = objection(found);
    if (!objected) return { command: found.executable || command, version: found.version.join('.') };
    rejected.push({ command, ...objected, minor: found.version[1] });
  }
  throw noPython(named, rejected);
}

function noPython(named, rejected) {
  const wanted = `Python 3.${OLDEST} to 3.${NEWEST}`;
  const choose = 'or name one with --python PATH (ALIGNLAB_PYTHON)';
  if (rejected.length === 0) {
    return named
      ? new SetupFailure('python', `${named} (from --python or ALIGNLAB_PYTHON) is not a Python that can be run.`)
      : new SetupFailure('python', `No Python was found on the PATH. Install ${wanted} (Debian and Ubuntu: sudo apt-get install python3 python3-venv), ${choose}.`);
  }
  const list = rejected.map(({ command, reason }) => `${command} ${reason}`).join('; ');
  const lacksVenv = rejected.find(({ kind }) => kind === 'pythonVenv');
  if (lacksVenv) {
    return new SetupFailure('pythonVenv', `${list}. On Debian and Ubuntu that part is a package of its own: sudo apt-get install python3.${lacksVenv.minor}-venv.`);
  }
  return new SetupFailure('pythonVersion', `${list}. TensorFlow 2.21's wheel exists for ${wanted} (CPython, 64 bits): install one of these, ${choose}.`);
}
