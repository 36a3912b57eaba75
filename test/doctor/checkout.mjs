import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { writeKernelSpec } from '../../scripts/setup/kernelspec.mjs';
import { fingerprint, projectPaths } from '../../scripts/setup/paths.mjs';
import { writeStamp } from '../../scripts/setup/stamp.mjs';
import { venvVersion } from '../../scripts/setup/venv.mjs';
import { makeSandbox, ROOT } from '../setup/sandbox.mjs';

/** Runs `npm run doctor -- ARGS`'s script of a sandbox. `preload` is a script that Node runs before it. */
export function doctor({ root, env }, args = [], { extra = {}, preload } = {}) {
  const options = preload ? ['--import', `data:text/javascript,${encodeURIComponent(preload)}`] : [];
  return spawnSync(process.execPath, [...options, path.join(root, 'scripts', 'doctor.mjs'), ...args], { env: { ...env, ...extra }, encoding: 'utf8', timeout: 120_000 });
}

/** The rows of `--json`, by their ids, with the exit code. */
export function rowsOf(sandbox, args = [], options = {}) {
  const { status, stdout, stderr } = doctor(sandbox, ['--json', ...args], options);
  if (!stdout.startsWith('{')) throw new Error(`no JSON: ${stdout}${stderr}`);
  const { ok, rows } = JSON.parse(stdout);
  return { status, ok, rows: Object.fromEntries(rows.map((row) => [row.id, row])), order: rows.map(({ id }) => id) };
}

/** A sandbox in which the set-up is done: what this checkout has, by links, with a kernel's spec and stamps of its own. */
export function wholeSandbox() {
  const sandbox = makeSandbox();
  // Its node_modules is this checkout's own: nothing may be installed through the link.
  fakeProgram(sandbox, 'npm', '[ "$*" = --version ] && echo 11.0.0');
  const real = projectPaths(ROOT);
  const paths = projectPaths(sandbox.root);
  for (const name of ['kernel', 'src', 'notebooks', 'tsconfig.json']) cpSync(path.join(ROOT, name), path.join(sandbox.root, name), { recursive: true });
  symlinkSync(real.nodeModules, paths.nodeModules);
  mkdirSync(paths.venv);
  cpSync(path.join(real.venv, 'pyvenv.cfg'), path.join(paths.venv, 'pyvenv.cfg'));
  for (const folder of ['bin', 'lib']) symlinkSync(path.join(real.venv, folder), path.join(paths.venv, folder));
  const minor = venvVersion(real).split('.').slice(0, 2).join('.');
  cpSync(path.join(real.venv, '.alignlab'), path.join(paths.venv, '.alignlab'), { recursive: true });
  writeStamp(path.join(paths.venv, '.alignlab', 'jupyter.json'), { fingerprint: fingerprint({ files: [paths.requirements.jupyter], texts: [paths.root, minor] }), root: paths.root });
  writeKernelSpec(paths);
  return { ...sandbox, paths };
}

/** Every file below a folder with its size, links not followed: to see that nothing was written. */
export function listing(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).map((entry) => path.join(entry.parentPath ?? entry.path, entry.name)).sort();
}

/** What a healthy machine answers; `change` is laid over it. `files` maps paths to texts, `present` lists others that exist. */
export function fakeSystem({ machine = {}, files = {}, present = [], dev = [], ...change } = {}) {
  return {
    machine: { platform: 'linux', arch: 'x64', glibc: '2.36', cpuFlags: 'fpu sse avx avx2 fma f16c avx512f avx512_bf16 amx_bf16 amx_int8', ...machine },
    node: { version: '22.3.0', path: '/usr/bin/node' },
    cores: 4, totalMemory: 16e9,
    exists: (file) => file in files || present.includes(file),
    readText: (file) => ({ '/proc/meminfo': 'MemTotal: 15625000 kB\nMemAvailable:   12207031 kB\n', ...files })[file],
    list: (folder) => (folder === '/dev' ? dev : []),
    freeBytes: () => 100e9,
    ...change,
  };
}

/** Puts a program into a sandbox's PATH. */
export function fakeProgram({ bin }, name, body) {
  const file = path.join(bin, name);
  rmSync(file, { force: true });
  writeFileSync(file, `#!/bin/bash\n${body}\n`, { mode: 0o755 });
}
