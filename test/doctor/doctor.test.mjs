import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { examine } from '../../scripts/doctor/examine.mjs';
import { toTable } from '../../scripts/doctor/command.mjs';
import { projectPaths } from '../../scripts/setup/paths.mjs';
import { startTimeOf } from '../../scripts/setup/tool.mjs';
import { GOOD_PYTHON, makeSandbox, nodeWithoutNpm, ROOT } from '../setup/sandbox.mjs';
import { doctor, fakeProgram, fakeSystem, listing, rowsOf, wholeSandbox } from './checkout.mjs';

const ORDER = ['system', 'node', 'python', 'setup', 'packages', 'tensorflow', 'jupyterlab', 'kernel', 'cache', 'instructions', 'threads', 'memory', 'disk', 'gpu', 'backend', 'fallbacks', 'browser'];

describe('a fresh clone with nothing made', () => {
  let sandbox;
  before(() => (sandbox = makeSandbox()));
  after(() => sandbox.remove());

  test('what is missing is amiss, each with what to do, and the exit code is 1', () => {
    const { status, ok, rows, order } = rowsOf(sandbox);
    assert.deepEqual(order, ORDER);
    assert.equal(status, 1);
    assert.equal(ok, false);
    for (const id of ['setup', 'packages', 'tensorflow', 'jupyterlab', 'kernel', 'backend']) assert.equal(rows[id].state, 'amiss', id);
    for (const id of ['node', 'python', 'cache', 'system', 'instructions']) assert.equal(rows[id].state, 'ok', JSON.stringify(rows[id]));
    for (const row of Object.values(rows)) assert.equal(row.state === 'ok', row.advice === null, JSON.stringify(row));
    assert.match(rows.setup.found, /incomplete: node_modules, \.venv, JupyterLab, TensorFlow's libraries/);
    assert.match(rows.setup.advice, /npm start/);
    assert.equal(rows.python.version, '3.11.7');
  });

  test('nothing is installed and nothing written', () => {
    const files = listing(sandbox.root);
    sandbox.forgetCalls();
    doctor(sandbox);
    assert.deepEqual(listing(sandbox.root), files);
    assert.deepEqual(sandbox.calls().filter((call) => /^(npm ci|-m )/.test(call)), []);
    assert.ok(sandbox.calls().includes('npm --version'));
  });

  test('nothing is written without a home either', () => {
    const files = listing(sandbox.root);
    const { status } = rowsOf(sandbox, [], { extra: { HOME: '/nonexistent' } });
    assert.equal(status, 1);
    assert.deepEqual(listing(sandbox.root), files);
  });

  test('the table has a line for each row, and below it its advice', () => {
    const { status, stdout, stderr } = doctor(sandbox);
    assert.equal(status, 1, stderr);
    assert.match(stdout, /^node_modules +amiss +not there\n +→ Run npm start/m);
    assert.match(stdout, /^Node +ok +\d+\.\d+\.\d+ \(.*\), npm /m);
    assert.match(stdout, /\d+ things needed are amiss\./);
  });

  test('an unknown option has its own exit code; --help lists the options', () => {
    const wrong = doctor(sandbox, ['--jsn']);
    assert.equal(wrong.status, 2);
    assert.match(wrong.stderr, /Unknown option --jsn \(did you mean --json\?\)/);
    const help = doctor(sandbox, ['--help']);
    assert.equal(help.status, 0);
    assert.match(help.stdout, /--json.*\n.*--deep/);
  });

  test('an old Node is said to be old, by a script that it can parse', () => {
    const preload = "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '16.20.2' } })";
    const { status, rows } = rowsOf(sandbox, [], { preload });
    assert.equal(status, 1);
    assert.deepEqual([rows.node.state, rows.node.found], ['amiss', '16.20.2']);
    assert.match(doctor(sandbox, [], { preload }).stdout, /Node +amiss +16\.20\.2\n.*→ Install Node 20 or newer/);
  });

  test('a set-up at work is named', () => {
    const lock = path.join(sandbox.root, '.cache', 'setup.lock');
    mkdirSync(path.dirname(lock), { recursive: true });
    const hold = (started) => writeFileSync(lock, JSON.stringify({ pid: process.pid, started, host: hostname(), tools: [] }));
    hold(startTimeOf(process.pid));
    const { rows } = rowsOf(sandbox);
    assert.equal(rows.setup.state, 'advice');
    assert.match(rows.setup.found, new RegExp(`process ${process.pid} on ${hostname()}`));
    hold('1');
    assert.match(rowsOf(sandbox).rows.setup.found, /incomplete/);
    rmSync(path.dirname(lock), { recursive: true });
  });
});

describe('tools that are missing', () => {
  for (const [name, options, state, found, advice] of [
    ['no Python', { python: null }, 'amiss', /none that will do, no \.venv/, /No Python was found on the PATH/],
    ['Python 3.9', { python: { ...GOOD_PYTHON, version: [3, 9, 2] } }, 'amiss', /none that will do/, /3\.9\.2.*3\.10 to 3\.13/],
    ['Python without venv', { python: { ...GOOD_PYTHON, venv: false } }, 'amiss', /none that will do/, /python3\.11-venv/],
  ]) {
    test(name, () => {
      const sandbox = makeSandbox(options);
      try {
        const { status, rows } = rowsOf(sandbox);
        assert.equal(status, 1);
        assert.equal(rows.python.state, state);
        assert.match(rows.python.found, found);
        assert.match(rows.python.advice, advice);
      } finally {
        sandbox.remove();
      }
    });
  }

  test('no npm', () => {
    const sandbox = makeSandbox({ npm: false });
    try {
      const node = nodeWithoutNpm(sandbox.bin);
      fakeProgram(sandbox, 'run-doctor', `exec "${node}" "${path.join(sandbox.root, 'scripts', 'doctor.mjs')}" --json`);
      const { rows } = rowsOf(sandbox, [], { preload: `Object.defineProperty(process, 'execPath', { value: ${JSON.stringify(node)} })` });
      assert.equal(rows.node.state, 'amiss');
      assert.match(rows.node.advice, /apt-get install npm/);
      assert.equal(rows.node.npm, null);
    } finally {
      sandbox.remove();
    }
  });
});

describe('a whole checkout', () => {
  let sandbox;
  before(() => (sandbox = wholeSandbox()));
  after(() => sandbox.remove());

  const site = () => path.join(sandbox.paths.venv, 'lib', readFileSync(path.join(sandbox.paths.venv, 'pyvenv.cfg'), 'utf8').match(/version = (3\.\d+)/)[1].replace(/^/, 'python'), 'site-packages');

  test('all that is needed is there: exit code 0', () => {
    const { status, ok, rows } = rowsOf(sandbox);
    assert.deepEqual(Object.values(rows).filter(({ state }) => state === 'amiss'), []);
    assert.equal(status, 0);
    assert.equal(ok, true);
    assert.match(rows.tensorflow.found, /^2\.21\.\d+, loads, CPU build$/);
    assert.deepEqual(rows.tensorflow.devices, ['CPU']);
    assert.match(rows.jupyterlab.version, /^4\./);
    assert.match(rows.packages.found, /whole, \d+ packages as locked/);
    assert.match(rows.kernel.found, /starts this project/);
    assert.equal(rows.cache.intact, true);
    assert.deepEqual([rows.backend.backend, rows.backend.device], ['tensorflow', 'CPU']);
    assert.match(doctor(sandbox).stdout, /All that is needed is there\./);
  });

  test("TensorFlow's folder can be another, and has to hold its library", () => {
    const elsewhere = rowsOf(sandbox, [], { extra: { ALIGNLAB_TENSORFLOW: path.join(site(), 'tensorflow') } });
    assert.equal(elsewhere.rows.tensorflow.state, 'ok');
    assert.match(elsewhere.rows.tensorflow.found, /from ALIGNLAB_TENSORFLOW/);
    const empty = rowsOf(sandbox, [], { extra: { ALIGNLAB_TENSORFLOW: sandbox.root } });
    assert.equal(empty.status, 1);
    assert.match(empty.rows.tensorflow.found, /holds no libtensorflow_cc\.so\.2/);
    assert.equal(empty.rows.backend.state, 'amiss');
  });

  test('a library that does not load is told with the reason', () => {
    const folder = path.join(sandbox.root, 'broken');
    mkdirSync(folder);
    for (const name of ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2']) writeFileSync(path.join(folder, name), 'no library');
    const { status, rows } = rowsOf(sandbox, [], { extra: { ALIGNLAB_TENSORFLOW: folder } });
    assert.equal(status, 1);
    assert.match(rows.tensorflow.found, /does not load: OSError: .*(invalid ELF header|file too short)/);
  });

  test('another release than the pinned one is refused', () => {
    const { requirements } = sandbox.paths;
    const text = readFileSync(requirements.tensorflow, 'utf8');
    writeFileSync(requirements.tensorflow, text.replace(/^(tensorflow-cpu==)2\.21\.\d+/m, (_, name) => `${name}2.22.0`));
    const { rows } = rowsOf(sandbox);
    writeFileSync(requirements.tensorflow, text);
    assert.equal(rows.tensorflow.state, 'amiss');
    assert.match(rows.tensorflow.advice, /needs 2\.22/);
  });

  test('a truncated installation is not whole', () => {
    const stamp = path.join(sandbox.paths.venv, '.alignlab', 'tensorflow.json');
    const text = readFileSync(stamp, 'utf8');
    writeFileSync(stamp, text.replace(/"libtensorflow_cc\.so\.2": \d+/, '"libtensorflow_cc.so.2": 1'));
    const { rows } = rowsOf(sandbox);
    writeFileSync(stamp, text);
    assert.deepEqual([rows.tensorflow.state, rows.setup.state], ['advice', 'amiss']);
  });

  test("a kernel's spec that leads elsewhere, to no Node, or to another Node", () => {
    const file = path.join(sandbox.paths.venv, 'share', 'jupyter', 'kernels', 'alignlab', 'kernel.json');
    const text = readFileSync(file, 'utf8');
    const withArgv = (change) => {
      const spec = JSON.parse(text);
      spec.argv = spec.argv.map(change);
      writeFileSync(file, JSON.stringify(spec));
      return rowsOf(sandbox).rows.kernel;
    };
    const elsewhere = withArgv((part) => (part.endsWith('start.cjs') ? '/elsewhere/kernel/start.cjs' : part));
    assert.deepEqual([elsewhere.state, /\/elsewhere.*not of this project/.test(elsewhere.found)], ['amiss', true]);
    const noNode = withArgv((part) => (part === process.execPath ? '/no/node' : part));
    assert.deepEqual([noNode.state, /\/no\/node, which does not exist/.test(noNode.found)], ['amiss', true]);
    const otherNode = withArgv((part) => (part === process.execPath ? '/bin/sh' : part));
    assert.equal(otherNode.state, 'advice');
    writeFileSync(file, 'half a {');
    assert.match(rowsOf(sandbox).rows.kernel.found, /no JSON/);
    rmSync(file);
    assert.match(rowsOf(sandbox).rows.kernel.found, /no spec/);
    writeFileSync(file, text);
  });

  test('weights that are not there, cut off, or changed', () => {
    const cache = path.join(sandbox.root, 'cache');
    const weights = path.join(cache, 'models', 'SmolLM2-135M-Instruct.Q4_1.gguf');
    const cacheRow = () => rowsOf(sandbox, [], { extra: { ALIGNLAB_CACHE: cache } });
    assert.match(cacheRow().rows.cache.found, /without the packaged weights/);
    mkdirSync(path.dirname(weights), { recursive: true });
    writeFileSync(weights, 'GGUF');
    assert.match(cacheRow().rows.cache.found, /are 4 bytes, not 98362432/);
    writeFileSync(weights, Buffer.alloc(98_362_432));
    const { status, rows } = cacheRow();
    assert.equal(status, 1);
    assert.match(rows.cache.found, /do not have their sum/);
    rmSync(weights);
    cpSync(path.join(sandbox.env.ALIGNLAB_CACHE, 'models', path.basename(weights)), weights);
    assert.equal(cacheRow().rows.cache.state, 'ok', 'a good file without a stamp');
    assert.deepEqual(listing(cache), [path.join(cache, 'models'), weights], 'a stamp was written');
    rmSync(cache, { recursive: true });
  });

  test('node_modules of another lock file, and one that lacks a package', () => {
    rmSync(sandbox.paths.nodeModules);
    mkdirSync(sandbox.paths.nodeModules);
    const real = projectPaths(ROOT).nodeModules;
    const { dependencies, devDependencies } = JSON.parse(readFileSync(path.join(sandbox.root, 'package.json'), 'utf8'));
    for (const name of Object.keys({ ...dependencies, ...devDependencies })) {
      if (name === 'koffi') continue;
      mkdirSync(path.dirname(path.join(sandbox.paths.nodeModules, name)), { recursive: true });
      symlinkSync(path.join(real, name), path.join(sandbox.paths.nodeModules, name));
    }
    assert.match(rowsOf(sandbox).rows.packages.found, /^lacks koffi$/);
    symlinkSync(path.join(real, 'koffi'), path.join(sandbox.paths.nodeModules, 'koffi'));
    assert.match(rowsOf(sandbox).rows.packages.found, /not as package-lock\.json has it/);
  });
});

describe('probes that meet what nobody foresaw', () => {
  let sandbox;
  before(() => (sandbox = makeSandbox()));
  after(() => sandbox.remove());

  const look = (change, probes) => examine({ paths: projectPaths(sandbox.root), environment: sandbox.env, system: fakeSystem(change) }, probes);

  test('a full disk is amiss while something has to be downloaded', async () => {
    const disk = (await look({ freeBytes: () => 5e6 })).find(({ id }) => id === 'disk');
    assert.equal(disk.state, 'amiss');
    assert.match(disk.found, /^0\.0 GB free/);
    assert.match(disk.advice, /Not enough disk space.*needs \d+ MB, and 4 MB are free/);
  });

  test('a probe that fails is a row with its reason, and the others answer', async () => {
    const rows = await look({ freeBytes: () => { throw new Error('statfs: Function not implemented'); } });
    assert.deepEqual(rows.map(({ id }) => id), ORDER);
    const disk = rows.find(({ id }) => id === 'disk');
    assert.deepEqual([disk.state, disk.found], ['advice', 'could not be found out: statfs: Function not implemented']);
  });

  test('where everything fails there is still a whole table', async () => {
    const broken = new Proxy({}, { get: () => { throw new Error('nothing works'); } });
    const rows = await examine({ paths: { root: '/nowhere', requirements: {} }, environment: { PATH: '/nowhere' }, system: broken });
    assert.deepEqual(rows.map(({ id }) => id), ORDER);
    for (const { id, state, found } of rows) assert.ok(state !== 'ok' && found, id);
    assert.match(toTable(rows, false), /needed are amiss/);
  });

  test('a failing probe of something needed is amiss, of something optional is not', async () => {
    const probe = () => Promise.reject(new Error('odd'));
    const rows = await look({}, [{ id: 'a', title: 'A', probe }, { id: 'b', title: 'B', probe, optional: true }]);
    assert.deepEqual(rows.map(({ state }) => state), ['amiss', 'advice']);
  });

  test('a program that hangs is given up', async () => {
    const { ask } = await import('../../scripts/doctor/system.mjs');
    fakeProgram(sandbox, 'slow', 'sleep 60');
    await assert.rejects(ask('slow', [], { environment: sandbox.env, seconds: 0.2 }), /slow did not end within 0\.2 s/);
  });
});
