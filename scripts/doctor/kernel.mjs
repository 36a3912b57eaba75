import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { jupyterEnvironment } from '../setup/jupyter.mjs';
import { KERNEL_NAME, kernelSpec, kernelSpecFile } from '../setup/kernelspec.mjs';
import { advise, amiss, ok } from './row.mjs';
import { signalGroup } from '../setup/tool.mjs';

const SETUP = 'Run npm start (or npm start -- --setup-only): it writes the spec anew.';

/** The kernel's spec in .venv, and with --deep the kernel itself. */
export async function kernelProbe(context) {
  const { system, paths, deep } = context;
  const file = kernelSpecFile(paths);
  const text = system.readText(file);
  const values = { spec: file };
  if (text === undefined) return amiss('no spec in .venv', SETUP, values);
  const wanted = kernelSpec(paths, system.node.path);
  let spec;
  try {
    spec = JSON.parse(text);
  } catch {
    return amiss('a spec that is no JSON', SETUP, values);
  }
  const start = spec.argv?.at(-2);
  if (start !== wanted.argv.at(-2)) return amiss(`its spec starts ${start}, which is not of this project`, SETUP, values);
  if (!system.exists(start)) return amiss(`its spec starts ${start}, which does not exist`, 'The checkout is not whole: restore kernel/ with git.', values);
  if (!system.exists(spec.argv[0])) return amiss(`its spec starts Node at ${spec.argv[0]}, which does not exist`, SETUP, values);
  if (JSON.stringify(spec) !== JSON.stringify(wanted)) return advise('its spec is of another Node or an older version', 'The next npm start writes it anew.', values);
  if (!deep) return ok('its spec is in .venv and starts this project', values);
  return started(await runCell(context), values);
}

function started({ kernelSeconds, cellSeconds, output, failure }, values) {
  const measured = { ...values, kernel_seconds: kernelSeconds ?? null, cell_seconds: cellSeconds ?? null };
  if (failure) return amiss(`does not compute: ${failure}`, 'Run npm start -- --repair --setup-only; if it stays, the log that npm start prints tells more.', measured);
  return ok(`started in ${kernelSeconds.toFixed(1)} s, its first cell computed on ${output} in ${cellSeconds.toFixed(1)} s`, measured);
}

/** Sums two numbers on the engine, so that the whole way is gone: kernel, TypeScript, koffi, TensorFlow (or the backend that takes its place). */
const CELL = `import { tf, engineInfo } from "../src";
await tf.ready();
const sum = tf.add(19, 23).dataSync()[0];
console.log(sum === 42 ? \`\${engineInfo().tensorflow ? "TensorFlow " + engineInfo().tensorflow : tf.getBackend()}, \${engineInfo().device}\` : \`19 + 23 = \${sum}\`);`;

const NOTEBOOK = {
  cells: [{ cell_type: 'code', execution_count: null, id: 'doctor', metadata: {}, outputs: [], source: CELL }],
  metadata: { kernelspec: { name: KERNEL_NAME, display_name: KERNEL_NAME } }, nbformat: 4, nbformat_minor: 5,
};

const PATIENCE_SECONDS = 180;

/**
 * Runs one cell in a real kernel, by the program that runs notebooks.
 * @returns {Promise<{ kernelSeconds?: number, cellSeconds?: number, output?: string, failure?: string }>}
 */
async function runCell({ paths, environment }) {
  const folder = mkdtempSync(path.join(tmpdir(), 'alignlab-doctor-'));
  const input = path.join(folder, 'cell.ipynb');
  writeFileSync(input, JSON.stringify(NOTEBOOK));
  const begun = performance.now();
  const script = path.join(paths.root, 'scripts', 'notebooks', 'execute.py');
  const args = [script, input, path.join(folder, 'ran.ipynb'), '--cwd', path.join(paths.root, 'notebooks'), '--timeout', String(PATIENCE_SECONDS)];
  // Its stdin stays open: when that closes, it ends.
  const child = spawn(paths.venvPython, args, { cwd: paths.root, env: jupyterEnvironment(paths, environment), detached: true, stdio: ['pipe', 'pipe', 'ignore'] });
  const late = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), PATIENCE_SECONDS * 1000);
  const result = {};
  try {
    child.once('error', (error) => (result.failure = error.message));
    for await (const line of createInterface({ input: child.stdout })) take(JSON.parse(line), result, begun);
    return result.failure || result.cellSeconds !== undefined ? result : { ...result, failure: `the kernel did not answer within ${PATIENCE_SECONDS} s` };
  } finally {
    clearTimeout(late);
    rmSync(folder, { recursive: true, force: true });
  }
}

function take(event, result, begun) {
  if (event.event === 'kernel') result.kernelSeconds = (performance.now() - begun) / 1000;
  if (event.event === 'output') result.output = event.text;
  if (event.event === 'fatal') result.failure = event.message;
  if (event.event !== 'cell-end') return;
  result.cellSeconds = event.seconds;
  if (event.failure) result.failure = `${event.failure.ename}: ${event.failure.evalue}`;
  else if (!/^TensorFlow /.test(result.output ?? '')) result.failure = result.output ?? 'the cell printed nothing';
}
