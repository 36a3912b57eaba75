/** Kernels that run no op of TensorFlow, so that there is nothing to trace. */
export const WITHOUT_OPS: Record<string, string> = {
  Identity: "The result is the same data under another name.",
};

/** Kernels that `jit` cannot trace, each with the reason. A kernel listed here that is traced is an error of the list. */
export const UNTRACED: Record<string, string> = {};
