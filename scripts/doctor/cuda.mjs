import path from 'node:path';

/** What TensorFlow 2.21's CUDA build opens when it looks for a GPU, and the folder of its wheel under site-packages/nvidia. */
const LIBRARIES = {
  'libcudart.so.12': 'cuda_runtime', 'libcublas.so.12': 'cublas', 'libcublasLt.so.12': 'cublas', 'libcudnn.so.9': 'cudnn', 'libcufft.so.11': 'cufft',
  'libcusolver.so.11': 'cusolver', 'libcusparse.so.12': 'cusparse',
};

/** The driver's own library: no wheel has it. */
const DRIVER_LIBRARY = 'libcuda.so.1';

const SYSTEM_FOLDERS = ['/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib/wsl/lib', '/usr/local/nvidia/lib64', '/usr/local/cuda/lib64'];

/**
 * Where CUDA's libraries lie for a TensorFlow of the wheel's folder: beside it, where its own search path leads, else in
 * LD_LIBRARY_PATH or the system's folders.
 * @returns {{ driver: string | null, missing: string[] }} the driver's library, and names that were found nowhere
 */
export function cudaLibraries(folder, environment, exists) {
  const folders = [...(environment.LD_LIBRARY_PATH ?? '').split(path.delimiter).filter(Boolean), ...SYSTEM_FOLDERS];
  const find = (name, first = []) => [...first, ...folders].map((each) => path.join(each, name)).find((file) => exists(file));
  return {
    driver: find(DRIVER_LIBRARY) ?? null,
    missing: Object.entries(LIBRARIES).filter(([name, wheel]) => !find(name, [path.join(folder, '..', 'nvidia', wheel, 'lib')])).map(([name]) => name),
  };
}

/** Why a CUDA build lists no GPU, with what to do, as far as its libraries tell. */
export function missingLibraries({ driver, missing }) {
  if (!driver) return `${DRIVER_LIBRARY} of NVIDIA's driver was not found: install the driver, or start the container with --gpus all.`;
  if (missing.length > 0) return `It does not find ${missing.join(', ')}: install tensorflow[and-cuda], which brings them, or name their folders in LD_LIBRARY_PATH.`;
  return 'Its libraries are all there: look at what it prints with TF_CPP_MAX_VLOG_LEVEL=1; a restart helps after an update of the driver.';
}
