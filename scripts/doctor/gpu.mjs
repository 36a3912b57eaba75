import { cudaLibraries, missingLibraries } from './cuda.mjs';
import { advise, amiss, ok } from './row.mjs';
import { ask, lastLine, onPath } from './system.mjs';

/** Of TensorFlow 2.21's CUDA wheel: CUDA 12 needs this driver, and its kernels are built from this compute capability on. */
const OLDEST_DRIVER = 525;
const OLDEST_CAPABILITY = 6;
/** From here on a GPU computes bfloat16 products. */
const BFLOAT16_CAPABILITY = 8;

const QUERY = ['--query-gpu=name,driver_version,memory.total,compute_cap', '--format=csv,noheader,nounits'];

/**
 * NVIDIA's GPUs as its own tool and the device files show them.
 * @returns {Promise<{ gpus: { name: string, driver: string, memoryMiB: number, capability: number }[], files: string[], problem?: string, hidden: boolean }>}
 */
export async function findGpus({ system, environment }) {
  const files = [...system.list('/dev').filter((name) => /^nvidia\d+$/.test(name)), ...(system.exists('/dev/dxg') ? ['dxg'] : [])].map((name) => `/dev/${name}`);
  const hidden = environment.CUDA_VISIBLE_DEVICES !== undefined && /^(-1|)$/.test(environment.CUDA_VISIBLE_DEVICES.trim());
  const tool = onPath('nvidia-smi', environment) ?? ['/usr/lib/wsl/lib/nvidia-smi'].find((file) => system.exists(file));
  if (!tool) return { gpus: [], files, hidden };
  const { code, output } = await ask(tool, QUERY, { environment, seconds: 30 });
  if (code !== 0) return { gpus: [], files, hidden, problem: `nvidia-smi failed: ${lastLine(output) || `exit code ${code}`}` };
  const gpus = output.trim().split('\n').map((line) => line.split(',').map((field) => field.trim())).filter((fields) => fields.length === 4)
    .map(([name, driver, memory, capability]) => ({ name, driver, memoryMiB: Number(memory), capability: Number(capability) }));
  return { gpus, files, hidden, ...(gpus.length === 0 && { problem: `nvidia-smi lists no GPU: ${lastLine(output)}` }) };
}

const describe = ({ name, driver, memoryMiB, capability }) => `${name} (${(memoryMiB / 1024).toFixed(0)} GiB, driver ${driver}, compute capability ${capability})`;

const CUDA_WHEEL = 'install tensorflow[and-cuda] of the same release in a virtual environment of its own and name its tensorflow folder with ALIGNLAB_TENSORFLOW';

/** The GPU, and whether the installed TensorFlow can use it. A machine without one lacks nothing. */
export async function gpuProbe(context) {
  const [{ gpus, files, problem, hidden }, tensorflow] = await Promise.all([context.gpus(), context.tensorflow()]);
  const usable = tensorflow.devices?.includes('GPU') ?? false;
  const libraries = tensorflow.cuda && gpus.length > 0 ? cudaLibraries(tensorflow.folder, context.environment, context.system.exists) : null;
  const values = { gpus, device_files: files, hidden, usable, cuda_libraries: libraries };
  if (problem) return advise(problem, "The driver's tool and its kernel module do not fit together, or the module is not loaded: restart the machine, or install the driver anew.", values);
  if (gpus.length === 0) return withoutTool(context, files, values);
  const found = gpus.map(describe).join('; ');
  if (hidden) return advise(`${found}, hidden by CUDA_VISIBLE_DEVICES`, 'Unset CUDA_VISIBLE_DEVICES to train on it.', values);
  const old = gpus.every(({ driver }) => Number(driver.split('.')[0]) < OLDEST_DRIVER);
  if (old) return advise(found, `CUDA 12 needs driver ${OLDEST_DRIVER} or newer: update NVIDIA's driver.`, values);
  if (gpus.every(({ capability }) => capability < OLDEST_CAPABILITY)) return advise(found, `TensorFlow's CUDA wheel has kernels from compute capability ${OLDEST_CAPABILITY}.0 on: training runs on the CPU.`, values);
  if (tensorflow.problem) return ok(`${found}; whether TensorFlow can use it shows once it loads`, values);
  if (!usable && tensorflow.cuda === false) return advise(`${found}; the installed TensorFlow is the CPU build`, `Training runs on the CPU. For the GPU, ${CUDA_WHEEL}.`, values);
  if (!usable) return advise(`${found}; TensorFlow lists no GPU`, libraries ? missingLibraries(libraries) : `It does not say whether it is a CUDA build: ${CUDA_WHEEL}.`, values);
  if (gpus.every(({ capability }) => capability < BFLOAT16_CAPABILITY)) return ok(`${found}; TensorFlow uses it; no native bfloat16: train in float32`, values);
  return ok(`${found}; TensorFlow uses it`, values);
}

function withoutTool({ system }, files, values) {
  if (files.length > 0) return advise(`${files.join(', ')} without nvidia-smi`, "NVIDIA's driver is not whole here: install its utilities, or start the container with --gpus all.", values);
  if (system.exists('/dev/kfd')) return ok("an AMD GPU (/dev/kfd), which TensorFlow's wheels do not use", values);
  return ok('none (no nvidia-smi, no /dev/nvidia*)', values);
}

/** What training will compute on, and why. */
export async function backendProbe(context) {
  const [{ gpus, hidden }, { problem, cuda, devices }] = await Promise.all([context.gpus(), context.tensorflow()]);
  if (problem) return amiss(`none: TensorFlow ${problem}`, 'See the row of TensorFlow.', { backend: null, device: null });
  if (devices.includes('GPU')) return ok(`TensorFlow on CUDA, since it lists a GPU${gpus[0] ? ` (${gpus[0].name})` : ''}`, { backend: 'tensorflow', device: 'GPU' });
  const reason = gpus.length === 0 ? 'no GPU was found' : hidden ? 'CUDA_VISIBLE_DEVICES hides the GPU' : cuda === false ? 'the installed TensorFlow is the CPU build' : 'TensorFlow lists no GPU';
  return ok(`TensorFlow on the CPU, since ${reason}`, { backend: 'tensorflow', device: 'CPU' });
}
