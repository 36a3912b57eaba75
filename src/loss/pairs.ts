import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { rawOp, tf, type } from "../engine/backend";
import type { LlamaForCausalLM } from "../model/llama";
import { embedding, withGradient } from "../model/ops";
import type { PackedPairs } from "../tokens/packing";
import { tokenLogps } from "./logps";

/** A packed batch on the device, in the order that `pairTensors` lists. */
export interface PairTensors {
  inputIds: Tensor2D;
  segments: Tensor2D;
  parents: Tensor2D;
  positions: Tensor2D;
  sources: Tensor1D;
  targets: Tensor1D;
  owners: Tensor1D;
  weights: Tensor1D;
}

export function toPairTensors(packed: PackedPairs): PairTensors {
  const grid = (values: Int32Array): Tensor2D => tf.tensor2d(values, [packed.rows, packed.length], "int32");
  return {
    inputIds: grid(packed.inputIds), segments: grid(packed.segments), parents: grid(packed.parents), positions: grid(packed.positions),
    sources: tf.tensor1d(packed.sources, "int32"), targets: tf.tensor1d(packed.targets, "int32"),
    owners: tf.tensor1d(packed.owners, "int32"), weights: tf.tensor1d(packed.weights),
  };
}

/** A jitted function takes tensors one by one; this is their order. */
export const pairTensorList = (t: PairTensors): Tensor[] => [t.inputIds, t.segments, t.parents, t.positions, t.sources, t.targets, t.owners, t.weights];

export function pairTensorsFrom(list: readonly Tensor[]): PairTensors {
  const [inputIds, segments, parents, positions, sources, targets, owners, weights] = list;
  return { inputIds, segments, parents, positions, sources, targets, owners, weights } as PairTensors;
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

/**
 * Log-probabilities of the answers of a packed batch, the head applied to predicting positions only.
 * @param count how many pairs the batch holds
 * @returns chosen and rejected, each [count], in nats
 */
export function pairLogps(model: LlamaForCausalLM, pairs: PairTensors, count: number): { chosen: Tensor1D; rejected: Tensor1D } {
  const hidden = tf.reshape(model.hiddenStates(pairs), [-1, model.config.hiddenSize]) as Tensor2D;
  const predicting = embedding(hidden, pairs.sources) as Tensor2D;
  const logps = tf.mul(tokenLogps(predicting, model.head, pairs.targets), pairs.weights) as Tensor1D;
  const sums = sumByOwner(logps, pairs.owners, 2 * count);
  return { chosen: tf.slice(sums, [0], [count]), rejected: tf.slice(sums, [count], [count]) };
}
