/** What the engine holds in TensorFlow beside tensors. */
export interface NativeCounts {
  /** Functions registered with TensorFlow: compiled ones and the parts that `fuse` made for them. */
  functions: number;
  /** What the functions of `jit` take beside their tensors, estimated from their size. */
  bytes: number;
  /** Handles of outside values that those functions hold, and that traces in progress hold. */
  captures: number;
  /** Graphs of traces in progress. */
  graphs: number;
}

const counts: NativeCounts = { functions: 0, bytes: 0, captures: 0, graphs: 0 };

export function countNative(what: Exclude<keyof NativeCounts, "bytes">, by: 1 | -1): void {
  counts[what] += by;
}

export function countFunctionBytes(by: number): void {
  counts.bytes += by;
}

/** Counts that are back at their former value once every `jit` function made since is disposed. */
export function engineFunctions(): NativeCounts {
  return { ...counts };
}
