import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { backendProbe } from './gpu.mjs';
import { advise, amiss, ok } from './row.mjs';
import { ask, lastJson, lastLine } from './system.mjs';

const START = fileURLToPath(new URL('fallbacks.ts', import.meta.url));
/** As the engine names and prefers them. */
const BACKENDS = ['tensorflow', 'webgpu', 'wasm', 'cpu'];
const FALLBACKS = BACKENDS.slice(1);
const VARIABLE = 'ALIGNLAB_BACKEND';
const SMALL = 'It trains small models only. For TensorFlow, see its row.';

/**
 * Starts the backends that need no TensorFlow, in a process of its own.
 * @returns {Promise<Record<string, string | null>>} for each why it does not start, or null
 */
export async function startFallbacks({ paths, environment, ready }) {
  if (!ready.packages) return Object.fromEntries(FALLBACKS.map((name) => [name, 'its package is not installed']));
  const loader = path.join(paths.nodeModules, 'tsx', 'dist', 'loader.mjs');
  const { output } = await ask(process.execPath, ['--import', loader, START], { environment, cwd: paths.root });
  return lastJson(output) ?? Object.fromEntries(FALLBACKS.map((name) => [name, `could not be tried: ${lastLine(output)}`]));
}

/** What each of them says when it is asked to start. A machine on which one does not lacks nothing. */
export async function fallbacksProbe(context) {
  const problems = await context.fallbacks();
  const found = FALLBACKS.map((name) => (problems[name] === null ? `${name} starts` : `${name} does not (${problems[name].replace(/\.$/, '')})`)).join('; ');
  if (problems.cpu !== null) return advise(found, 'Plain JavaScript needs node_modules only: see the row of node_modules.', { problems });
  return ok(found, { problems });
}

/** Which backend a run would compute on, and why: what ALIGNLAB_BACKEND names, else TensorFlow, else the first that starts. */
export async function chosenBackendProbe(context) {
  const { environment } = context;
  const named = environment[VARIABLE];
  if (named && !BACKENDS.includes(named)) return amiss(`none: ${VARIABLE} is ${named}`, `It must be one of ${BACKENDS.join(', ')}; unset it for the best that starts.`, { backend: null, device: null });
  const { problem } = await context.tensorflow();
  if (named === 'tensorflow' || (!named && (!problem || environment.ALIGNLAB_TENSORFLOW))) return backendProbe(context);
  const problems = await context.fallbacks();
  if (named) {
    const values = { backend: problems[named] === null ? named : null, device: deviceOf(named) };
    if (problems[named] !== null) return amiss(`none: ${VARIABLE} names ${named}, which does not start: ${problems[named]}`, `Unset ${VARIABLE} for the best that starts.`, values);
    return advise(`${named}, since ${VARIABLE} names it`, SMALL, values);
  }
  const first = FALLBACKS.find((name) => problems[name] === null);
  if (!first) return backendProbe(context);
  const passed = FALLBACKS.slice(0, FALLBACKS.indexOf(first)).map((name) => `${name} does not start`);
  return amiss(`${first}, since ${[`TensorFlow ${problem}`, ...passed].join(' and ')}`, SMALL, { backend: first, device: deviceOf(first) });
}

const deviceOf = (name) => (name === 'webgpu' ? 'GPU' : 'CPU');
