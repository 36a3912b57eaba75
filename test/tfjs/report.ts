/** The two runs of tfjs-core's specs: their ops as they are, and each kernel through `jit`. */
export type Mode = "eager" | "jit";

/** What one run of tfjs-core's specs reports. */
export interface SuiteReport {
  tensorflow: string;
  specs: { name: string; passed: boolean; messages: string[] }[];
  /** Specs that tfjs-core itself has switched off. */
  pending: number;
  /** Ops that TensorFlow ran or recorded, and calls of compiled functions. */
  ops: number;
  compiledCalls: number;
  /** Of the run through `jit`. */
  kernels: TracedCalls;
  gradients: TracedCalls;
}

/** How often something was called, and how often it ran as a compiled function; the other calls failed. */
export interface TracedCalls {
  calls: number;
  traced: number;
}
