import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { KERNEL_NAME } from './kernelspec.mjs';
import { SetupFailure } from './failure.mjs';
import { signalGroup } from './tool.mjs';

const POLL_MS = 100;
const SECOND_SIGNAL_MS = 1_000;

/** Jupyter's own settings folders inside the project, so that nothing in the user's home changes how the course looks or runs. */
export function jupyterEnvironment(paths, environment) {
  const env = Object.fromEntries(Object.entries(environment).filter(([name]) => !/^(JUPYTER|JUPYTERLAB|IPYTHON)/.test(name) && !/^PYTHON(PATH|HOME|STARTUP)$/.test(name)));
  if (environment.JUPYTER_TOKEN) env.JUPYTER_TOKEN = environment.JUPYTER_TOKEN;
  return {
    ...env,
    PATH: [path.join(paths.venv, 'bin'), environment.PATH].filter(Boolean).join(path.delimiter),
    JUPYTER_PREFER_ENV_PATH: '1',
    JUPYTER_PLATFORM_DIRS: '0',
    JUPYTER_CONFIG_DIR: path.join(paths.work, 'jupyter', 'config'),
    JUPYTER_DATA_DIR: path.join(paths.work, 'jupyter', 'data'),
    JUPYTER_RUNTIME_DIR: runtimeFolder(paths),
    IPYTHONDIR: path.join(paths.work, 'jupyter', 'ipython'),
  };
}

/** Not under a hidden folder: browsers packaged as snaps may not open the page there that JupyterLab starts them with. */
function runtimeFolder(paths) {
  return path.join(paths.root, 'runs', 'jupyter');
}

/** JupyterLab's command line. Authentication stays as it is: a fresh token at each start. */
export function jupyterArguments(paths, { ip = '127.0.0.1', port, noBrowser, notebook, asRoot = process.getuid?.() === 0 }) {
  return [
    '-m', 'jupyterlab',
    `--ServerApp.root_dir=${paths.root}`,
    `--ServerApp.ip=${ip}`,
    `--LabApp.default_url=${pageOf(notebook)}`,
    '--ServerApp.answer_yes=True',
    '--Application.log_level=WARN',
    `--MultiKernelManager.default_kernel_name=${KERNEL_NAME}`,
    `--KernelSpecManager.allowed_kernelspecs=${KERNEL_NAME}`,
    '--KernelSpecManager.ensure_native_kernel=False',
    // Above a rate the server drops output without a trace in the notebook; the kernel itself keeps a cell's output within bounds.
    '--ZMQChannelsWebsocketConnection.limit_rate=False',
    '--LabApp.extension_manager=readonly',
    '--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate',
    '--LabApp.news_url=None',
    ...(port === undefined ? [] : [`--ServerApp.port=${port}`]),
    ...(noBrowser ? ['--no-browser'] : []),
    ...(asRoot ? ['--allow-root'] : []),
  ];
}

function pageOf(notebook) {
  return `/lab/tree/${notebook.split(path.sep).map(encodeURIComponent).join('/')}`;
}

/** Where students work: on copies that `npm start` makes from `notebooks/` (scripts/notebooks/workFolder.ts). */
const WORK = 'work';

/**
 * The notebook to open, relative to the project's root: a path, or the beginning of a name: "01" is the student's copy in
 * `work/`, which may be still to be made, "solutions/01" the solution.
 * @throws SetupFailure that lists the notebooks when there is none, or more than one, of that name
 */
export function findNotebook(root, name) {
  const folder = path.join(root, 'notebooks');
  if (name === undefined) return existsSync(path.join(folder, '00-tour.ipynb')) ? path.join(WORK, '00-tour.ipynb') : 'notebooks';
  const relative = path.relative(root, path.resolve(root, name));
  if (!relative.startsWith('..') && existsSync(path.join(root, relative))) return relative;
  const solutions = path.join('notebooks', 'solutions');
  const copies = [...new Set([...notebooksIn(folder), ...notebooksIn(path.join(root, WORK))])].sort();
  const [place, entries] = { '.': [WORK, copies], work: [WORK, copies], solutions: [solutions, notebooksIn(path.join(root, solutions))] }[path.dirname(name)] ?? [name, []];
  const matching = entries.filter((entry) => entry.startsWith(path.basename(name)));
  if (matching.length === 1) return path.join(place, matching[0]);
  const known = [...copies, ...notebooksIn(path.join(root, solutions)).map((entry) => path.join('solutions', entry))].join(', ') || 'none yet';
  throw new SetupFailure('usage', `${matching.length === 0 ? 'There is no notebook' : 'There are several notebooks'} ${name}. The notebooks are: ${known}.`);
}

function notebooksIn(folder) {
  return existsSync(folder) ? readdirSync(folder).filter((entry) => entry.endsWith('.ipynb')).sort() : [];
}

/**
 * Runs JupyterLab until it ends, in a process group of its own: Ctrl-C reaches it once, from here.
 * @param {{ paths: object, environment: NodeJS.ProcessEnv, onReady: () => void }} options `onReady` is called
 *   once the server listens; JupyterLab itself prints its address with the token. Plus those of jupyterArguments
 * @returns {Promise<number>} its exit code
 */
export function runJupyter({ paths, environment, onReady, ...options }) {
  return new Promise((resolve, reject) => {
    const env = jupyterEnvironment(paths, environment);
    const child = spawn(paths.venvPython, jupyterArguments(paths, options), { cwd: paths.root, env, detached: true, stdio: ['ignore', 'inherit', 'inherit'] });
    const ready = setInterval(() => {
      if (!existsSync(path.join(env.JUPYTER_RUNTIME_DIR, `jpserver-${child.pid}.json`))) return;
      clearInterval(ready);
      onReady();
    }, POLL_MS);
    const restore = forwardSignals(child);
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      clearInterval(ready);
      restore();
      resolve(code ?? 128 + constants.signals[signal]);
    });
  });
}

/** The first Ctrl-C asks JupyterLab to end, its kernels too; another one, a second later or more, ends it by force. */
function forwardSignals(child) {
  let first;
  const handler = () => {
    const now = Date.now();
    first ??= now;
    if (now - first < SECOND_SIGNAL_MS) child.kill('SIGTERM');
    else signalGroup(child.pid, 'SIGKILL');
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const name of names) process.on(name, handler);
  return () => names.forEach((name) => process.off(name, handler));
}
