import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ask, lastLine, onPath } from './tool.mjs';

/** Minor releases of CUDA 12 run on every driver from this one on (NVIDIA's minor version compatibility). */
export const OLDEST_DRIVER = '525.60.13';
/** TensorFlow 2.21's CUDA build holds kernels for 6.0, 7.0, 8.0, 8.9, and PTX for 9.0 and above. */
export const OLDEST_CAPABILITY = 6;

/** The driver's own library: no wheel has it. */
export const DRIVER_LIBRARY = 'libcuda.so.1';
export const SYSTEM_FOLDERS = ['/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib/wsl/lib', '/usr/local/nvidia/lib64', '/usr/local/cuda/lib64'];
const WSL_TOOL = '/usr/lib/wsl/lib/nvidia-smi';
const QUERY = ['--query-gpu=name,driver_version,memory.total,compute_cap', '--format=csv,noheader,nounits'];

/** A GPU as nvidia-smi lists it. @typedef {{ name: string, driver: string, memoryMiB: number, capability: number }} Gpu */

/** What driver.mjs asks of the file system; tests answer in its place. */
const DISK = {
  exists: existsSync,
  readText: (file) => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return undefined;
    }
  },
};

/** Whether CUDA_VISIBLE_DEVICES hides every GPU. */
export function gpusHidden(environment) {
  return environment.CUDA_VISIBLE_DEVICES !== undefined && /^(-1|)$/.test(environment.CUDA_VISIBLE_DEVICES.trim());
}

/**
 * NVIDIA's GPUs, as its own tool lists them.
 * @returns {Promise<{ gpus: Gpu[], tool: string | undefined, problem?: string }>} `problem`: what the tool says in place of a list
 */
export async function listGpus({ environment, system = DISK }) {
  const tool = onPath('nvidia-smi', environment) ?? [WSL_TOOL].find((file) => system.exists(file));
  if (!tool) return { gpus: [], tool };
  const { code, output } = await ask(tool, QUERY, { environment, seconds: 30 });
  if (code !== 0) return { gpus: [], tool, problem: `nvidia-smi failed: ${lastLine(output) || `exit code ${code}`}` };
  const gpus = output.trim().split('\n').map((line) => line.split(',').map((field) => field.trim())).filter((fields) => fields.length === 4)
    .map(([name, driver, memory, capability]) => ({ name, driver, memoryMiB: Number(memory), capability: Number(capability) }));
  return { gpus, tool, ...(gpus.length === 0 && { problem: `nvidia-smi lists no GPU: ${lastLine(output)}` }) };
}

/** The path of a library in LD_LIBRARY_PATH or the system's folders, or undefined. `first` are folders to look in before. */
export function findLibrary(name, environment, exists = DISK.exists, first = []) {
  const folders = [...first, ...(environment.LD_LIBRARY_PATH ?? '').split(path.delimiter).filter(Boolean), ...SYSTEM_FOLDERS];
  return folders.map((folder) => path.join(folder, name)).find((file) => exists(file));
}

/** The driver's release that the kernel module names, or undefined. */
export function moduleVersion(readText = DISK.readText) {
  return /^NVRM version:.*?\s(\d+\.\d+(?:\.\d+)?)\s/m.exec(readText('/proc/driver/nvidia/version') ?? '')?.[1];
}

/**
 * Whether NVIDIA's driver is here, for TensorFlow's CUDA build: by its tool, else by its library together with a device
 * (a container that was started without its GPUs sees the module of its host, and has no library).
 * @returns {Promise<{ present: boolean, gpus: Gpu[], version?: string, why: string }>}
 */
export async function findDriver({ environment, system = DISK }) {
  if (gpusHidden(environment)) return { present: false, gpus: [], why: 'CUDA_VISIBLE_DEVICES hides every GPU' };
  const { gpus, problem } = await listGpus({ environment, system }).catch((error) => ({ gpus: [], problem: error.message }));
  if (gpus.length > 0) return { present: true, gpus, version: gpus[0].driver, why: `NVIDIA's driver ${gpus[0].driver} with ${gpus.map(({ name }) => name).join(', ')}` };
  if (problem) return { present: false, gpus, why: problem };
  const version = moduleVersion(system.readText);
  const device = version !== undefined || system.exists('/dev/nvidia0') || system.exists('/dev/dxg');
  const library = findLibrary(DRIVER_LIBRARY, environment, system.exists);
  if (library && device) return { present: true, gpus, version, why: `NVIDIA's driver${version ? ` ${version}` : ''} (${library})` };
  return { present: false, gpus, why: device ? `a device of NVIDIA's without ${DRIVER_LIBRARY}` : "no driver of NVIDIA's was found" };
}

/** Why TensorFlow's CUDA build would list no GPU here, with what to do, or undefined. */
export function driverObjection({ gpus, version }) {
  const versions = gpus.length > 0 ? gpus.map(({ driver }) => driver) : version ? [version] : [];
  if (versions.length > 0 && versions.every((each) => olderThan(each, OLDEST_DRIVER))) return `CUDA 12 needs driver ${OLDEST_DRIVER} or newer: update NVIDIA's driver.`;
  if (gpus.length > 0 && gpus.every(({ capability }) => capability < OLDEST_CAPABILITY)) return `TensorFlow's CUDA build has kernels from compute capability ${OLDEST_CAPABILITY}.0 on: training runs on the CPU.`;
  return undefined;
}

/** Whether a release such as 525.60.13 comes before another. */
export function olderThan(version, other) {
  const [a, b] = [version, other].map((text) => text.split('.').map(Number));
  const at = [0, 1, 2].find((i) => (a[i] ?? 0) !== (b[i] ?? 0));
  return at !== undefined && (a[at] ?? 0) < (b[at] ?? 0);
}
