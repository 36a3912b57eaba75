import { nodeIsNewEnough } from './setup/node-version.mjs';

if (nodeIsNewEnough()) {
  import('./setup/encoder.mjs').then(function (command) {
    return command.main();
  });
}
