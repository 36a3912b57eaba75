import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { jupyterArguments, jupyterEnvironment } from '../../scripts/setup/jupyter.mjs';
import { KERNEL_NAME, kernelSpec } from '../../scripts/setup/kernelspec.mjs';

const ROOT = path.resolve(fileURLToPath(import.meta.url), '..', '..', '..');

/** A Jupyter server with the command line of `npm start` and everything it keeps in a folder of its own. */
async function startServer(folder) {
  const paths = { root: ROOT, venv: path.join(ROOT, '.venv'), work: folder };
  const spec = path.join(folder, 'kernels', KERNEL_NAME);
  mkdirSync(spec, { recursive: true });
  writeFileSync(path.join(spec, 'kernel.json'), JSON.stringify(kernelSpec(paths)));
  const runtime = path.join(folder, 'runtime');
  const env = { ...jupyterEnvironment(paths, process.env), JUPYTER_PATH: folder, JUPYTER_RUNTIME_DIR: runtime, JUPYTER_TOKEN: 'tests', NODE_OPTIONS: '', NODE_TEST_CONTEXT: undefined };
  const server = spawn(path.join(paths.venv, 'bin', 'python'), jupyterArguments(paths, { port: 0, noBrowser: true, notebook: 'notebooks' }), { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'inherit'] });
  for (let waited = 0; waited < 600; waited++) {
    const file = existsSync(runtime) && readdirSync(runtime).find((name) => /^jpserver-\d+\.json$/.test(name));
    if (file) return { server, ...JSON.parse(readFileSync(path.join(runtime, file), 'utf8')) };
    await setTimeout(100);
  }
  server.kill('SIGKILL');
  throw new Error('the Jupyter server did not start within a minute');
}

test('through the server of JupyterLab, too, 50,000 lines and 5,000 updates arrive', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'alignlab-lab-'));
  const { server, url, token } = await startServer(folder);
  try {
    const cells = [
      `import { display } from "${ROOT}/src/engine/host"; display({ "text/plain": "-1" }, { displayId: "many" }); for (let i = 0; i < 5000; i++) display({ "text/plain": String(i) }, { displayId: "many", update: true })`,
      'for (let i = 0; i < 50000; i++) console.log(`line ${i} `.padEnd(80, "."))',
      'console.log("next")',
    ];
    const client = spawn(path.join(ROOT, '.venv', 'bin', 'python'), [path.join(ROOT, 'test', 'kernel', 'lab.py'), url, token, ...cells], { stdio: ['ignore', 'ignore', 'inherit', 'pipe'] });
    const [said, [code]] = await Promise.all([buffer(client.stdio[3]), once(client, 'exit')]);
    assert.equal(code, 0);
    const [updates, lines, next] = JSON.parse(said.toString());
    for (const { counts } of [updates, lines]) assert.equal(counts['stream stderr'], undefined, 'the server says that it dropped nothing');
    assert.equal(updates.counts.update_display_data, 5000);
    assert.equal(updates.last.update_display_data, '4999');
    assert.match(lines.last['stream stdout'], /line 49999 \.+\n$/);
    assert.equal(next.last['stream stdout'], 'next\n');
  } finally {
    server.kill('SIGINT');
    server.kill('SIGTERM');
    await once(server, 'exit');
    rmSync(folder, { recursive: true, force: true });
  }
});
