import { runCommand } from '../setup/command.mjs';
import { describeOptions, readOptions } from '../setup/options.mjs';
import { projectPaths, toolEnvironment } from '../setup/paths.mjs';
import { examine } from './examine.mjs';
import { thisSystem } from './system.mjs';

const OPTIONS = {
  json: { type: 'boolean', help: "one line of JSON instead of the table (npm run -s leaves out npm's own lines)" },
  deep: { type: 'boolean', help: 'also start the kernel and compute a cell in it (a quarter of a minute)' },
  help: { type: 'boolean', short: 'h', help: 'show this' },
};

const HELP = `npm run doctor [-- OPTIONS]

Looks at what this machine and this checkout have, and says what is amiss and what to do about it. It installs and changes nothing.

${describeOptions(OPTIONS)}

Exit codes: 0 when all that is needed is there, 1 when something needed is amiss, 2 for an unknown option.`;

export async function main(args) {
  await runCommand(async () => {
    const { values } = readOptions(args, OPTIONS, { command: 'npm run doctor' });
    if (values.help) {
      console.log(HELP);
      return 0;
    }
    const rows = await examine({ paths: projectPaths(), environment: toolEnvironment(process.env, undefined, { make: false }), system: thisSystem(), deep: values.deep });
    const healthy = rows.every(({ state }) => state !== 'amiss');
    console.log(values.json ? toJson(rows, healthy) : toTable(rows, healthy));
    return healthy ? 0 : 1;
  });
}

/** One object with a row for each thing; what a probe measured stands beside its words. */
export function toJson(rows, healthy) {
  return JSON.stringify({ ok: healthy, rows: rows.map(({ values, advice, ...row }) => ({ ...row, advice: advice ?? null, ...values })) });
}

/** Three columns, and below a row its advice. */
export function toTable(rows, healthy) {
  const width = Math.max(...rows.map(({ title }) => title.length));
  const lines = rows.flatMap(({ title, state, found, advice }) => [`${title.padEnd(width)}  ${state.padEnd(6)}  ${found}`, ...(advice ? [`${''.padEnd(width + 10)}→ ${advice}`] : [])]);
  const count = (wanted) => rows.filter(({ state }) => state === wanted).length;
  const things = (n) => `${n} thing${n === 1 ? '' : 's'}`;
  const verdict = healthy ? 'All that is needed is there.' : `${things(count('amiss'))} needed ${count('amiss') === 1 ? 'is' : 'are'} amiss.`;
  return [...lines, '', count('advice') > 0 ? `${verdict} ${things(count('advice'))} could be better.` : verdict].join('\n');
}
