import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, cpSync, existsSync, linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CUDA_LIBRARIES, CUDA_TOOLS } from '../../scripts/setup/cuda.mjs';
import { projectPaths, toolEnvironment } from '../../scripts/setup/paths.mjs';

/** The checkout that runs these tests, whose own set-up is done. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const REAL_PYTHON = projectPaths(ROOT).venvPython;
export const REAL_CACHE = toolEnvironment(process.env, ROOT).ALIGNLAB_CACHE;

const SHELL_TOOLS = ['bash', 'cat', 'cp', 'dirname', 'mkdir', 'rm', 'sleep', 'touch'];

/** What NVIDIA's wheels put under site-packages/nvidia, as far as the set-up looks. */
export const CUDA_FILES = [...CUDA_LIBRARIES.map(([wheel, library]) => `${wheel}/lib/${library}`), ...CUDA_TOOLS];

/** A probe's answer, as a Python that will do gives it. */
export const GOOD_PYTHON = { version: [3, 11, 7], implementation: 'CPython', bits: 64, machine: 'x86_64', executable: '', freeThreaded: false, venv: true };

const FAKE_PYTHON = `#!/bin/bash
echo "$*" >> "$FAKE_LOG"
case "$1 $2" in
  "-c "*) cat "$FAKE_PROBE" ;;
  "-I -S") echo 3.11.7 ;;
  "-I "*) exec "${REAL_PYTHON}" "$@" ;;
  "-m venv") mkdir -p "$3/bin" "$3/lib/python3.11/site-packages" && cp "$FAKE_BIN/python3" "$3/bin/python" ;;
  "-m pip")
    here="$(dirname "$0")/.."
    case "$3" in
      install)
        site="$here/lib/python3.11/site-packages"
        eval "\${FAKE_INSTALL:-:}" || exit 1
        case "$*" in
          *cuda.txt) for file in $FAKE_CUDA; do mkdir -p "$(dirname "$site/nvidia/$file")" && echo "$file" > "$site/nvidia/$file"; done ;;
          *) mkdir -p "$site/jupyterlab" ;;
        esac ;;
      download)
        eval "\${FAKE_DOWNLOAD:-:}" || exit 1
        while [ "$1" != "-d" ]; do shift; done
        cp "$FAKE_WHEELS/tensorflow_cpu-0-py3-none-any.whl" "$2/" ;;
    esac ;;
esac
`;

const FAKE_NPM = `#!/bin/bash
echo "npm $*" >> "$FAKE_LOG"
if [ "$1" = --version ]; then echo 11.0.0; exit; fi
eval "\${FAKE_CI:-:}" || exit 1
for name in $FAKE_PACKAGES; do mkdir -p "node_modules/$name" && echo '{}' > "node_modules/$name/package.json"; done
`;

/**
 * A checkout with nothing made, beside a PATH that holds a few shell tools and, unless taken out, a fake npm and a fake Python.
 * Both fakes log each call, and run what FAKE_CI, FAKE_INSTALL or FAKE_DOWNLOAD say before they do their work.
 */
export function makeSandbox({ npm = true, python = GOOD_PYTHON } = {}) {
  const base = mkdtempSync(path.join(tmpdir(), 'alignlab-setup-'));
  const root = path.join(base, 'checkout');
  const bin = path.join(base, 'bin');
  const log = path.join(base, 'log');
  mkdirSync(bin);
  for (const name of ['scripts', 'requirements', 'package.json', 'package-lock.json']) cpSync(path.join(ROOT, name), path.join(root, name), { recursive: true });
  for (const tool of SHELL_TOOLS) symlinkSync(spawnSync('which', [tool], { encoding: 'utf8' }).stdout.trim(), path.join(bin, tool));
  writeFileSync(log, '');
  if (npm) program(path.join(bin, 'npm'), FAKE_NPM);
  if (python) {
    program(path.join(bin, 'python3'), FAKE_PYTHON);
    writeFileSync(path.join(base, 'probe.json'), JSON.stringify({ ...python, executable: path.join(bin, 'python3') }));
  }
  const { dependencies, devDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
  const env = {
    PATH: bin, HOME: path.join(base, 'home'), ALIGNLAB_CACHE: REAL_CACHE, FAKE_LOG: log, FAKE_BIN: bin, FAKE_PROBE: path.join(base, 'probe.json'),
    // No driver of the machine that runs the tests decides what is installed.
    ALIGNLAB_CUDA: '0',
    FAKE_CUDA: CUDA_FILES.join(' '), FAKE_WHEELS: makeWheel(base), FAKE_PACKAGES: Object.keys({ ...dependencies, ...devDependencies }).join(' '),
  };
  mkdirSync(env.HOME);

  return {
    root, bin, env,
    /** Runs `npm start -- ARGS`'s script; `node` may be another binary. */
    start: (args, extra = {}, node = process.execPath) =>
      spawnSync(node, [path.join(root, 'scripts', 'start.mjs'), ...args], { env: { ...env, ...extra }, encoding: 'utf8', timeout: 240_000 }),
    /** The same without waiting for its end. */
    launch: (args, extra = {}) => launch(path.join(root, 'scripts', 'start.mjs'), args, { ...env, ...extra }),
    calls: () => readFileSync(log, 'utf8').split('\n').filter(Boolean),
    forgetCalls: () => writeFileSync(log, ''),
    remove: () => rmSync(base, { recursive: true, force: true }),
  };
}

/** A copy of this Node in a folder without npm. */
export function nodeWithoutNpm(folder) {
  const copy = path.join(folder, 'node');
  try {
    linkSync(process.execPath, copy);
  } catch {
    copyFileSync(process.execPath, copy);
  }
  return copy;
}

/** Writes an executable script. */
export function program(file, text) {
  writeFileSync(file, text);
  chmodSync(file, 0o755);
}

/** Waits until a condition holds. */
export async function until(condition, what, patience = 120_000) {
  const deadline = Date.now() + patience;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited ${patience / 1000} s in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function launch(script, args, env) {
  const child = spawn(process.execPath, [script, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const run = { child, output: '', ended: undefined };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (run.output += text));
  run.ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, output: run.output })));
  return run;
}

function makeWheel(base) {
  const folder = path.join(base, 'wheels');
  mkdirSync(folder);
  const wheel = path.join(folder, 'tensorflow_cpu-0-py3-none-any.whl');
  zip(wheel, { 'tensorflow/libtensorflow_cc.so.2': 'cc', 'tensorflow/libtensorflow_framework.so.2': 'framework', 'tensorflow/THIRD_PARTY_NOTICES.txt': 'notices' });
  return folder;
}

/** Writes a zip file with Python's own library. */
export function zip(file, members) {
  const script = 'import json, sys, zipfile\nwith zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as z:\n    for name, text in json.loads(sys.argv[2]).items(): z.writestr(name, text)';
  const { status, stderr } = spawnSync(REAL_PYTHON, ['-I', '-c', script, file, JSON.stringify(members)], { encoding: 'utf8' });
  if (status !== 0 || !existsSync(file)) throw new Error(`could not make ${file}: ${stderr}`);
}
