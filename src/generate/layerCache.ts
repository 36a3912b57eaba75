import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor4D, Variable } from "@tensorflow/tfjs";
import { rawOp, tf, type, updateVariables } from "../engine/backend";
import type { LlamaConfig } from "../model/config";

/** Keys and values of one layer for every place, [batch · keyHeads · capacity, headDim]: a head's places stand together. */
export interface LayerCache {
  keys: Variable;
  values: Variable;
}

/** Number of places of each sequence in a cache, and number of sequences. */
export interface CacheShape {
  batch: number;
  capacity: number;
}

const float = { T: type("float32") };

function assign(variable: Variable, value: Tensor): void {
  updateVariables("AssignVariableOp", { dtype: type("float32") }, [variable], [value]);
}

/**
 * Writes one place of every row of a cache variable. @param shape [rows, any, any, capacity]
 * @param value [rows · keyHeads, headDim] @returns all of the variable
 */
export function writePlace(variable: Variable, [, , , capacity]: readonly number[], place: Scalar, value: Tensor2D): Tensor2D {
  const rows = tf.add(tf.range(0, value.shape[0] * capacity!, capacity!, "int32"), place) as Tensor1D;
  // The op writes into the variable's own buffer: nothing is copied. Assigning its result tells TensorFlow of it.
  const updated = rawOp("InplaceUpdate", [variable, rows, value], float) as Tensor2D;
  assign(variable, updated);
  return updated;
}

/** Overwrites rows of a cache with others of it. @param targets int32 [n] @param sources the row that each takes over, int32 [n] */
export function copyRows(cache: readonly LayerCache[], { batch, capacity }: CacheShape, targets: Tensor1D, sources: Tensor1D, { numKeyValueHeads, headDim }: LlamaConfig): void {
  for (const variable of cache.flatMap(({ keys, values }) => [keys, values])) {
    const rows = tf.reshape(variable, [batch, numKeyValueHeads * capacity * headDim]);
    // In place, as in `writePlace`; all rows that are taken over have been read before.
    const updated = rawOp("InplaceUpdate", [rows, targets, tf.gather(rows, sources)], float);
    assign(variable, tf.reshape(updated, [-1, headDim]));
  }
}

/** Moves rows of one cache into another of at least its capacity, and empties the first. @param rows int32 [to.batch] */
export function moveRows(from: readonly LayerCache[], fromShape: CacheShape, to: readonly LayerCache[], toShape: CacheShape, rows: Tensor1D, config: LlamaConfig): void {
  const { numKeyValueHeads: keyHeads, headDim } = config;
  const move = (source: Variable, target: Variable): void => {
    const all = tf.reshape(source, [fromShape.batch, keyHeads, fromShape.capacity, headDim]);
    fill(target, tf.gather(all, rows) as Tensor4D, toShape.capacity);
    empty(source);
  };
  from.forEach((layer, index) => {
    move(layer.keys, to[index]!.keys);
    move(layer.values, to[index]!.values);
  });
}

/** Makes [batch, keyHeads, length, headDim] the whole content of a cache variable, zeros after it. */
export function fill(variable: Variable, value: Tensor4D, capacity: number): void {
  const [, , length, headDim] = value.shape;
  const whole = length === capacity ? value : tf.pad(value, [[0, 0], [0, 0], [0, capacity - length], [0, 0]]);
  assign(variable, tf.reshape(whole, [-1, headDim]));
}

/** Frees a cache variable's memory. Its handle, which compiled functions hold, stays good for the next content. */
export function empty(variable: Variable): void {
  assign(variable, tf.zeros([0]));
}

