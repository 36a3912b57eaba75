import { freemem, totalmem } from "node:os";
import { binding, nativeHandles, tf } from "./backend";
import { hasTensorflow } from "./capi";

/** What computes, for the first output of a run. */
export interface EngineInfo {
  backend: string;
  /** The device that holds tensors: `CPU` or `GPU`. */
  device: string;
  /** Its version; null where another backend computes. */
  tensorflow: string | null;
  /** Threads within one op, and ops at a time. Where it is one thread, training computes as many parts of a batch side by side. */
  threads: { intraOp: number; interOp: number };
  /** Resident memory of this process now and at its highest, and of the machine, in GiB. */
  memory: { resident: number; peak: number; free: number; total: number };
}

const GIB = 2 ** 30;

export function engineInfo(): EngineInfo {
  const backend = tf.getBackend();
  const computes = hasTensorflow
    ? { device: binding.context.gpu ? "GPU" : "CPU", tensorflow: binding.TF_Version, threads: binding.context.threads }
    : { device: backend === "webgpu" ? "GPU" : "CPU", tensorflow: null, threads: { intraOp: 1, interOp: 1 } };
  return {
    backend,
    ...computes,
    memory: { resident: process.memoryUsage().rss / GIB, peak: process.resourceUsage().maxRSS / 2 ** 20, free: freemem() / GIB, total: totalmem() / GIB },
  };
}

/** Counts that must be the same before and after any piece of work that keeps nothing. */
export function engineMemory(): { tensors: number; handles: number } {
  return { tensors: tf.memory().numTensors, handles: nativeHandles() };
}
