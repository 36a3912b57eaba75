// Written in the syntax of old Node releases, and imports nothing: this file has to run where the rest does not parse.

export const OLDEST_NODE = 20;

/** Says so and sets the exit code when this Node is too old. */
export function nodeIsNewEnough(version) {
  var running = version || process.versions.node;
  if (Number(running.split('.')[0]) >= OLDEST_NODE) return true;
  console.error(
    'Node ' + running + ' is too old: Alignlab needs Node ' + OLDEST_NODE + ' or newer. ' +
    'Install a current release (its own installer, your distribution, nvm or fnm) and run the command again.'
  );
  process.exitCode = 10;
  return false;
}
