import type { KernelConfig } from "@tensorflow/tfjs";
import { tf } from "../tfjs";
import { comparisons } from "./comparison";
import { convolutions } from "./convolution";
import { diag } from "./diag";
import { einsum } from "./einsum";
import { leakyRelu, round, sign, step } from "./elementwise";
import { gatherV2 } from "./gather";
import { rotateWithOffset, transform } from "./image";
import { bitwiseAnd, denseBincount } from "./integers";
import { mean } from "./mean";
import { maxPoolWithArgmax, pools } from "./pool";
import { raggedGather, raggedRange, raggedTensorToTensor } from "./ragged";
import { multinomial } from "./random";
import { scatterNd } from "./scatter";
import { searchSorted } from "./search";
import { sparseFillEmptyRows, sparseReshape, sparseSegmentMean, sparseSegmentSum } from "./sparse";
import { stringNGrams, stringSplit, stringToHashBucketFast } from "./strings";
import { unique } from "./unique";

/** Kernels that take the place of tfjs-node's, and those that it does not have. */
const KERNELS: readonly KernelConfig[] = [
  bitwiseAnd, ...comparisons, ...convolutions, denseBincount, diag, einsum, gatherV2, leakyRelu, maxPoolWithArgmax, mean, multinomial, ...pools, raggedGather, raggedRange, raggedTensorToTensor,
  rotateWithOffset, round, scatterNd, searchSorted, sign, sparseFillEmptyRows, sparseReshape, sparseSegmentMean, sparseSegmentSum, step, stringNGrams, stringSplit,
  stringToHashBucketFast, transform, unique,
];

/** Call after tfjs-node's own kernels are registered. */
export function registerKernels(): void {
  for (const config of KERNELS) {
    if (tf.getKernel(config.kernelName, config.backendName)) tf.unregisterKernel(config.kernelName, config.backendName);
    tf.registerKernel(config);
  }
}
