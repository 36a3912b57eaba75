import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { rawOp, tf, type } from "../engine/backend";
import type { LlamaForCausalLM, LlamaModel } from "../model/llama";
import { withGradient } from "../model/ops";
import type { PackedPairs } from "../tokens/packing";
import { tokenLogps } from "./logps";
import { inOrder, statesAt, toTreeTensors, TREE_ORDER, type TreeTensors } from "./tree";

/** A packed batch on the device: int32, but for the weights. */
export interface PairTensors extends TreeTensors {
  /** [predictions] */
  sources: Tensor1D;
  targets: Tensor1D;
  owners: Tensor1D;
  weights: Tensor1D;
}

const { list: pairTensorList, from: pairTensorsFrom } = inOrder<PairTensors>([...TREE_ORDER, "sources", "targets", "owners", "weights"]);
export { pairTensorList, pairTensorsFrom };

export function toPairTensors(packed: PackedPairs): PairTensors {
  const list = (values: Int32Array): Tensor1D => tf.tensor1d(values, "int32");
  return { ...toTreeTensors(packed), sources: list(packed.sources), targets: list(packed.targets), owners: list(packed.owners), weights: tf.tensor1d(packed.weights) };
}

/** Σ of values by owner. @param values [n] @param owners int32 [n] in 0 … count − 1 @returns [count] */
export function sumByOwner(values: Tensor1D, owners: Tensor1D, count: number): Tensor1D {
  return withGradient(
    [values],
    (save) => {
      save([owners]);
      return rawOp("UnsortedSegmentSum", [values, owners, tf.scalar(count, "int32")], { T: type("float32"), Tindices: type("int32"), Tnumsegments: type("int32") });
    },
    (dy, saved) => tf.gather(dy, saved[0] as Tensor1D),
  ) as Tensor1D;
}

/** Hidden states, after the final norm, at the predicting positions of a packed batch: [predictions, hidden]. */
export const predictingStates = (model: LlamaModel, pairs: PairTensors, dropoutSeed?: Tensor1D): Tensor2D => statesAt(model, pairs, pairs.sources, dropoutSeed);

/**
 * Log-probabilities of the answers of a packed batch, the head applied to predicting positions only.
 * @param count how many pairs the batch holds @param dropoutSeed of the dropout in adapters, int32 [2]; without it nothing is dropped
 * @returns chosen and rejected, each [count], in nats
 */
export function pairLogps(model: LlamaForCausalLM, pairs: PairTensors, count: number, dropoutSeed?: Tensor1D): { chosen: Tensor1D; rejected: Tensor1D } {
  const predicting = predictingStates(model, pairs, dropoutSeed);
  const logps = tf.mul(tokenLogps(predicting, model.head, pairs.targets), pairs.weights) as Tensor1D;
  const sums = sumByOwner(logps, pairs.owners, 2 * count);
  return { chosen: tf.slice(sums, [0], [count]), rejected: tf.slice(sums, [count], [count]) };
}
