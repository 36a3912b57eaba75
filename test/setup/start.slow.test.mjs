import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { startTimeOf } from '../../scripts/setup/tool.mjs';
import { ROOT, until } from './sandbox.mjs';

describe('npm start with everything made', () => {
  let run;
  let server;
  let config;
  let output = '';

  before(async () => {
    // A user whose own Jupyter settings would switch authentication off, listen everywhere, and bring another kernel.
    config = mkdtempSync(path.join(tmpdir(), 'alignlab-config-'));
    writeFileSync(path.join(config, 'jupyter_server_config.json'), JSON.stringify({ IdentityProvider: { token: '' }, ServerApp: { ip: '0.0.0.0', port: 1 } }));
    const env = { ...process.env, JUPYTER_CONFIG_DIR: config, JUPYTER_CONFIG_PATH: config, JUPYTER_DATA_DIR: config, JUPYTER_TOKEN: '' };
    run = spawn(process.execPath, [path.join(ROOT, 'scripts', 'start.mjs'), '--no-browser', '--offline', '--port', '0'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    run.ended = new Promise((resolve) => run.once('close', (code) => resolve(code)));
    for (const stream of [run.stdout, run.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
    await until(() => /JupyterLab listens/.test(output) || run.exitCode !== null, 'JupyterLab to listen');
    const [, pid] = output.match(/jpserver-(\d+)-open\.html/) ?? assert.fail(output);
    server = JSON.parse(readFileSync(path.join(ROOT, 'runs', 'jupyter', `jpserver-${pid}.json`), 'utf8'));
  });
  after(async () => {
    run.kill('SIGTERM');
    await run.ended;
    rmSync(config, { recursive: true, force: true });
  });

  const get = (where, token = server.token) => fetch(`${server.url}${where}`, { headers: token ? { Authorization: `token ${token}` } : {} });

  test('nothing is made anew', () => {
    assert.match(output, /Set-up complete/);
    assert.doesNotMatch(output, /npm ci|pip install|to download/);
  });

  test('a token is needed, whatever the settings of the user say', async () => {
    assert.ok(server.token.length >= 32);
    assert.ok(output.includes(`token=${server.token}`));
    assert.equal((await get('api/contents', '')).status, 403);
    assert.equal((await get('api/contents')).status, 200);
  });

  test('it listens on the loopback only', () => {
    const port = server.port.toString(16).toUpperCase().padStart(4, '0');
    const listening = ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) => readFileSync(file, 'utf8').split('\n').slice(1))
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => state === '0A' && local.endsWith(`:${port}`))
      .map(([, local]) => local);
    assert.deepEqual(listening, [`0100007F:${port}`]);
  });

  test("our kernel is the default and the only one; it opens the student's copy of the tour at the project's root", async () => {
    const { default: preferred, kernelspecs } = await (await get('api/kernelspecs')).json();
    assert.equal(preferred, 'alignlab');
    assert.deepEqual(Object.keys(kernelspecs), ['alignlab']);
    assert.equal(server.root_dir, ROOT);
    assert.match(output, /lab\/tree\/work\/00-tour\.ipynb/);
    assert.equal((await get('api/contents/work/00-tour.ipynb?content=0')).status, 200);
  });

  test('nothing is asked of the network: no news, no update check, no extension search', async () => {
    const page = await (await get('lab')).text();
    const settings = JSON.parse(page.match(/<script id="jupyter-config-data" type="application\/json">([^]*?)<\/script>/)[1]);
    assert.ok(settings.disabledExtensions.includes('@jupyterlab/apputils-extension:announcements'));
    assert.deepEqual(settings.news, { disabled: true });
    assert.equal((await (await get('lab/api/update')).json()).notification, null);
  });

  test('Ctrl-C ends it and everything it started, with exit code 0', async () => {
    const started = startTimeOf(server.pid);
    assert.ok(started);
    run.kill('SIGINT');
    assert.equal(await run.ended, 0);
    assert.notEqual(startTimeOf(server.pid), started);
  });
});
