import { existsSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { diagnose } from './diagnose.mjs';
import { SetupFailure } from './failure.mjs';
import { fingerprint } from './paths.mjs';
import { readStamp, writeStamp } from './stamp.mjs';
import { runTool } from './tool.mjs';

const STAMP = '.alignlab.json';

function wanted(paths) {
  return fingerprint({ files: [paths.lockFile] });
}

/** Whether node_modules holds what the lock file says. */
export function packagesReady(paths) {
  return readStamp(path.join(paths.nodeModules, STAMP))?.fingerprint === wanted(paths) && directDependenciesExist(paths);
}

/** Names of the packages in package.json that node_modules lacks. */
export function missingDependencies(paths) {
  const { dependencies, devDependencies } = readJson(path.join(paths.root, 'package.json'));
  return Object.keys({ ...dependencies, ...devDependencies })
    .filter((name) => !existsSync(path.join(paths.nodeModules, name, 'package.json')));
}

const directDependenciesExist = (paths) => missingDependencies(paths).length === 0;

/** Stamps a node_modules made by hand when npm's own record of it agrees with the lock file; returns whether it did. */
export function adoptPackages(paths) {
  const agrees = agreesWithLock(paths);
  if (agrees) writeStamp(path.join(paths.nodeModules, STAMP), { fingerprint: wanted(paths) });
  return agrees;
}

/** Whether npm's own record of node_modules agrees with the lock file. */
export function agreesWithLock(paths) {
  const installed = readStamp(path.join(paths.nodeModules, '.package-lock.json'))?.packages;
  if (!installed || !directDependenciesExist(paths)) return false;
  const locked = Object.entries(readJson(paths.lockFile).packages).filter(([name]) => name !== '');
  return locked.every(([name, { version, integrity, optional }]) => {
    const present = installed[name];
    return present ? present.version === version && present.integrity === integrity : optional === true;
  });
}

/** How to run npm: the one that runs this script, else the one on the PATH. */
export function npmCommand(environment) {
  const running = environment.npm_execpath;
  if (running && /(^|[\\/])npm-cli\.c?js$/.test(running) && existsSync(running)) return [process.execPath, running];
  const beside = path.join(path.dirname(process.execPath), 'npm');
  const onPath = (environment.PATH ?? '').split(path.delimiter).some((folder) => folder && existsSync(path.join(folder, 'npm')));
  return !onPath && existsSync(beside) ? [beside] : ['npm'];
}

/** Runs `npm ci`. No install script runs: see .npmrc. */
export async function installPackages({ paths, environment, signal, onStart }) {
  rmSync(path.join(paths.nodeModules, STAMP), { force: true });
  rmSync(path.join(paths.nodeModules, '.package-lock.json'), { force: true });
  const [command, ...first] = npmCommand(environment);
  const args = [...first, 'ci', '--include=dev', '--include=optional', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error',
    '--fetch-retries=3', '--fetch-retry-factor=3', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=10000'];
  const { code, output } = await runTool(command, args, { cwd: paths.root, env: environment, signal, onStart });
  if (code === 127) {
    throw new SetupFailure('npm', 'npm was not found. It comes with Node from most sources; on Debian and Ubuntu it is a package of its own: sudo apt-get install npm.');
  }
  if (code !== 0) throw diagnose('npm', 'the JavaScript packages', output);
  writeStamp(path.join(paths.nodeModules, STAMP), { fingerprint: wanted(paths) });
}

function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}
