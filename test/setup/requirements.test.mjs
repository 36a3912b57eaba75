import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { REAL_PYTHON, ROOT } from './sandbox.mjs';

const folder = path.join(ROOT, 'requirements');
const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));

describe('the Python requirements', () => {
  for (const name of files) {
    test(`${name}: every package has one version and the sums of its files, and no address`, () => {
      const text = readFileSync(path.join(folder, name), 'utf8');
      const entries = text.replace(/^\s*#.*\n/gm, '').replace(/\\\n/g, ' ').split('\n').filter((line) => line.trim());
      assert.ok(entries.length > 0);
      for (const entry of entries) assert.match(entry, /^[a-z0-9-]+==[\w.]+ (; .*?)?\s*(--hash=sha256:[0-9a-f]{64}\s*)+$/, entry.slice(0, 60));
      assert.doesNotMatch(text, /https?:|--index-url|--find-links/);
    });
  }

  test('what is asked for by name is pinned as asked', () => {
    const asked = readFileSync(path.join(folder, 'jupyter.in'), 'utf8').trim().split('\n');
    const pinned = readFileSync(path.join(folder, 'jupyter.txt'), 'utf8');
    for (const requirement of asked) assert.ok(pinned.includes(`${requirement} \\`), requirement);
  });

  test('the installed packages fit together', () => {
    const { status, stdout } = spawnSync(REAL_PYTHON, ['-m', 'pip', 'check'], { encoding: 'utf8' });
    const complaints = stdout.split('\n').filter((line) => line && !line.startsWith('tensorflow') && !line.startsWith('No broken'));
    assert.deepEqual(complaints, [], `pip check ended with ${status}`);
  });

  test('the lock file names no download address', () => {
    assert.doesNotMatch(readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'), /"resolved": "http/);
  });
});
