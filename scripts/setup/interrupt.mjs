import { constants } from 'node:os';
import { SetupFailure } from './failure.mjs';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Turns Ctrl-C and its relatives into an AbortSignal while the set-up runs.
 * @returns {{ signal: AbortSignal, restore: () => void }}
 */
export function interruptible() {
  const controller = new AbortController();
  const handlers = SIGNALS.map((name) => {
    const handler = () => {
      const failure = new SetupFailure('interrupted', 'Interrupted. Run the command again: what is done is kept.');
      failure.exitCode = 128 + constants.signals[name];
      controller.abort(failure);
    };
    process.on(name, handler);
    return [name, handler];
  });
  return {
    signal: controller.signal,
    restore: () => handlers.forEach(([name, handler]) => process.off(name, handler)),
  };
}
