import { nodeIsNewEnough } from './setup/node-version.mjs';

if (nodeIsNewEnough()) {
  import('./setup/test-command.mjs').then(function (command) {
    return command.main(process.argv.slice(2));
  });
}
