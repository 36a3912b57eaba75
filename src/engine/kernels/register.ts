import type { KernelConfig } from "@tensorflow/tfjs";
import { tf } from "../tfjs";
import { convolutions } from "./convolution";
import { diag } from "./diag";
import { gatherV2 } from "./gather";
import { rotateWithOffset, transform } from "./image";
import { bitwiseAnd, denseBincount, round } from "./integers";
import { maxPoolWithArgmax, pools } from "./pool";
import { raggedGather, raggedRange, raggedTensorToTensor } from "./ragged";
import { searchSorted } from "./search";
import { sparseFillEmptyRows, sparseReshape, sparseSegmentMean, sparseSegmentSum } from "./sparse";
import { stringNGrams, stringSplit, stringToHashBucketFast } from "./strings";

/** Kernels that take the place of tfjs-node's, and those that it does not have. */
const KERNELS: readonly KernelConfig[] = [
  bitwiseAnd, ...convolutions, denseBincount, diag, gatherV2, maxPoolWithArgmax, ...pools, raggedGather, raggedRange, raggedTensorToTensor, rotateWithOffset, round, searchSorted,
  sparseFillEmptyRows, sparseReshape, sparseSegmentMean, sparseSegmentSum, stringNGrams, stringSplit, stringToHashBucketFast, transform,
];

/** Call after tfjs-node's own kernels are registered. */
export function registerKernels(): void {
  for (const config of KERNELS) {
    if (tf.getKernel(config.kernelName, config.backendName)) tf.unregisterKernel(config.kernelName, config.backendName);
    tf.registerKernel(config);
  }
}
