import { readFileSync } from 'node:fs';
import { OLDEST_NODE } from '../setup/node-version.mjs';
import { missingDependencies, npmCommand } from '../setup/packages.mjs';
import { findPython } from '../setup/python.mjs';
import { sitePackages } from '../setup/venv.mjs';
import { advise, amiss, ok } from './row.mjs';
import { ask, lastLine } from './system.mjs';

const SETUP = 'Run npm start (or npm start -- --setup-only): it makes what is missing.';

/** Node and npm. */
export async function nodeProbe({ system, environment, paths }) {
  const { version, path: executable } = system.node;
  const [command, ...first] = npmCommand(environment);
  const { code, output } = await ask(command, [...first, '--version'], { environment, cwd: paths.root });
  const npm = code === 0 ? lastLine(output) : undefined;
  const found = `${version} (${executable})${npm ? `, npm ${npm}` : ', no npm'}`;
  const values = { version, path: executable, npm: npm ?? null };
  if (Number(version.split('.')[0]) < OLDEST_NODE) return amiss(found, `Install Node ${OLDEST_NODE} or newer (its own installer, your distribution, nvm or fnm).`, values);
  if (code === 127) return amiss(found, 'npm comes with Node from most sources; on Debian and Ubuntu it is a package of its own: sudo apt-get install npm.', values);
  if (!npm) return amiss(found, `npm --version ended with ${code} (${lastLine(output)}): install npm anew.`, values);
  return ok(found, values);
}

/** The Python that makes .venv, and the one in it. */
export function pythonProbe({ environment, venvVersion, ready }) {
  const inVenv = venvVersion ? `.venv has ${venvVersion}` : 'no .venv';
  try {
    const { command, version } = findPython({ named: environment.ALIGNLAB_PYTHON || undefined, environment });
    return ok(`${version} (${command}) with venv, ${inVenv}`, { version, path: command, venv: venvVersion ?? null });
  } catch (error) {
    // Only making or mending .venv needs another Python than its own.
    const values = { version: null, path: null, venv: venvVersion ?? null };
    if (ready.jupyter) return advise(`${inVenv}; none to make it anew`, error.message, values);
    return amiss(`none that will do, ${inVenv}`, error.message, values);
  }
}

/** node_modules against package-lock.json. */
export function packagesProbe({ paths, ready }) {
  const { packages } = JSON.parse(readFileSync(paths.lockFile, 'utf8'));
  const locked = Object.keys(packages).filter((name) => name !== '').length;
  if (ready.packages) return ok(`whole, ${locked} packages as locked`, { packages: locked, missing: [] });
  const missing = missingDependencies(paths);
  const direct = Object.keys({ ...packages[''].dependencies, ...packages[''].devDependencies }).length;
  if (missing.length === direct) return amiss('not there', SETUP, { packages: 0, missing });
  const what = missing.length > 0 ? `lacks ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ` and ${missing.length - 3} more` : ''}` : 'not as package-lock.json has it';
  return amiss(what, SETUP, { packages: null, missing });
}

/** JupyterLab in .venv. */
export function jupyterProbe({ system, paths, venvVersion, ready }) {
  if (!venvVersion) return amiss('not there: no .venv', SETUP, { version: null });
  const version = installedVersion(system.list(sitePackages(paths, venvVersion)), 'jupyterlab');
  const pinned = /^jupyterlab==([\d.]+)/m.exec(readFileSync(paths.requirements.jupyter, 'utf8'))?.[1];
  if (!version) return amiss('not in .venv', SETUP, { version: null });
  if (version !== pinned) return amiss(version, `The project's requirements have ${pinned}. ${SETUP}`, { version });
  if (!ready.jupyter) return amiss(`${version}, in a .venv that the set-up did not finish or that was made for another folder`, SETUP, { version });
  return ok(version, { version });
}

/** The version of an installed Python package, from the names in site-packages. */
function installedVersion(names, distribution) {
  return names.map((name) => /^(.+)-([^-]+)\.dist-info$/.exec(name)).find((parts) => parts?.[1].toLowerCase() === distribution)?.[2];
}

/** Whether the set-up's parts are all there, and whether one is at work. */
export function setupProbe({ missing, running }) {
  const values = { missing, running: running?.pid ?? null };
  if (running) return advise(`a set-up runs now (process ${running.pid} on ${running.host})`, 'Run the doctor again when it has ended.', values);
  if (missing.length > 0) return amiss(`incomplete: ${missing.join(', ')}`, SETUP, values);
  return ok('complete', values);
}
