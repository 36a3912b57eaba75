import { freemem, totalmem } from "node:os";
import { binding, tf } from "./backend";

/** What computes, for the first output of a run. */
export interface EngineInfo {
  backend: string;
  /** The device that holds tensors: `CPU` or `GPU`. */
  device: string;
  tensorflow: string;
  /** Threads within one op, and ops at a time. */
  threads: { intraOp: number; interOp: number };
  /** Resident memory of this process now and at its highest, and of the machine, in GiB. */
  memory: { resident: number; peak: number; free: number; total: number };
}

const GIB = 2 ** 30;

export function engineInfo(): EngineInfo {
  const { context, TF_Version: tensorflow } = binding;
  return {
    backend: tf.getBackend(),
    device: context.gpu ? "GPU" : "CPU",
    tensorflow,
    threads: context.threads,
    memory: { resident: process.memoryUsage().rss / GIB, peak: process.resourceUsage().maxRSS / 2 ** 20, free: freemem() / GIB, total: totalmem() / GIB },
  };
}

/** Counts that must be the same before and after any piece of work that keeps nothing. */
export function engineMemory(): { tensors: number; handles: number } {
  return { tensors: tf.memory().numTensors, handles: binding.getNumOfHandles() };
}
