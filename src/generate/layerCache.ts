import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor4D, Variable } from "@tensorflow/tfjs";
import { rawOp, tf, type } from "../engine/backend";
import { compilesByDefault } from "../engine/jit";
import type { LlamaConfig } from "../model/config";
import { empty, store } from "./storage";

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

/** A cache variable's content, or a view of it, with some of its rows replaced. Assigning the result to the variable makes it so. */
function overwritten(content: Tensor, rows: Tensor1D, values: Tensor): Tensor {
  // XLA does it in place by itself, and does not know the other op, which writes into the variable's own buffer: nothing is copied.
  if (compilesByDefault()) return rawOp("TensorScatterUpdate", [content, tf.reshape(rows, [-1, 1]), values], { ...float, Tindices: type("int32") });
  return rawOp("InplaceUpdate", [content, rows, values], float);
}

/**
 * Writes one place of every row of a cache variable. @param shape [rows, any, any, capacity]
 * @param value [rows · keyHeads, headDim] @returns all of the variable
 */
export function writePlace(variable: Variable, [, , , capacity]: readonly number[], place: Scalar, value: Tensor2D): Tensor2D {
  const rows = tf.add(tf.range(0, value.shape[0] * capacity!, capacity!, "int32"), place) as Tensor1D;
  const updated = overwritten(variable as unknown as Tensor, rows, value) as Tensor2D;
  store(variable, updated);
  return updated;
}

/** Overwrites rows of a cache with others of it. @param targets int32 [n] @param sources the row that each takes over, int32 [n] */
export function copyRows(cache: readonly LayerCache[], { batch, capacity }: CacheShape, targets: Tensor1D, sources: Tensor1D, { numKeyValueHeads, headDim }: LlamaConfig): void {
  for (const variable of cache.flatMap(({ keys, values }) => [keys, values])) {
    const rows = tf.reshape(variable, [batch, numKeyValueHeads * capacity * headDim]);
    // All rows that are taken over have been read before.
    const updated = overwritten(rows, targets, tf.gather(rows, sources));
    store(variable, tf.reshape(updated, [-1, headDim]));
  }
}

/** Moves rows of one cache into another of at least its capacity, and empties the first, which XLA cannot. @param rows int32 [to.batch] */
export function moveRows(from: readonly LayerCache[], fromShape: CacheShape, to: readonly LayerCache[], toShape: CacheShape, rows: Tensor1D, config: LlamaConfig): void {
  const { numKeyValueHeads: keyHeads, headDim } = config;
  const move = (source: Variable, target: Variable): void => {
    const all = tf.reshape(source, [fromShape.batch, keyHeads, fromShape.capacity, headDim]);
    fill(target, tf.gather(all, rows) as Tensor4D, toShape.capacity);
    if (!compilesByDefault()) empty(source);
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
  store(variable, tf.reshape(whole, [-1, headDim]));
}
