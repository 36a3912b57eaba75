import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import { requireMachine, requireSpace, thisMachine } from '../../scripts/setup/machine.mjs';
import { nodeIsNewEnough } from '../../scripts/setup/node-version.mjs';
import { toolEnvironment } from '../../scripts/setup/paths.mjs';

const linux = { platform: 'linux', arch: 'x64', glibc: '2.36', cpuFlags: ' fpu sse avx avx2' };

describe('the machine', () => {
  test('Linux on x86-64 will do, and this one does', () => {
    requireMachine(linux);
    requireMachine(thisMachine());
  });

  for (const [name, machine, sentence] of [
    ['Windows', { ...linux, platform: 'win32' }, /WSL2/],
    ['macOS', { ...linux, platform: 'darwin', arch: 'arm64' }, /not for macOS.*never run/],
    ['ARM', { ...linux, arch: 'arm64' }, /linux on arm64/],
    ['musl', { ...linux, glibc: undefined }, /musl/],
    ['an old glibc', { ...linux, glibc: '2.17' }, /glibc 2\.17/],
    ['a processor without AVX', { ...linux, cpuFlags: ' fpu sse' }, /AVX/],
  ]) {
    test(`${name} is refused in its own words`, () => assert.throws(() => requireMachine(machine), { kind: 'platform', message: sentence }));
  }

  test('too old a Node is refused with exit code 10, and this one is not', (t) => {
    const said = t.mock.method(console, 'error', () => {});
    const before = process.exitCode;
    assert.equal(nodeIsNewEnough('18.20.4'), false);
    assert.equal(process.exitCode, 10);
    process.exitCode = before;
    assert.match(said.mock.calls[0].arguments[0], /Node 18\.20\.4 is too old: Alignlab needs Node 20/);
    assert.equal(nodeIsNewEnough(), true);
  });

  test('space is added up over the folders of one disk', () => {
    const needs = [{ folder: '/a', megabytes: 600 }, { folder: '/b', megabytes: 600 }, { folder: '/c', megabytes: 600 }];
    const free = () => 1000 * 2 ** 20;
    requireSpace(needs, free, (folder) => folder);
    assert.throws(() => requireSpace(needs, free, (folder) => (folder === '/c' ? 2 : 1)), { kind: 'disk', message: /needs 1200 MB, and 1000 MB are free/ });
  });
});

describe('the environment of the tools', () => {
  test('without HOME, or with one that cannot be used, everything still has a home and a cache', (t) => {
    const root = mkdtempSync(path.join(tmpdir(), 'alignlab-root-'));
    t.after(() => rmSync(root, { recursive: true }));
    assert.ok(existsSync(toolEnvironment({}, root).HOME));
    const odd = toolEnvironment({ HOME: '/nonexistent' }, root);
    assert.ok(odd.HOME.startsWith(root) && existsSync(odd.HOME));
    assert.ok(odd.ALIGNLAB_CACHE.startsWith(odd.HOME));
  });

  test('the cache is ALIGNLAB_CACHE, else under XDG_CACHE_HOME, else under ~/.cache', () => {
    assert.equal(toolEnvironment({ HOME: '/tmp', ALIGNLAB_CACHE: '/x', XDG_CACHE_HOME: '/y' }).ALIGNLAB_CACHE, '/x');
    assert.equal(toolEnvironment({ HOME: '/tmp', XDG_CACHE_HOME: '/y' }).ALIGNLAB_CACHE, '/y/alignlab');
    assert.equal(toolEnvironment({ HOME: '/tmp' }).ALIGNLAB_CACHE, '/tmp/.cache/alignlab');
  });
});
