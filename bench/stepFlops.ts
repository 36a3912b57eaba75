import type { LlamaConfig } from "../src/model/config";
import type { Shape } from "./stepOptions";

/**
 * Multiply-adds of every matrix product of a forward pass: the seven projections of each layer, q·kᵀ and p·v of its
 * attention over whole squares (a kernel that leaves out what causality hides does less, and is credited the same), and
 * the head at the positions that predict.
 */
export function forwardMultiplyAdds(config: LlamaConfig, { batch, length }: Shape, predicting = length - 1): number {
  const { hiddenSize, intermediateSize, numHiddenLayers, numAttentionHeads, numKeyValueHeads, headDim, vocabSize } = config;
  const queryWidth = numAttentionHeads * headDim;
  const keyWidth = numKeyValueHeads * headDim;
  const projections = hiddenSize * (2 * queryWidth + 2 * keyWidth + 3 * intermediateSize);
  const attention = 2 * queryWidth * length;
  return batch * (length * numHiddenLayers * (projections + attention) + predicting * hiddenSize * vocabSize);
}

/**
 * Floating-point operations of forward and backward: two for each multiply-add, and three times the forward pass, since
 * each product x·W has two of its own size behind it, dy·Wᵀ and xᵀ·dy.
 */
export function trainingFlops(config: LlamaConfig, shape: Shape): number {
  return 3 * 2 * forwardMultiplyAdds(config, shape);
}

/** Side of the square matrices whose product a step is held against. */
export const MATMUL_SIZE = 2048;

/** Floating-point operations of one product of such matrices. */
export const MATMUL_FLOPS = 2 * MATMUL_SIZE ** 3;
