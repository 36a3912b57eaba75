import { hasTensorflow } from "./capi";
import { BackendError, WITH_TENSORFLOW } from "./choice";
import { tf } from "./tfjs";
import { webgpuLimits } from "./webgpu";

/**
 * Training holds about eight times the weights: the weights, their gradients, two moments, a reference copy, and while
 * an update is computed the values that take the place of three of these.
 */
const TIMES_WEIGHTS = 8;

const GIB = 2 ** 30;
const MIB = 2 ** 20;

/** Addresses of WebAssembly have 32 bits. */
const WASM_HEAP = 4 * GIB;
/** Not for want of memory: a step of a model of 16 million parameters takes minutes in plain JavaScript. */
const CPU_WEIGHTS = 64 * MIB;

/** What a backend holds. */
export interface Capacity {
  backend: string;
  /** Bytes of all weights in float32, and of the largest of them. */
  weights: number;
  tensor: number;
  /** For the error: where the limit comes from. */
  why: string;
}

/** The capacity of a backend other than TensorFlow. @param binding what the WebGPU adapter binds at once, in bytes */
export function capacityOf(backend: string, binding = Infinity): Capacity {
  if (backend === "wasm") return { backend, weights: WASM_HEAP / TIMES_WEIGHTS, tensor: Infinity, why: `an eighth of its heap of 4 GiB, since training holds ${TIMES_WEIGHTS} times the weights` };
  if (backend === "webgpu") return { backend, weights: Infinity, tensor: binding, why: "what the adapter binds as one buffer" };
  return { backend, weights: CPU_WEIGHTS, tensor: Infinity, why: "more would take minutes a step in plain JavaScript" };
}

const text = (bytes: number): string => `${(bytes / MIB).toPrecision(3)} MiB`;

/**
 * Refuses a model that the backend in use cannot train; TensorFlow's limit is the machine's memory, which is planned for
 * when training begins.
 * @param sizes number of parameters in each tensor by its name
 * @throws BackendError with the model's size, the backend's limit and what to do
 */
export function requireCapacity(sizes: ReadonlyMap<string, number>, capacity: Capacity | null = hasTensorflow ? null : capacityOf(tf.getBackend(), webgpuLimits()?.binding)): void {
  if (capacity === null) return;
  const bytes = 4 * [...sizes.values()].reduce((sum, size) => sum + size, 0);
  const advice = `Use a smaller model, or TensorFlow: ${WITH_TENSORFLOW}`;
  const { backend, why } = capacity;
  if (bytes > capacity.weights) throw new BackendError(`The model's ${(bytes / 4e6).toPrecision(3)} million parameters take ${text(bytes)} in float32; the ${backend} backend takes models of up to ${text(capacity.weights)} (${why}). ${advice}`);
  for (const [name, size] of sizes) {
    if (4 * size > capacity.tensor) throw new BackendError(`The model's ${name} takes ${text(4 * size)}; the ${backend} backend holds tensors of up to ${text(capacity.tensor)} (${why}). ${advice}`);
  }
}

/**
 * Refuses what only TensorFlow does, before work is lost.
 * @param what the setting as its user wrote it @param instead what to set in its place
 * @throws BackendError
 */
export function requireTensorflow(what: string, instead: string): void {
  if (!hasTensorflow) throw new BackendError(`${what} needs TensorFlow, and this process computes on the ${tf.getBackend()} backend. Set ${instead}, or: ${WITH_TENSORFLOW}`);
}
