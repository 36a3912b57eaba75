import { existsSync } from "node:fs";
import { join } from "node:path";

/**
 * What TensorFlow 2.21's CUDA build opens of NVIDIA's before it lists a GPU (one missing, and it lists none), and what
 * these need in turn, each after what it needs: folder of the wheel under `site-packages/nvidia`, name of the library.
 */
export const CUDA_LIBRARIES: readonly (readonly [wheel: string, library: string])[] = [
  ["cuda_runtime", "libcudart.so.12"],
  ["nvjitlink", "libnvJitLink.so.12"],
  ["cublas", "libcublasLt.so.12"],
  ["cublas", "libcublas.so.12"],
  ["cufft", "libcufft.so.11"],
  ["cusparse", "libcusparse.so.12"],
  ["cusolver", "libcusolver.so.11"],
  ["cudnn", "libcudnn.so.9"],
];

/** The driver's own library, which no wheel brings. */
export const CUDA_DRIVER = "libcuda.so.1";

const nvidiaFolder = (tensorflowFolder: string): string => join(tensorflowFolder, "..", "nvidia");

/** Those of the libraries that NVIDIA's wheels put beside a TensorFlow, in the order in which they are to be opened. */
export function cudaLibraryPaths(tensorflowFolder: string, exists: (file: string) => boolean = existsSync): string[] {
  return CUDA_LIBRARIES.map(([wheel, library]) => join(nvidiaFolder(tensorflowFolder), wheel, "lib", library)).filter(exists);
}

/**
 * Environment variables that must be set before TensorFlow is loaded; what the user has set stays. XLA is told where
 * `bin/ptxas` and `nvvm/libdevice` lie, and GPUs are numbered as nvidia-smi numbers them. Nothing without NVIDIA's wheels.
 */
export function cudaEnvironment(tensorflowFolder: string, environment: NodeJS.ProcessEnv, exists: (file: string) => boolean = existsSync): Record<string, string> {
  if (cudaLibraryPaths(tensorflowFolder, exists).length === 0) return {};
  const added: Record<string, string> = environment.CUDA_DEVICE_ORDER === undefined ? { CUDA_DEVICE_ORDER: "PCI_BUS_ID" } : {};
  const tools = join(nvidiaFolder(tensorflowFolder), "cuda_nvcc");
  const flags = environment.XLA_FLAGS ?? "";
  if (exists(join(tools, "nvvm", "libdevice", "libdevice.10.bc")) && !flags.includes("--xla_gpu_cuda_data_dir")) {
    // XLA takes a quoted value whole: the project's folder may have a blank in its name.
    added.XLA_FLAGS = `${flags} --xla_gpu_cuda_data_dir="${tools}"`.trimStart();
  }
  return added;
}

/**
 * Opens NVIDIA's libraries by their paths, so that TensorFlow then finds them by name. By itself it would not find
 * cuSOLVER: it opens all of them from libtensorflow_framework, in whose search path (RUNPATH, `$ORIGIN/../nvidia/<wheel>/lib`)
 * that one's folder is not; it is in libtensorflow_cc's only. And a path goes before another CUDA in LD_LIBRARY_PATH.
 * Without a driver nothing is opened: TensorFlow does not ask for them then.
 * @param open opens a library for good; whether it could be
 * @returns libraries that are there and did not open
 */
export function openCudaLibraries(tensorflowFolder: string, open: (library: string) => boolean, exists: (file: string) => boolean = existsSync): string[] {
  const paths = cudaLibraryPaths(tensorflowFolder, exists);
  if (paths.length === 0 || !open(CUDA_DRIVER)) return [];
  return paths.filter((library) => !open(library));
}
