import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { treeBias, type TreeRows } from "../model/attention";
import type { LlamaModel } from "../model/llama";
import { embedding } from "../model/ops";
import type { PackedTokens } from "../tokens/packing";

/** Packed sequences on the device, all int32. */
export interface TreeTensors extends TreeRows {
  /** [1, length] */
  inputIds: Tensor2D;
  positions: Tensor2D;
}

/** The names of `TreeTensors`, in the order in which a jitted function takes them. */
export const TREE_ORDER = ["inputIds", "positions", "queries", "places", "keys", "lasts"] as const satisfies readonly (keyof TreeTensors)[];

/** A jitted function takes tensors one by one: a batch as a list in some order, and back. @param order all names of T */
export function inOrder<T extends { [K in keyof T]: Tensor }>(order: readonly (keyof T)[]): { list(batch: T): Tensor[]; from(list: readonly Tensor[]): T } {
  return { list: (batch) => order.map((name) => batch[name]), from: (list) => Object.fromEntries(order.map((name, i) => [name, list[i]])) as unknown as T };
}

export function toTreeTensors(packed: PackedTokens): TreeTensors {
  const sequence = (values: Int32Array): Tensor2D => tf.tensor2d(values, [1, packed.length], "int32");
  const grid = (values: Int32Array): Tensor2D => tf.tensor2d(values, [packed.rows, values.length / packed.rows], "int32");
  return {
    inputIds: sequence(packed.inputIds), positions: sequence(packed.positions),
    queries: grid(packed.queries), places: tf.tensor1d(packed.places, "int32"), keys: grid(packed.keys), lasts: grid(packed.lasts),
  };
}

/** Hidden states, after the final norm, of some of the tokens. @param tokens int32 [n] @param dropoutSeed as in `SequenceLayout` @returns [n, hidden] */
export function statesAt(model: LlamaModel, tree: TreeTensors, tokens: Tensor1D, dropoutSeed?: Tensor1D): Tensor2D {
  const { inputIds, positions } = tree;
  const states = model.hiddenStates({ inputIds, positions, attention: { bias: treeBias(tree), rows: tree }, dropoutSeed });
  return embedding(tf.reshape(states, [-1, model.config.hiddenSize]) as Tensor2D, tokens) as Tensor2D;
}
