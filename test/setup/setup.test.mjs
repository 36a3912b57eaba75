import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { EXIT } from '../../scripts/setup/failure.mjs';
import { startTimeOf } from '../../scripts/setup/tool.mjs';
import { GOOD_PYTHON, makeSandbox, nodeWithoutNpm, ROOT, until } from './sandbox.mjs';

const madeParts = (sandbox) => sandbox.calls().filter((call) => call.startsWith('npm') || /^-m (venv|pip (install|download))/.test(call));

/** The programs that the running set-up has noted in its lock. */
function toolsUnder(sandbox) {
  const lock = path.join(sandbox.root, '.cache', 'setup.lock');
  return existsSync(lock) ? JSON.parse(readFileSync(lock, 'utf8') || '{"tools":[]}').tools : [];
}

describe('the set-up of a bare checkout', () => {
  let sandbox;
  before(() => (sandbox = makeSandbox()));
  after(() => sandbox.remove());
  beforeEach(() => sandbox.forgetCalls());

  test('Ctrl-C in the middle ends the tools and says that the command can be run again', async () => {
    const run = sandbox.launch(['--setup-only'], { FAKE_CI: 'sleep 60', FAKE_INSTALL: 'sleep 60' });
    const running = () => toolsUnder(sandbox).filter(({ pid, started }) => started !== undefined && startTimeOf(pid) === started);
    await until(() => sandbox.calls().some((call) => call.startsWith('-m pip install')) && running().length === 2, 'npm and pip to start');
    const tools = running();
    run.child.kill('SIGINT');
    const { code, output } = await run.ended;
    assert.equal(code, EXIT.interrupted.code);
    assert.match(output, /Interrupted\. Run the command again/);
    for (const { pid, started } of tools) assert.notEqual(startTimeOf(pid), started, 'a tool outlived the set-up');
    assert.ok(!existsSync(path.join(sandbox.root, '.cache', 'setup.lock')));
  });

  test('after kill -9 the next run ends what was left running and waits for nobody', async () => {
    const run = sandbox.launch(['--setup-only'], { FAKE_CI: 'sleep 60' });
    const npm = () => toolsUnder(sandbox).find(({ pid, started }) => started !== undefined && startTimeOf(pid) === started);
    await until(() => sandbox.calls().length > 3 && npm(), 'npm to start');
    run.child.kill('SIGKILL');
    await run.ended;
    const orphans = toolsUnder(sandbox);
    assert.ok(npm(), 'nothing outlived the killed set-up, so this test shows nothing');
    sandbox.forgetCalls();
    const { status, stderr } = sandbox.start(['--setup-only']);
    assert.equal(status, 0, stderr);
    for (const { pid, started } of orphans) assert.ok(started === undefined || startTimeOf(pid) !== started, 'npm of the killed run is still there');
  });

  test('nothing is run when nothing is missing', () => {
    const { status } = sandbox.start(['--setup-only']);
    assert.equal(status, 0);
    assert.deepEqual(madeParts(sandbox), []);
  });

  test('nothing missing also holds for --offline', () => {
    assert.equal(sandbox.start(['--setup-only', '--offline']).status, 0);
  });

  test('a changed lock file runs npm ci, and only that', () => {
    const lock = path.join(sandbox.root, 'package-lock.json');
    writeFileSync(lock, readFileSync(lock, 'utf8') + '\n');
    assert.equal(sandbox.start(['--setup-only']).status, 0);
    assert.deepEqual(madeParts(sandbox).map((call) => call.split(' ').slice(0, 2).join(' ')), ['npm ci']);
  });

  test('a truncated TensorFlow library is fetched again, and only that', () => {
    writeFileSync(path.join(sandbox.root, '.venv/lib/python3.11/site-packages/tensorflow/libtensorflow_cc.so.2'), 'c');
    assert.equal(sandbox.start(['--setup-only']).status, 0);
    assert.deepEqual(madeParts(sandbox).map((call) => call.split(' ').slice(0, 3).join(' ')), ['-m pip download']);
    assert.equal(readFileSync(path.join(sandbox.root, '.venv/lib/python3.11/site-packages/tensorflow/libtensorflow_cc.so.2'), 'utf8'), 'cc');
  });

  test('a cut-off installation of the Python packages makes the environment anew', () => {
    writeFileSync(path.join(sandbox.root, '.venv/.alignlab/installing'), '{}');
    writeFileSync(path.join(sandbox.root, '.venv/.alignlab/jupyter.json'), '{}');
    assert.equal(sandbox.start(['--setup-only']).status, 0);
    assert.ok(madeParts(sandbox).some((call) => call.startsWith('-m venv')));
  });

  test("the kernel's spec is written into the environment with absolute paths", () => {
    const spec = JSON.parse(readFileSync(path.join(sandbox.root, '.venv/share/jupyter/kernels/alignlab/kernel.json'), 'utf8'));
    assert.equal(spec.interrupt_mode, 'signal');
    assert.equal(spec.language, 'typescript');
    assert.equal(spec.argv.at(-1), '{connection_file}');
    for (const part of spec.argv.filter((argument) => argument.includes(path.sep))) assert.ok(part === process.execPath || part.startsWith(sandbox.root), part);
  });

  test('two set-ups at once do not get in each other\'s way', async () => {
    writeFileSync(path.join(sandbox.root, 'node_modules/.alignlab.json'), '{}');
    const runs = [sandbox.launch(['--setup-only'], { FAKE_CI: 'sleep 1' }), sandbox.launch(['--setup-only'], { FAKE_CI: 'sleep 1' })];
    const ends = await Promise.all(runs.map((run) => run.ended));
    assert.deepEqual(ends.map(({ code }) => code), [0, 0], ends.map(({ output }) => output).join('\n'));
    assert.equal(madeParts(sandbox).length, 1);
  });
});

function withoutVenv(sandbox) {
  rmSync(path.join(sandbox.root, '.venv'), { recursive: true, force: true });
  return sandbox;
}

describe('what can go wrong has a sentence and an exit code of its own', () => {
  let sandbox;
  before(() => (sandbox = makeSandbox()));
  after(() => sandbox.remove());

  /** @type {[string, () => object, keyof typeof EXIT, RegExp][]} */
  const CASES = [
    ['unknown option', () => sandbox.start(['--offlin']), 'usage', /Unknown option --offlin \(did you mean --offline\?\)/],
    ['unknown notebook', () => sandbox.start(['--notebook', '99']), 'usage', /There is no notebook 99/],
    ['bad port', () => sandbox.start(['--port', '70000']), 'usage', /from 0 \(any free one\) to 65535/],
    ['offline', () => sandbox.start(['--setup-only', '--offline']), 'offline', /downloaded first: node_modules, JupyterLab's virtual environment, TensorFlow's libraries\./],
    ['named Python that does not exist', () => sandbox.start(['--setup-only', '--python', '/nowhere/python']), 'python', /\/nowhere\/python .* is not a Python that can be run/],
    ['npm without network', () => sandbox.start(['--setup-only'], { FAKE_CI: 'echo npm error code EAI_AGAIN >&2; false' }), 'network', /npm could not reach its package index/],
    ['npm with a wrong sum', () => sandbox.start(['--setup-only'], { FAKE_CI: 'echo npm error code EINTEGRITY >&2; false' }), 'checksum', /does not have its recorded sum/],
    ['npm on a full disk', () => sandbox.start(['--setup-only'], { FAKE_CI: 'echo npm error ENOSPC: no space left on device, write >&2; false' }), 'disk', /disk filled up/],
    ['npm for another reason', () => sandbox.start(['--setup-only'], { FAKE_CI: 'echo lock file and package.json disagree >&2; false' }), 'npmFailed', /lock file and package\.json disagree/],
    ['pip for another reason', () => withoutVenv(sandbox).start(['--setup-only'], { FAKE_INSTALL: 'echo strange >&2; exit 1' }), 'pipFailed', /strange/],
    ['pip on a full disk', () => withoutVenv(sandbox).start(['--setup-only'], { FAKE_DOWNLOAD: 'cat /dev/zero > /dev/full' }), 'disk', /fetching TensorFlow/],
    ['a cache that cannot be written', () => sandbox.start(['--setup-only'], { ALIGNLAB_CACHE: path.join(sandbox.root, 'package.json', 'cache') }), 'readOnly', /ALIGNLAB_CACHE/],
  ];
  for (const [name, act, kind, sentence] of CASES) {
    test(name, () => {
      const { status, stderr } = act();
      assert.equal(status, EXIT[kind].code, stderr);
      assert.match(stderr, sentence);
      assert.doesNotMatch(stderr, /\n\s+at /, 'a stack trace instead of a sentence');
    });
  }

  test('no npm', () => {
    const without = makeSandbox({ npm: false });
    try {
      const { status, stderr } = without.start(['--setup-only'], {}, nodeWithoutNpm(without.bin));
      assert.equal(status, EXIT.npm.code, stderr);
      assert.match(stderr, /npm was not found/);
    } finally {
      without.remove();
    }
  });

  for (const [name, python, kind, sentence] of [
    ['no Python', null, 'python', /No Python was found on the PATH/],
    ['Python 3.9', { ...GOOD_PYTHON, version: [3, 9, 2] }, 'pythonVersion', /python3 is Python 3\.9\.2.*3\.10 to 3\.13/],
    ['Python 3.14', { ...GOOD_PYTHON, version: [3, 14, 0] }, 'pythonVersion', /python3 is Python 3\.14\.0/],
    ['PyPy', { ...GOOD_PYTHON, implementation: 'PyPy' }, 'pythonVersion', /not CPython/],
    ['Python without venv', { ...GOOD_PYTHON, venv: false }, 'pythonVenv', /apt-get install python3\.11-venv/],
  ]) {
    test(name, () => {
      const made = makeSandbox({ python });
      try {
        const { status, stderr } = made.start(['--setup-only']);
        assert.equal(status, EXIT[kind].code, stderr);
        assert.match(stderr, sentence);
        assert.deepEqual(madeParts(made), [], 'something was made before Python was looked for');
      } finally {
        made.remove();
      }
    });
  }

  test('the README lists each of these codes with its meaning', () => {
    const readme = readFileSync(path.join(ROOT, 'README.md'), 'utf8').replaceAll('`', '');
    for (const [kind, { code, meaning }] of Object.entries(EXIT)) {
      if (['unexpected', 'usage', 'interrupted'].includes(kind)) continue;
      assert.ok(readme.includes(`| ${code} | ${meaning} |`), `${code}: ${meaning}`);
    }
  });
});
