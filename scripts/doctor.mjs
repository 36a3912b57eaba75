import { OLDEST_NODE } from './setup/node-version.mjs';

// In the syntax of old Node releases, as node-version.mjs: the rest does not parse there, and this is what has to be said.

var args = process.argv.slice(2);

if (Number(process.versions.node.split('.')[0]) >= OLDEST_NODE) {
  import('./doctor/command.mjs').then(function (command) {
    return command.main(args);
  });
} else {
  var row = {
    id: 'node', title: 'Node', state: 'amiss', found: process.versions.node,
    advice: 'Install Node ' + OLDEST_NODE + ' or newer (its own installer, your distribution, nvm or fnm); the doctor looks at the rest once it runs there.',
  };
  console.log(args.indexOf('--json') >= 0 ? JSON.stringify({ ok: false, rows: [row] }) : row.title + '  ' + row.state + '  ' + row.found + '\n  → ' + row.advice);
  process.exitCode = 1;
}
