import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { isSlow, testFiles } from '../../scripts/setup/test-command.mjs';
import { ROOT } from './sandbox.mjs';

const RUNNER = path.join(ROOT, 'scripts', 'setup', 'run-tests.mjs');

describe('the test runner', () => {
  let folder;
  before(() => (folder = mkdtempSync(path.join(tmpdir(), 'alignlab-runner-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  const file = (name, body) => {
    const full = path.join(folder, name);
    writeFileSync(full, `import test from 'node:test';\n${body}`);
    return full;
  };
  const run = (...files) => {
    const { NODE_TEST_CONTEXT, ...env } = process.env;
    const { status, stdout } = spawnSync(process.execPath, [RUNNER, ...files], { env, encoding: 'utf8' });
    return { status, stdout };
  };

  test('quick and slow files end in one summary in the words of the runner of Node, and the slow ones run last', () => {
    const { status, stdout } = run(file('a.slow.test.mjs', "test('slow one', () => {});"), file('b.test.mjs', "test('quick one', () => {}); test('left out', { skip: 'no reason' }, () => {});"));
    assert.equal(status, 0, stdout);
    assert.equal(stdout.match(/tests 3\b/g).length, 1);
    assert.match(stdout, /pass 2\n.* fail 0\n.* cancelled 0\n.* skipped 1\n.* todo 0\n.* duration_ms [\d.]+\s*$/);
    assert.ok(stdout.indexOf('quick one') < stdout.indexOf('slow one'));
  });

  test('one failure is a failure of the whole, and is shown', () => {
    const { status, stdout } = run(file('c.test.mjs', "test('fails', () => { throw new Error('on purpose'); });"), file('d.slow.test.mjs', "test('passes', () => {});"));
    assert.equal(status, 1);
    assert.match(stdout, /tests 2\n[^]*pass 1\n[^]*fail 1\n/);
    assert.match(stdout, /failing tests:[^]*on purpose/);
  });

  test('a file that does not load is a failure', () => {
    assert.equal(run(file('e.test.mjs', "throw new Error('broken');")).status, 1);
  });

  test('no test at all is a failure', () => {
    assert.equal(run().status, 1);
  });

  test('test files are found, and the slow ones told from the others', () => {
    const files = testFiles(ROOT);
    assert.ok(files.includes('test/setup/runner.test.mjs'));
    assert.ok(files.every((name) => !name.includes('sandbox')));
    assert.ok(isSlow('test/setup/start.slow.test.mjs') && !isSlow('test/setup/runner.test.mjs'));
  });
});
