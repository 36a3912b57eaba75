import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor4D, Variable } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { largestDivisor } from "../engine/buckets";
import { fuse } from "../engine/fuse";
import type { LlamaConfig } from "../model/config";
import { attend, gated, residual, rmsNorm, rotary, type RotaryTable } from "../model/ops";
import { writePlace, type LayerCache } from "./layerCache";
import { joined, products, tensorsOf, withTensors, type LayerProjections, type Projected, type Projections } from "./projections";

/** One token of every row between two layers. */
export interface TokenState {
  /** [rows, hidden] */
  x: Tensor2D;
  /** `x` after the norm of what comes next. */
  normed: Tensor2D;
}

/** Where the token stands. */
export interface TokenPlace {
  /** int32 */
  place: Scalar;
  /** [rows, 1, 1, headDim] */
  table: RotaryTable;
  /** 0 for the places that the token sees in the cache, MASKED for all others, [rows, 1, 1, capacity]. In loops its own place is not among them. */
  bias: Tensor4D;
}

/** A layer, the weight of the norm that comes after it, and its part of the cache. */
export interface TokenLayer {
  layer: LayerProjections;
  nextNorm: Tensor1D;
  cache: LayerCache;
}

/** What is compiled at once in loops. A call costs a third of a layer's time; more layers take longer to compile. */
const MOST_LAYERS_IN_PART = 6;

/** A part that XLA compiles, however little it computes. */
const inLoops = (name: string, inputs: readonly Tensor[], fn: (...inputs: Tensor[]) => Tensor[]): Tensor[] => fuse(name, inputs, fn, { fewest: 0 });

/** The state before the first layer. @param norm the layer's */
export function firstState(x: Tensor2D, norm: Tensor1D, { rmsNormEps }: LlamaConfig): TokenState {
  return { x, normed: rmsNorm(x, norm, rmsNormEps) };
}

/** Whether so many rows go through layers whose products are loops. */
export const goesInLoops = (rows: number, { mostRowsInLoops }: Projections): boolean => rows <= mostRowsInLoops;

/**
 * All layers for one token of every row; writes its keys and values into the cache. For few rows several layers are one
 * part that XLA compiles, with products that are loops over the matrices: a call of a part costs more than single ops, and
 * is worth it only so.
 */
export function tokenLayers(first: TokenState, layers: readonly TokenLayer[], place: TokenPlace, projections: Projections, config: LlamaConfig): TokenState {
  if (!goesInLoops(first.x.shape[0], projections)) return layers.reduce((state, layer) => layerOfProducts(state, layer, place, config), first);
  const size = largestDivisor(layers.length, MOST_LAYERS_IN_PART);
  let state = first;
  for (let from = 0; from < layers.length; from += size) state = layersInLoops(state, layers.slice(from, from + size), place, projections, config);
  return state;
}

/** Logits from the state after the last layer. @returns [rows, vocabulary] */
export function headLogits({ normed }: TokenState, projections: Projections): Tensor2D {
  const { head, kind } = projections;
  if (!goesInLoops(normed.shape[0], projections)) return joined(products(head, normed));
  const [logits] = inLoops(`decode_head_${kind}`, [normed, ...tensorsOf(head)], (x, ...tensors) => [joined(products(withTensors(head, tensors), x as Tensor2D))]);
  return logits as Tensor2D;
}

/** What a layer's part takes, in order. */
function layerInputs({ layer, nextNorm, cache }: TokenLayer, [rows, , , capacity]: readonly number[], { numKeyValueHeads, headDim }: LlamaConfig): Tensor[] {
  const places = [cache.keys, cache.values].map((variable) => tf.reshape(variable, [rows!, numKeyValueHeads, capacity!, headDim]));
  return [layer.postAttentionNorm, nextNorm, ...places, ...[layer.qkv, layer.o, layer.gate, layer.up, layer.down].flatMap(tensorsOf)];
}

function layersInLoops(state: TokenState, layers: readonly TokenLayer[], { place, table, bias }: TokenPlace, projections: Projections, config: LlamaConfig): TokenState {
  const inputs = layers.map((layer) => layerInputs(layer, bias.shape, config));
  const name = `decode_layers_${projections.kind}_${config.numAttentionHeads}_${config.rmsNormEps}`;
  const [x, normed, ...written] = inLoops(name, [state.x, state.normed, table.cos, table.sin, bias, ...inputs.flat()], (x, normed, cos, sin, bias, ...rest) => {
    let inner = { x, normed } as TokenState;
    const written = layers.flatMap(({ layer }, index) => {
      const [postAttentionNorm, nextNorm, keys, values, ...tensors] = rest.splice(0, inputs[index]!.length) as [Tensor1D, Tensor1D, Tensor4D, Tensor4D, ...Tensor[]];
      const [qkv, o, gate, up, down] = [layer.qkv, layer.o, layer.gate, layer.up, layer.down].map((matrices) => withTensors(matrices, tensors)) as [Projected, Projected, Projected, Projected, Projected];
      const { q, key, value } = queryKeyValue(joined(products(qkv, inner.normed)), { cos: cos!, sin: sin! }, config);
      const attended = addAndNorm(inner.x, products(o, attendWithOwn(q, key, value, keys, values, bias as Tensor4D)), postAttentionNorm, config);
      const hidden = gated(joined(products(gate, attended.normed)), joined(products(up, attended.normed)));
      inner = addAndNorm(attended.x, products(down, hidden), nextNorm, config);
      return [key, value].map((own) => flatHeads(own));
    });
    return [inner.x, inner.normed, ...written];
  });
  layers.forEach(({ cache }, index) => {
    writePlace(cache.keys, bias.shape, place, written[2 * index] as Tensor2D);
    writePlace(cache.values, bias.shape, place, written[2 * index + 1] as Tensor2D);
  });
  return { x: x as Tensor2D, normed: normed as Tensor2D };
}

function layerOfProducts(state: TokenState, { layer, nextNorm, cache }: TokenLayer, { place, table, bias }: TokenPlace, config: LlamaConfig): TokenState {
  const { numAttentionHeads: heads, numKeyValueHeads: keyHeads, headDim } = config;
  const [rows, , , capacity] = bias.shape;
  const { q, key, value } = queryKeyValue(joined(products(layer.qkv, state.normed)), table, config);
  const written = (variable: Variable, own: Tensor4D): Tensor4D => tf.reshape(writePlace(variable, bias.shape, place, flatHeads(own)), [rows, keyHeads, capacity, headDim]) as Tensor4D;
  const mixed = attend(tf.reshape(q, [rows, heads, 1, headDim]) as Tensor4D, written(cache.keys, key), written(cache.values, value), bias);
  const attended = addAndNorm(state.x, products(layer.o, tf.reshape(mixed, [rows, heads * headDim]) as Tensor2D), layer.postAttentionNorm, config);
  const hidden = gated(joined(products(layer.gate, attended.normed)), joined(products(layer.up, attended.normed)));
  return addAndNorm(attended.x, products(layer.down, hidden), nextNorm, config);
}

function addAndNorm(x: Tensor2D, added: readonly Tensor2D[], norm: Tensor1D, { rmsNormEps }: LlamaConfig): TokenState {
  const sum = residual(x, joined(added));
  return { x: sum, normed: rmsNorm(sum, norm, rmsNormEps) };
}

/**
 * Queries, scaled and rotated, [rows, keyHeads, group, headDim]; the token's key, rotated, and value, [rows, keyHeads, 1, headDim].
 * @param qkv [rows, (heads + 2 keyHeads) · headDim]
 */
function queryKeyValue(qkv: Tensor2D, table: RotaryTable, { numAttentionHeads: heads, numKeyValueHeads: keyHeads, headDim }: LlamaConfig): { q: Tensor4D; key: Tensor4D; value: Tensor4D } {
  const [rows] = qkv.shape;
  const take = (from: number, count: number): Tensor4D => tf.reshape(tf.slice(qkv, [0, from * headDim], [rows, count * headDim]), [rows, 1, count, headDim]) as Tensor4D;
  const perHead = (x: Tensor, group: number): Tensor4D => tf.reshape(x, [rows, keyHeads, group, headDim]) as Tensor4D;
  return {
    q: perHead(rotary(take(0, heads), table, 1 / Math.sqrt(headDim)), heads / keyHeads),
    key: perHead(rotary(take(heads, keyHeads), table), 1),
    value: perHead(take(heads + keyHeads, keyHeads), 1),
  };
}

const flatHeads = (x: Tensor4D): Tensor2D => tf.reshape(x, [-1, x.shape[3]]) as Tensor2D;

/** Attention over the places before the token and over itself, whose key and value need not be in the cache yet. @returns [rows, heads · headDim] */
function attendWithOwn(q: Tensor4D, key: Tensor4D, value: Tensor4D, keys: Tensor4D, values: Tensor4D, bias: Tensor4D): Tensor2D {
  const scores = tf.add(tf.matMul(q, keys, false, true), bias);
  const own = tf.sum(tf.mul(q, key), 3, true);
  const most = tf.maximum(tf.max(scores, 3, true), own);
  const weights = tf.exp(tf.sub(scores, most));
  const ownWeight = tf.exp(tf.sub(own, most));
  const total = tf.add(tf.sum(weights, 3, true), ownWeight);
  const mixed = tf.div(tf.add(tf.matMul(weights, values), tf.mul(ownWeight, value)), total);
  return tf.reshape(mixed, [q.shape[0], -1]) as Tensor2D;
}
