import path from 'node:path';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { isSlow } from './test-command.mjs';

// Runs the test files named on the command line with Node's own runner: the quick ones two at a time, then the slow ones
// one at a time, so that nothing disturbs a real kernel or browser. Both runs share one report and one closing summary.

const CLOSING = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ([\d.]+)$/;
const FILE_TIMEOUT_MS = 15 * 60_000;

// Training and generation count tensors and native handles after each step, and fail where one was left behind.
process.env.ALIGNLAB_SENTINEL ??= '1';

const totals = new Map(['tests', 'suites', 'pass', 'fail', 'cancelled', 'skipped', 'todo', 'duration_ms'].map((name) => [name, 0]));
const ABSOLUTE = process.argv.slice(2).map((file) => path.resolve(file));
const PHASES = [
  { files: ABSOLUTE.filter((file) => !isSlow(file)), concurrency: 2 },
  { files: ABSOLUTE.filter(isSlow), concurrency: 1 },
];

async function* events() {
  for (const { files, concurrency } of PHASES) {
    if (files.length === 0) continue;
    for await (const event of run({ files, concurrency, timeout: FILE_TIMEOUT_MS })) {
      const [, name, value] = (isClosing(event) && event.data.message.match(CLOSING)) || [];
      if (name) totals.set(name, totals.get(name) + Number(value));
      else if (event.type !== 'test:summary') yield event;
    }
  }
  const spent = Number(process.env.ALIGNLAB_TEST_SPENT ?? 0);
  yield diagnostic(`all of it took ${(spent + totals.get('duration_ms') / 1000).toFixed(1)} s: ${spent.toFixed(1)} s of set-up and types, the rest in tests`);
  for (const [name, value] of totals) yield diagnostic(`${name} ${value}`);
}

function isClosing({ type, data }) {
  return type === 'test:diagnostic' && data.nesting === 0 && data.file === undefined;
}

function diagnostic(message) {
  return { type: 'test:diagnostic', data: { nesting: 0, message, level: 'info' } };
}

const report = Readable.from(events()).pipe(new spec());
report.pipe(process.stdout);
await finished(report);
process.exitCode = totals.get('fail') + totals.get('cancelled') > 0 || totals.get('tests') === 0 ? 1 : 0;
