import { buildOfOptions } from './build.mjs';
import { reportFailure } from './failure.mjs';
import { interruptible } from './interrupt.mjs';
import { projectPaths, toolEnvironment } from './paths.mjs';
import { Progress } from './progress.mjs';
import { ensureSetup } from './setup.mjs';

/**
 * The set-up as a command's first act.
 * @returns {Promise<{ paths: ReturnType<typeof projectPaths>, environment: NodeJS.ProcessEnv, seconds: number }>}
 */
export async function setUp({ offline, python, repair, ...options }) {
  const build = buildOfOptions(options);
  const progress = new Progress();
  const { signal, restore } = interruptible();
  const paths = projectPaths();
  const environment = toolEnvironment();
  try {
    const named = python || environment.ALIGNLAB_PYTHON || undefined;
    await ensureSetup({ paths, environment, progress, signal, offline, repair, build, python: named });
    signal.throwIfAborted();
  } finally {
    progress.stop();
    restore();
  }
  if (offline) environment.HF_HUB_OFFLINE = '1';
  return { paths, environment, seconds: progress.elapsed };
}

/** Runs a command to its exit code; failures become their sentence and their code. */
export async function runCommand(body) {
  try {
    process.exitCode = await body();
  } catch (error) {
    process.exitCode = reportFailure(error);
  }
}
