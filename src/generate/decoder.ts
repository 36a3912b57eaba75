import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D, Variable } from "@tensorflow/tfjs";
import { rawOp, tf, type, updateVariables } from "../engine/backend";
import { fuse } from "../engine/fuse";
import { compilesByDefault } from "../engine/jit";
import { MASKED, attentionBias, rotaryTable } from "../model/attention";
import type { LlamaConfig } from "../model/config";
import type { LlamaForCausalLM } from "../model/llama";
import { attend, embedding, residual, rmsNorm, rotary, gated, type RotaryTable } from "../model/ops";
import type { LayerProjections, Projections } from "./projections";

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

type Heads = { q: Tensor4D; k: Tensor4D; v: Tensor4D };

const float = { T: type("float32") };

/**
 * The prompts at once: fills the cache's places 0 … length − 1 and gives the last place's logits.
 * @param ids int32 [batch, length], padded on the left @param padding padded places of each row, int32 [batch]
 * @returns [batch, vocabulary]
 */
export function prefill(model: LlamaForCausalLM, projections: Projections, cache: readonly LayerCache[], { capacity }: CacheShape, ids: Tensor2D, padding: Tensor1D): Tensor2D {
  const { hiddenSize } = model.config;
  const [batch, length] = ids.shape;
  const x = wholePass(model, projections, ids, padding, (index, { k, v }) => {
    fill(cache[index]!.keys, k, capacity);
    fill(cache[index]!.values, v, capacity);
  });
  return logitsOf(model, projections, tf.reshape(tf.slice(x, [0, length - 1, 0], [batch, 1, hiddenSize]), [batch, hiddenSize]) as Tensor2D);
}

/** Logits at every place of texts. @param ids int32 [batch, length], padded on the left @returns [batch · length, vocabulary] */
export function logitsEverywhere(model: LlamaForCausalLM, projections: Projections, ids: Tensor2D, padding: Tensor1D): Tensor2D {
  return logitsOf(model, projections, tf.reshape(wholePass(model, projections, ids, padding, () => undefined), [-1, model.config.hiddenSize]) as Tensor2D);
}

/** Hidden states before the final norm, [batch, length, hidden]. @param onLayer gets each layer's keys and values */
function wholePass(model: LlamaForCausalLM, projections: Projections, ids: Tensor2D, padding: Tensor1D, onLayer: (index: number, heads: Heads) => void): Tensor3D {
  const { config } = model;
  const [batch, length] = ids.shape;
  const places = tf.reshape(tf.range(0, length, 1, "int32"), [1, length]);
  const pads = tf.reshape(padding, [batch, 1]);
  const table = rotaryTable(tf.maximum(tf.sub(places, pads), tf.scalar(0, "int32")) as Tensor2D, config);
  const bias = attentionBias(tf.cast(tf.greaterEqual(places, pads), "int32") as Tensor2D);
  let x = embedding(model.embedTokens, ids) as Tensor3D;
  projections.layers.forEach((layer, index) => {
    const heads = project(x, layer, table, config);
    onLayer(index, heads);
    x = finishLayer(x, mix(heads.q, heads.k, heads.v, bias), layer, config);
  });
  return x;
}

/**
 * One token for every sequence: writes its keys and values at `place` and gives its logits.
 * @param ids int32 [batch] @param place int32 scalar @param padding padded places of each row, int32 [batch]
 * @returns [batch, vocabulary]
 */
export function decodeStep(model: LlamaForCausalLM, projections: Projections, cache: readonly LayerCache[], shape: CacheShape, ids: Tensor1D, place: Scalar, padding: Tensor1D): Tensor2D {
  const { config } = model;
  const { batch, capacity } = shape;
  const { numKeyValueHeads: keyHeads, headDim, hiddenSize } = config;
  const pads = tf.reshape(padding, [batch, 1]);
  const table = rotaryTable(tf.sub(place, pads) as Tensor2D, config);
  const places = tf.reshape(tf.range(0, capacity, 1, "int32"), [1, capacity]);
  const visible = tf.logicalAnd(tf.greaterEqual(places, pads), tf.lessEqual(places, place));
  const bias = tf.reshape(tf.mul(tf.sub(1, tf.cast(visible, "float32")), MASKED), [batch, 1, 1, capacity]) as Tensor4D;
  const rows = tf.add(tf.range(0, batch * keyHeads * capacity, capacity, "int32"), place) as Tensor1D;
  const written = (variable: Variable, value: Tensor): Tensor4D => {
    const updated = overwritten(variable, rows, tf.reshape(value, [batch * keyHeads, headDim]));
    updateVariables("AssignVariableOp", { dtype: type("float32") }, [variable], [updated]);
    return tf.reshape(updated, [batch, keyHeads, capacity, headDim]) as Tensor4D;
  };
  let x = tf.reshape(embedding(model.embedTokens, ids), [batch, 1, hiddenSize]) as Tensor3D;
  projections.layers.forEach((layer, index) => {
    const { q, k, v } = project(x, layer, table, config);
    x = finishLayer(x, mix(q, written(cache[index]!.keys, k), written(cache[index]!.values, v), bias), layer, config);
  });
  return logitsOf(model, projections, tf.reshape(x, [batch, hiddenSize]) as Tensor2D);
}

/** A cache variable's content, or a view of it, with some of its rows replaced. Assigning the result to the variable makes it so. */
function overwritten(content: Tensor, rows: Tensor1D, values: Tensor): Tensor {
  // XLA does it in place by itself, and does not know the other op, which writes into the variable's own buffer: nothing is copied.
  if (compilesByDefault()) return rawOp("TensorScatterUpdate", [content, tf.reshape(rows, [-1, 1]), values], { ...float, Tindices: type("int32") });
  return rawOp("InplaceUpdate", [content, rows, values], float);
}

/** Overwrites rows of a cache with others of it. @param targets int32 [n] @param sources the row that each takes over, int32 [n] */
export function copyRows(cache: readonly LayerCache[], { batch, capacity }: CacheShape, targets: Tensor1D, sources: Tensor1D, { numKeyValueHeads, headDim }: LlamaConfig): void {
  for (const variable of cache.flatMap(({ keys, values }) => [keys, values])) {
    const rows = tf.reshape(variable, [batch, numKeyValueHeads * capacity * headDim]);
    // All rows that are taken over have been read before.
    const updated = overwritten(rows, targets, tf.gather(rows, sources));
    updateVariables("AssignVariableOp", { dtype: type("float32") }, [variable], [tf.reshape(updated, [-1, headDim])]);
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
function fill(variable: Variable, value: Tensor4D, capacity: number): void {
  const [, , length, headDim] = value.shape;
  const whole = length === capacity ? value : tf.pad(value, [[0, 0], [0, 0], [0, capacity - length], [0, 0]]);
  updateVariables("AssignVariableOp", { dtype: type("float32") }, [variable], [tf.reshape(whole, [-1, headDim])]);
}

/** Frees a cache variable's memory. Its handle, which compiled functions hold, stays good for the next content. */
export function empty(variable: Variable): void {
  updateVariables("AssignVariableOp", { dtype: type("float32") }, [variable], [tf.zeros([0])]);
}

/** Gives an emptied cache variable its size back: what XLA compiles writes variables, and does not change their shapes. */
export function refill(variable: Variable): void {
  updateVariables("AssignVariableOp", { dtype: type("float32") }, [variable], [tf.zeros(variable.shape)]);
}

const headsFirst = (x: Tensor4D): Tensor4D => {
  const [batch, length, heads, headDim] = x.shape;
  return (length === 1 ? tf.reshape(x, [batch, heads, 1, headDim]) : tf.transpose(x, [0, 2, 1, 3])) as Tensor4D;
};

/** Queries, scaled and rotated, [batch, heads, length, headDim]; keys, rotated, and values, [batch, keyHeads, length, headDim]. */
function project(x: Tensor3D, layer: LayerProjections, table: RotaryTable, config: LlamaConfig): Heads {
  const [batch, length] = x.shape;
  const { numAttentionHeads: heads, numKeyValueHeads: keyHeads, headDim } = config;
  const split = (y: Tensor3D, n: number): Tensor4D => tf.reshape(y, [batch, length, n, headDim]) as Tensor4D;
  const [q, k, v] = layer.qkv(rmsNorm(x, layer.inputNorm, config.rmsNormEps, true));
  return { q: headsFirst(rotary(split(q, heads), table, 1 / Math.sqrt(headDim))), k: headsFirst(rotary(split(k, keyHeads), table)), v: headsFirst(split(v, keyHeads)) };
}

/** Attention over the keys given. @param bias [batch, 1, queries, keys] @returns [batch, queries, heads · headDim] */
function mix(q: Tensor4D, k: Tensor4D, v: Tensor4D, bias: Tensor4D): Tensor3D {
  const [batch, heads, length, headDim] = q.shape;
  // Of a single query so little is computed that the calls of some ops cost more: 0.6 ms for 1.7 in 30 layers at batch 1.
  const mixed = length === 1 ? (fuse("decode_attention", [q, k, v, bias], (q, k, v, bias) => [attend(q as Tensor4D, k as Tensor4D, v as Tensor4D, bias as Tensor4D)], { fewest: 0 })[0] as Tensor4D) : attend(q, k, v, bias);
  const tokensFirst = length === 1 ? mixed : tf.transpose(mixed, [0, 2, 1, 3]);
  return tf.reshape(tokensFirst, [batch, length, heads * headDim]) as Tensor3D;
}

function finishLayer(x: Tensor3D, attended: Tensor3D, layer: LayerProjections, config: LlamaConfig): Tensor3D {
  const y = residual(x, layer.o(attended));
  const [gate, up] = layer.gateUp(rmsNorm(y, layer.postAttentionNorm, config.rmsNormEps, true));
  return residual(y, layer.down(gated(gate, up)));
}

function logitsOf(model: LlamaForCausalLM, projections: Projections, x: Tensor2D): Tensor2D {
  return projections.head(rmsNorm(x, model.finalNorm, model.config.rmsNormEps));
}
