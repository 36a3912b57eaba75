import { dirname, sep } from "node:path";
import type { KernelBackend, KernelConfig, Tensor, Tensor1D } from "@tensorflow/tfjs";
import { scatterSum } from "./portable/scatter";
import { tf } from "./tfjs";

/** Kernels that tfjs's WebAssembly backend lacks and gradients ask for, as compositions of those that it has. */
const MISSING: readonly KernelConfig[] = [
  {
    // The gradient of tf.gather.
    kernelName: "UnsortedSegmentSum",
    backendName: "wasm",
    kernelFunc: ({ inputs, attrs }) => {
      const { x, segmentIds } = inputs as { x: Tensor; segmentIds: Tensor1D };
      const { numSegments } = attrs as unknown as { numSegments: number };
      return tf.tidy(() => tf.reshape(scatterSum(tf.reshape(x, [segmentIds.size, -1]), segmentIds, numSegments), [numSegments, ...x.shape.slice(1)]));
    },
  },
];

/** Loads tfjs's WebAssembly backend from its package: one thread, and a heap of 4 GiB at most. */
export async function startWasm(): Promise<KernelBackend> {
  const wasm = require("@tensorflow/tfjs-backend-wasm") as typeof import("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + sep);
  const backend = await tf.findBackendFactory("wasm")();
  for (const kernel of MISSING) if (!tf.getKernel(kernel.kernelName, "wasm")) tf.registerKernel(kernel);
  return backend as KernelBackend;
}
