import { dirname, sep } from "node:path";
import type { KernelBackend, KernelConfig, KernelFunc, Tensor, Tensor1D, TensorInfo } from "@tensorflow/tfjs";
import { scatterSum } from "./portable/scatter";
import { tf } from "./tfjs";

/** The gradient of tf.gather, which tfjs's WebAssembly backend lacks, made of kernels that it has. */
const unsortedSegmentSum: KernelConfig = {
  kernelName: "UnsortedSegmentSum",
  backendName: "wasm",
  kernelFunc: ({ inputs, attrs }) => {
    const { x, segmentIds } = inputs as { x: Tensor; segmentIds: Tensor1D };
    const { numSegments } = attrs as unknown as { numSegments: number };
    return tf.tidy(() => tf.reshape(scatterSum(tf.reshape(x, [segmentIds.size, -1]), segmentIds, numSegments), [numSegments, ...x.shape.slice(1)]));
  },
};

/**
 * The stock kernel takes every batch's rows from the wrong place, and from beyond the table. With the batches one below
 * the other it is a gather without batches.
 */
function gatherByBatch(x: Tensor, indices: Tensor, axis: number, batchDims: number): Tensor {
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } = tf.backend_util.segment_util.collectGatherOpShapeInfo(x, indices, axis, batchDims);
  const each = indices.size / batchSize;
  const rows = tf.reshape(tf.transpose(tf.reshape(x, [batchSize, outerSize, dimSize, sliceSize]), [0, 2, 1, 3]), [batchSize * dimSize, outerSize * sliceSize]);
  const firsts = tf.reshape(tf.range(0, batchSize * dimSize, dimSize, "int32"), [batchSize, 1]);
  const places = tf.reshape(tf.add(tf.reshape(indices, [batchSize, each]), firsts), [-1]) as Tensor1D;
  const found = tf.reshape(tf.gather(rows, places), [batchSize, each, outerSize, sliceSize]);
  return tf.reshape(tf.transpose(found, [0, 2, 1, 3]), outputShape);
}

const gatherV2 = (stock: KernelFunc): KernelConfig => ({
  kernelName: "GatherV2",
  backendName: "wasm",
  kernelFunc: (call) => {
    const { x, indices } = call.inputs as { x: Tensor; indices: Tensor };
    const { axis, batchDims } = call.attrs as unknown as { axis: number; batchDims: number };
    return batchDims > 0 ? (tf.tidy(() => gatherByBatch(x, indices, axis, batchDims)) as TensorInfo) : stock(call);
  },
});

/** Loads tfjs's WebAssembly backend from its package: one thread, and a heap of 4 GiB at most. */
export async function startWasm(): Promise<KernelBackend> {
  const wasm = require("@tensorflow/tfjs-backend-wasm") as typeof import("@tensorflow/tfjs-backend-wasm");
  wasm.setWasmPaths(dirname(require.resolve("@tensorflow/tfjs-backend-wasm")) + sep);
  const backend = await withoutListeners(() => tf.findBackendFactory("wasm")() as Promise<KernelBackend>);
  if (!tf.getKernel(unsortedSegmentSum.kernelName, "wasm")) tf.registerKernel(unsortedSegmentSum);
  const stock = tf.getKernel("GatherV2", "wasm")!;
  tf.unregisterKernel("GatherV2", "wasm");
  tf.registerKernel({ ...stock, ...gatherV2(stock.kernelFunc) });
  return backend;
}

/** The module that Emscripten made throws the whole process's uncaught errors again, its own source before them: those listeners go. */
async function withoutListeners<T>(work: () => Promise<T>): Promise<T> {
  const events = ["uncaughtException", "unhandledRejection"] as const;
  const before = new Map(events.map((event) => [event, new Set(process.listeners(event as "exit"))]));
  try {
    return await work();
  } finally {
    for (const event of events) {
      for (const listener of process.listeners(event as "exit")) if (!before.get(event)!.has(listener)) process.removeListener(event, listener);
    }
  }
}
