import path from 'node:path';
import { diagnose } from './diagnose.mjs';
import { fingerprint } from './paths.mjs';
import { readStamp, writeStamp } from './stamp.mjs';
import { runTool } from './tool.mjs';
import { PIP_SAFETY, pipEnvironment, sitePackages, venvNotes, venvVersion } from './venv.mjs';
import { sizeOf } from './wheel.mjs';

/** As the engine opens them (src/engine/cuda.ts): folder of the wheel under site-packages/nvidia, name of the library, in order. */
export const CUDA_LIBRARIES = [
  ['cuda_runtime', 'libcudart.so.12'], ['nvjitlink', 'libnvJitLink.so.12'], ['cublas', 'libcublasLt.so.12'], ['cublas', 'libcublas.so.12'],
  ['cufft', 'libcufft.so.11'], ['cusparse', 'libcusparse.so.12'], ['cusolver', 'libcusolver.so.11'], ['cudnn', 'libcudnn.so.9'],
];

/** What XLA compiles with, under site-packages/nvidia. */
export const CUDA_TOOLS = ['cuda_nvcc/bin/ptxas', 'cuda_nvcc/nvvm/libdevice/libdevice.10.bc'];

const FILES = [...CUDA_LIBRARIES.map(([wheel, library]) => `${wheel}/lib/${library}`), ...CUDA_TOOLS];

const stampOf = (paths) => path.join(venvNotes(paths), 'cuda.json');
const wanted = (paths) => fingerprint({ files: [paths.requirements.cuda] });

function sizes(paths, version) {
  const folder = path.join(sitePackages(paths, version), 'nvidia');
  return Object.fromEntries(FILES.map((name) => [name, sizeOf(path.join(folder, name))]));
}

/** Whether NVIDIA's libraries are in the virtual environment, whole, and as pinned. */
export function cudaReady(paths, version = venvVersion(paths)) {
  if (version === undefined) return false;
  const stamp = readStamp(stampOf(paths));
  return stamp?.fingerprint === wanted(paths) && Object.entries(sizes(paths, version)).every(([name, size]) => size > 0 && stamp.sizes?.[name] === size);
}

/** Installs NVIDIA's libraries beside TensorFlow's folder, where they are looked for. Those that are there as pinned are kept. */
export async function installCuda({ paths, environment, temporary, signal, onStart }) {
  const options = { cwd: paths.root, env: pipEnvironment(environment, temporary), signal, onStart };
  // With a stamp that fits, all had been installed, and a file was damaged since: pip would take its package for whole.
  const damaged = readStamp(stampOf(paths))?.fingerprint === wanted(paths);
  const { code, output } = await runTool(paths.venvPython, ['-m', 'pip', 'install', ...(damaged ? ['--force-reinstall'] : []), ...PIP_SAFETY, '-r', paths.requirements.cuda], options);
  if (code !== 0) throw diagnose('pip', "NVIDIA's libraries", output);
  writeStamp(stampOf(paths), { fingerprint: wanted(paths), sizes: sizes(paths, venvVersion(paths)) });
}
