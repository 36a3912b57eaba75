import { CUDA_COST } from '../setup/build.mjs';
import { driverObjection, gpusHidden, listGpus, moduleVersion, olderThan } from '../setup/driver.mjs';
import { cudaLibraries, missingLibraries } from './cuda.mjs';
import { advise, amiss, ok } from './row.mjs';

/** From here on a GPU computes bfloat16 products, and from there float16 products, in its tensor cores. */
const BFLOAT16_CAPABILITY = 8;
const FLOAT16_CAPABILITY = 7;
/** From this compute capability on most of TensorFlow's kernels are PTX, made by CUDA 12.5, which drivers before its own do not compile. */
const PTX = { capability: 9, driver: '555.42.02' };
/** What notebook 01 takes at its default profile on a CPU: what it takes on a GPU was not measured. */
const COMFORTABLE_MIB = 6 * 1024;

/**
 * NVIDIA's GPUs as its own tool, the kernel's module and the device files show them.
 * @returns {Promise<{ gpus: import('../setup/driver.mjs').Gpu[], files: string[], version?: string, problem?: string, hidden: boolean }>}
 */
export async function findGpus({ system, environment }) {
  const files = [...system.list('/dev').filter((name) => /^nvidia\d+$/.test(name)), ...(system.exists('/dev/dxg') ? ['dxg'] : [])].map((name) => `/dev/${name}`);
  const { gpus, problem } = await listGpus({ environment, system });
  const version = gpus[0]?.driver ?? moduleVersion(system.readText);
  return { gpus, files, hidden: gpusHidden(environment), ...(version && { version }), ...(problem && { problem }) };
}

const describe = ({ name, driver, memoryMiB, capability }) => `${name} (${(memoryMiB / 1024).toFixed(0)} GiB, driver ${driver}, compute capability ${capability.toFixed(1)})`;

/** How this checkout gets the CUDA build. */
const bringCuda = ({ environment }) => `${environment.ALIGNLAB_TENSORFLOW ? 'unset ALIGNLAB_TENSORFLOW and ' : ''}run npm start -- --cuda --setup-only (${CUDA_COST})`;

/** The GPU, and whether the installed TensorFlow can use it. A machine without one lacks nothing. */
export async function gpuProbe(context) {
  const [{ gpus, files, version, problem, hidden }, tensorflow] = await Promise.all([context.gpus(), context.tensorflow()]);
  const usable = tensorflow.devices?.includes('GPU') ?? false;
  const libraries = tensorflow.cuda && (gpus.length > 0 || files.length > 0) ? cudaLibraries(tensorflow.folder, context.environment, context.system.exists) : null;
  const values = { gpus, driver: version ?? null, device_files: files, hidden, usable, cuda_libraries: libraries };
  if (problem) return advise(problem, "The driver's tool and its kernel module do not fit together, or the module is not loaded: restart the machine, or install the driver anew.", values);
  if (gpus.length === 0) return withoutTool(context, { files, version, usable }, values);
  const found = gpus.map(describe).join('; ');
  if (hidden) return advise(`${found}, hidden by CUDA_VISIBLE_DEVICES`, 'Unset CUDA_VISIBLE_DEVICES to train on it.', values);
  const objection = driverObjection({ gpus, version });
  if (objection) return advise(found, objection, values);
  if (tensorflow.problem) return ok(`${found}; whether TensorFlow can use it shows once it loads`, values);
  if (!usable) return notUsed(context, found, tensorflow, libraries, values);
  return used(`${found}; TensorFlow uses ${gpus.length > 1 ? 'the first' : 'it'}`, gpus, libraries, values);
}

function notUsed(context, found, { cuda }, libraries, values) {
  if (cuda === false) return advise(`${found}; the installed TensorFlow is the CPU build`, `Training runs on the CPU. For the GPU, ${bringCuda(context)}.`, values);
  const advice = libraries ? missingLibraries(libraries, bringCuda(context)) : `It does not say whether it is a CUDA build: ${bringCuda(context)}.`;
  return advise(`${found}; TensorFlow lists no GPU`, advice, values);
}

/** What could be better with a GPU that TensorFlow uses. */
function used(found, [{ driver, memoryMiB, capability }], libraries, values) {
  if (capability >= PTX.capability && olderThan(driver, PTX.driver)) {
    return advise(found, `From compute capability ${PTX.capability}.0 on, most of TensorFlow's kernels are left to the driver to compile, and one before ${PTX.driver} does not know their format: update NVIDIA's driver.`, values);
  }
  if (libraries?.missing_tools.length > 0) return advise(found, `XLA does not find ${libraries.missing_tools.join(' and ')}, which it compiles with: run npm start -- --cuda --setup-only.`, values);
  if (memoryMiB < COMFORTABLE_MIB) return advise(found, 'Little memory: use the profile "quick" (ALIGNLAB_PROFILE=quick npm start) or a smaller perDeviceTrainBatchSize with gradientAccumulationSteps.', values);
  if (capability >= BFLOAT16_CAPABILITY) return ok(`${found}; bfloat16 is native`, values);
  const narrow = capability >= FLOAT16_CAPABILITY ? 'train in float32, or in float16, which has its tensor cores' : 'train in float32';
  return ok(`${found}; no native bfloat16: ${narrow}`, values);
}

function withoutTool({ system }, { files, version, usable }, values) {
  const driver = version ? `, driver ${version},` : '';
  if (usable) return advise(`${files.join(', ') || 'a GPU'}${driver} without nvidia-smi; TensorFlow uses it`, 'Without nvidia-smi its compute capability is not known, so that bfloat16 falls back to float32: install the utilities of the driver, or set ALIGNLAB_BFLOAT16=1 where it is 8.0 or above.', values);
  if (files.length > 0) return advise(`${files.join(', ')}${driver} without nvidia-smi`, "NVIDIA's driver is not whole here: install its utilities, or start the container with --gpus all.", values);
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
