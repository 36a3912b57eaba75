import { parseArgs } from 'node:util';
import { EXIT, SetupFailure } from './failure.mjs';

/** Options of both commands, which concern the set-up. */
export const SETUP_OPTIONS = {
  'setup-only': { type: 'boolean', help: 'make what is missing, then end' },
  offline: { type: 'boolean', help: 'download nothing: fail when something is missing' },
  cuda: { type: 'boolean', help: 'the CUDA build of TensorFlow, for NVIDIA GPUs, whether or not a driver is found (also ALIGNLAB_CUDA=1); kept for later commands' },
  'no-cuda': { type: 'boolean', help: 'the CPU build, whatever is found (also ALIGNLAB_CUDA=0); kept for later commands' },
  python: { type: 'string', value: 'PATH', help: 'the Python that makes .venv (also ALIGNLAB_PYTHON); 3.10 to 3.13' },
  repair: { type: 'boolean', help: 'make node_modules, .venv and the weights anew, whatever is there' },
  help: { type: 'boolean', short: 'h', help: 'show this' },
};

/**
 * Reads a command line.
 * @param {string[]} args @param {Record<string, object>} options as SETUP_OPTIONS
 * @throws SetupFailure of kind `usage` for what it does not know, naming the nearest option
 */
export function readOptions(args, options, { positionals = false, command }) {
  try {
    const spec = Object.fromEntries(Object.entries(options).map(([name, { type, short }]) => [name, short ? { type, short } : { type }]));
    const { values, positionals: rest } = parseArgs({ args, options: spec, allowPositionals: positionals, strict: true });
    return { values, rest };
  } catch (error) {
    const unknown = error.code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? error.message.match(/'(-[^']*)'/)?.[1] : undefined;
    const near = unknown && nearest(unknown.replace(/^-+/, ''), Object.keys(options));
    const what = unknown ? `Unknown option ${unknown}${near ? ` (did you mean --${near}?)` : ''}.` : `${error.message.split('\n')[0].replace(/\.?$/, '.')}`;
    throw new SetupFailure('usage', `${what} \`${command} -- --help\` lists the options.`);
  }
}

function nearest(word, names) {
  const [best] = names.map((name) => ({ name, distance: distance(word, name) })).sort((a, b) => a.distance - b.distance);
  return best.distance <= 2 || best.name.startsWith(word) ? best.name : undefined;
}

/** Levenshtein's distance. */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    row = next;
  }
  return row[b.length];
}

/** One line for each option. */
export function describeOptions(options) {
  const rows = Object.entries(options).map(([name, { short, value, help }]) => [`${short ? `-${short}, ` : ''}--${name}${value ? ` ${value}` : ''}`, help]);
  return table(rows);
}

/** The exit codes of the set-up, one a line. */
export function describeExitCodes() {
  return table(Object.values(EXIT).map(({ code, meaning }) => [String(code), meaning]));
}

function table(rows) {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}
