import path from 'node:path';
import { CUDA_LIBRARIES, CUDA_TOOLS } from '../setup/cuda.mjs';
import { DRIVER_LIBRARY, findLibrary } from '../setup/driver.mjs';

/** A CUDA toolkit of the system's, where XLA looks too. */
const SYSTEM_TOOLKIT = '/usr/local/cuda';

/**
 * Where CUDA's libraries lie for a TensorFlow of the wheel's folder: in NVIDIA's wheels beside it, else in LD_LIBRARY_PATH
 * or the system's folders.
 * @returns {{ driver: string | null, paths: Record<string, string | null>, missing: string[], missing_tools: string[] }}
 *   the driver's library; each library's path; names that were found nowhere; what XLA compiles with and was found nowhere
 */
export function cudaLibraries(folder, environment, exists) {
  const nvidia = path.join(folder, '..', 'nvidia');
  const paths = Object.fromEntries(CUDA_LIBRARIES.map(([wheel, name]) => [name, findLibrary(name, environment, exists, [path.join(nvidia, wheel, 'lib')]) ?? null]));
  const inToolkit = (tool) => path.join(SYSTEM_TOOLKIT, ...tool.split('/').slice(1));
  return {
    driver: findLibrary(DRIVER_LIBRARY, environment, exists) ?? null,
    paths,
    missing: Object.keys(paths).filter((name) => paths[name] === null),
    missing_tools: CUDA_TOOLS.filter((tool) => !exists(path.join(nvidia, tool)) && !exists(inToolkit(tool))).map((tool) => path.basename(tool)),
  };
}

/** Why a CUDA build lists no GPU, with what to do, as far as its libraries tell. @param {string} mend how missing ones are brought */
export function missingLibraries({ driver, missing }, mend) {
  if (!driver) return `${DRIVER_LIBRARY} of NVIDIA's driver was not found: install the driver, or start the container with --gpus all.`;
  if (missing.length > 0) return `It does not find ${missing.join(', ')}: ${mend}, or name their folders in LD_LIBRARY_PATH.`;
  return 'Its libraries are all there: look at what it prints with TF_CPP_MAX_VLOG_LEVEL=1; a restart helps after an update of the driver.';
}
