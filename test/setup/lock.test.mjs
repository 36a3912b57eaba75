import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { takeLock } from '../../scripts/setup/lock.mjs';
import { startTimeOf } from '../../scripts/setup/tool.mjs';

const LOCK_MODULE = new URL('../../scripts/setup/lock.mjs', import.meta.url).href;

describe('the lock of the set-up', () => {
  let folder;
  const file = () => path.join(folder, 'lock');
  before(() => (folder = mkdtempSync(path.join(tmpdir(), 'alignlab-lock-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  test('six processes that find a stale lock hold it one after the other', async () => {
    writeFileSync(file(), JSON.stringify({ pid: 2 ** 22 + 1, started: '1', host: hostname(), tools: [] }));
    const log = path.join(folder, 'log');
    const body = `
      import { appendFileSync } from 'node:fs';
      import { takeLock } from '${LOCK_MODULE}';
      const lock = await takeLock(${JSON.stringify(file())});
      appendFileSync(${JSON.stringify(log)}, 'in ');
      await new Promise((resolve) => setTimeout(resolve, 60));
      appendFileSync(${JSON.stringify(log)}, 'out ');
      lock.release();`;
    const codes = await Promise.all(Array.from({ length: 6 }, () => new Promise((resolve) => {
      spawn(process.execPath, ['--input-type=module', '-e', body], { stdio: 'inherit' }).once('exit', resolve);
    })));
    assert.deepEqual(codes, [0, 0, 0, 0, 0, 0]);
    assert.equal(readFileSync(log, 'utf8'), 'in out '.repeat(6));
  });

  test('a lock of another machine is respected while it is touched, and taken over when it falls silent', async () => {
    writeFileSync(file(), JSON.stringify({ pid: 1, started: '1', host: 'elsewhere', tools: [] }));
    await assert.rejects(takeLock(file(), { patience: 400 }), { kind: 'busy', message: /process 1/ });
    const past = new Date(Date.now() - 60_000);
    utimesSync(file(), past, past);
    const lock = await takeLock(file());
    assert.equal(JSON.parse(readFileSync(file(), 'utf8')).pid, process.pid);
    lock.release();
  });

  test('a holder on this machine that was suspended for long still holds its lock', async () => {
    writeFileSync(file(), JSON.stringify({ pid: process.pid, started: startTimeOf(process.pid), host: hostname(), tools: [] }));
    const past = new Date(Date.now() - 60_000);
    utimesSync(file(), past, past);
    await assert.rejects(takeLock(file(), { patience: 400 }), { kind: 'busy' });
    rmSync(file());
  });

  test('a reused process id does not keep a lock alive', async () => {
    writeFileSync(file(), JSON.stringify({ pid: process.pid, started: 'long ago', host: hostname(), tools: [] }));
    (await takeLock(file(), { patience: 20_000 })).release();
  });

  test('waiting ends when the command is interrupted', async () => {
    const lock = await takeLock(file());
    const controller = new AbortController();
    const waiting = takeLock(file(), { signal: controller.signal, onWait: () => controller.abort(new Error('stop')) });
    await assert.rejects(waiting, /stop/);
    lock.release();
  });

  test('the start time of a process is known, and of none unknown', () => {
    assert.match(startTimeOf(process.pid), /^\d+$/);
    assert.equal(startTimeOf(2 ** 22 + 1), undefined);
  });
});
