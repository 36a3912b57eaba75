import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { rowsOf, wholeSandbox } from './checkout.mjs';

describe('npm run doctor -- --deep', () => {
  let sandbox;
  before(() => (sandbox = wholeSandbox()));
  after(() => sandbox.remove());

  test('starts the kernel and computes a cell on the engine', () => {
    const { status, rows } = rowsOf(sandbox, ['--deep']);
    assert.match(rows.kernel.found, /started in [\d.]+ s, its first cell computed on TensorFlow 2\.21\.\d+, CPU in [\d.]+ s/);
    assert.equal(status, 0);
    assert.ok(rows.kernel.kernel_seconds > 0 && rows.kernel.cell_seconds > 0);
  });

  test('a kernel that starts and cannot compute is amiss, with the error', () => {
    const { status, rows } = rowsOf(sandbox, ['--deep'], { extra: { ALIGNLAB_TENSORFLOW: sandbox.root } });
    assert.equal(status, 1);
    assert.match(rows.kernel.found, /does not compute: RuntimeError: ALIGNLAB_TENSORFLOW is .* holds no libtensorflow_cc/);
  });

  test('a kernel that ends at once is amiss', () => {
    rmSync(path.join(sandbox.root, 'kernel', 'main.ts'));
    const { rows } = rowsOf(sandbox, ['--deep']);
    assert.equal(rows.kernel.state, 'amiss');
    assert.match(rows.kernel.found, /does not compute: /);
  });
});
