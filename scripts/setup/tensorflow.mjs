import { mkdirSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fingerprint } from './paths.mjs';
import { readStamp, writeStamp } from './stamp.mjs';
import { sitePackages, venvNotes, venvVersion } from './venv.mjs';
import { sizeOf, takeFromWheel } from './wheel.mjs';

/** What the engine loads, and the notices that go with it: of the CPU wheel 0.85 of 1.27 GB and 3 of 15,632 files, of the CUDA wheel 1.26 of 1.87 GB. */
const FILES = ['libtensorflow_cc.so.2', 'libtensorflow_framework.so.2', 'THIRD_PARTY_NOTICES.txt'];

const stampOf = (paths) => path.join(venvNotes(paths), 'tensorflow.json');

/** The folder that the engine looks in. */
export function tensorflowFolder(paths, version) {
  return path.join(sitePackages(paths, version), 'tensorflow');
}

const requirementsOf = (paths, build) => (build === 'cuda' ? paths.requirements.tensorflowCuda : paths.requirements.tensorflow);
const fingerprintOf = (paths, build) => fingerprint({ files: [requirementsOf(paths, build)] });

/** The build whose libraries are there, whole, and of the pinned release. @returns {'cpu' | 'cuda' | undefined} */
export function installedBuild(paths, version = venvVersion(paths)) {
  if (version === undefined) return undefined;
  const stamp = readStamp(stampOf(paths));
  const folder = tensorflowFolder(paths, version);
  if (!stamp || !FILES.every((name) => stamp.sizes?.[name] === sizeOf(path.join(folder, name)))) return undefined;
  return ['cpu', 'cuda'].find((build) => stamp.fingerprint === fingerprintOf(paths, build));
}

/** Downloads a build's wheel and puts its libraries in place, each by one rename: a kernel that runs keeps the file it opened. */
export async function installTensorflow({ build, paths, temporary, ...rest }) {
  const folder = tensorflowFolder(paths, venvVersion(paths));
  mkdirSync(folder, { recursive: true });
  const partial = (name) => path.join(folder, `${name}.part`);
  const members = Object.fromEntries(FILES.map((name) => [`tensorflow/${name}`, partial(name)]));
  try {
    await takeFromWheel({ what: 'TensorFlow', requirements: requirementsOf(paths, build), members, paths, temporary, ...rest });
    for (const name of FILES) renameSync(partial(name), path.join(folder, name));
  } finally {
    for (const name of FILES) rmSync(partial(name), { force: true });
  }
  const sizes = Object.fromEntries(FILES.map((name) => [name, sizeOf(path.join(folder, name))]));
  writeStamp(stampOf(paths), { fingerprint: fingerprintOf(paths, build), sizes });
}
