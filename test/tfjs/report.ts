/** The two runs of tfjs-core's specs: their ops as they are, and each kernel through `jit`. */
export type Mode = "eager" | "jit";

/** What one run of tfjs-core's specs reports. */
export interface SuiteReport {
  tensorflow: string;
  specs: { name: string; passed: boolean; messages: string[] }[];
  /** Specs that tfjs-core itself has switched off. */
  pending: number;
  /** Ops that TensorFlow ran one by one, and calls of compiled functions. */
  ops: number;
  compiledCalls: number;
  kernels: KernelReport;
}

/** Of the run through `jit`: calls of kernels, those that ran traced, and the others by kernel with the trace's error. */
export interface KernelReport {
  calls: number;
  traced: number;
  functions: number;
  untraced: Record<string, { calls: number; error: string }>;
}
