import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { rawOp, tf, type } from "../engine/backend";
import { treeBias, type TreeRows } from "../model/attention";
import type { LlamaForCausalLM } from "../model/llama";
import { embedding, withGradient } from "../model/ops";
import type { PackedPairs, PackedTree } from "../tokens/packing";
import { tokenLogps } from "./logps";

/** A packed batch on the device: int32, but for the weights. */
export interface PackedTensors extends TreeRows {
  /** [1, length] */
  inputIds: Tensor2D;
  positions: Tensor2D;
  /** [predictions] */
  sources: Tensor1D;
  targets: Tensor1D;
  weights: Tensor1D;
}

export interface PairTensors extends PackedTensors {
  /** [predictions] */
  owners: Tensor1D;
}

/** A jitted function takes tensors one by one; this is their order. */
const ORDER = ["inputIds", "positions", "queries", "places", "keys", "lasts", "sources", "targets", "owners", "weights"] as const satisfies readonly (keyof PairTensors)[];

export function toPackedTensors(packed: PackedTree): PackedTensors {
  const sequence = (values: Int32Array): Tensor2D => tf.tensor2d(values, [1, packed.length], "int32");
  const grid = (values: Int32Array): Tensor2D => tf.tensor2d(values, [packed.rows, values.length / packed.rows], "int32");
  const list = (values: Int32Array): Tensor1D => tf.tensor1d(values, "int32");
  return {
    inputIds: sequence(packed.inputIds), positions: sequence(packed.positions),
    queries: grid(packed.queries), places: list(packed.places), keys: grid(packed.keys), lasts: grid(packed.lasts),
    sources: list(packed.sources), targets: list(packed.targets), weights: tf.tensor1d(packed.weights),
  };
}

export function toPairTensors(packed: PackedPairs): PairTensors {
  return { ...toPackedTensors(packed), owners: tf.tensor1d(packed.owners, "int32") };
}

export const pairTensorList = (tensors: PairTensors): Tensor[] => ORDER.map((name) => tensors[name]);

export function pairTensorsFrom(list: readonly Tensor[]): PairTensors {
  return Object.fromEntries(ORDER.map((name, i) => [name, list[i]])) as unknown as PairTensors;
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

/** Hidden states, after the final norm, at the predicting positions of a packed batch: [predictions, hidden]. @param dropoutSeed as in `SequenceLayout` */
export function predictingStates(model: LlamaForCausalLM, packed: PackedTensors, dropoutSeed?: Tensor1D): Tensor2D {
  const { inputIds, positions, sources } = packed;
  const states = model.hiddenStates({ inputIds, positions, attention: { bias: treeBias(packed), rows: packed }, dropoutSeed });
  return embedding(tf.reshape(states, [-1, model.config.hiddenSize]) as Tensor2D, sources) as Tensor2D;
}

/**
 * Log-probabilities of the answers of a packed batch, the head applied to predicting positions only.
 * @param count how many pairs the batch holds
 * @returns chosen and rejected, each [count], in nats
 */
export function pairLogps(model: LlamaForCausalLM, pairs: PairTensors, count: number): { chosen: Tensor1D; rejected: Tensor1D } {
  const predicting = predictingStates(model, pairs);
  const logps = tf.mul(tokenLogps(predicting, model.head, pairs.targets), pairs.weights) as Tensor1D;
  const sums = sumByOwner(logps, pairs.owners, 2 * count);
  return { chosen: tf.slice(sums, [0], [count]), rejected: tf.slice(sums, [count], [count]) };
}
