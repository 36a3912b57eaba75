import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { MASKED, attentionBias, rotaryTable } from "../model/attention";
import type { LlamaConfig } from "../model/config";
import type { LlamaForCausalLM } from "../model/llama";
import { attend, embedding, residual, rmsNorm, rotary, gated, type RotaryTable } from "../model/ops";
import { firstState, goesInLoops, headLogits, tokenLayers } from "./decodeLayer";
import { fill, type CacheShape, type LayerCache } from "./layerCache";
import { joined, products, type LayerProjections, type Projections } from "./projections";

type Heads = { q: Tensor4D; k: Tensor4D; v: Tensor4D };

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
    x = finishLayer(x, mix(heads, bias), layer, config);
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
  const pads = tf.reshape(padding, [batch, 1]);
  const places = tf.reshape(tf.range(0, capacity, 1, "int32"), [1, capacity]);
  const real = tf.greaterEqual(places, pads);
  const seen = goesInLoops(batch, projections) ? tf.less(places, place) : tf.lessEqual(places, place);
  const bias = tf.reshape(tf.mul(tf.sub(1, tf.cast(tf.logicalAnd(real, seen), "float32")), MASKED), [batch, 1, 1, capacity]) as Tensor4D;
  const at = { place, table: rotaryTable(tf.sub(place, pads) as Tensor2D, config), bias };
  const layers = projections.layers.map((layer, index) => ({ layer, nextNorm: projections.layers[index + 1]?.inputNorm ?? model.finalNorm, cache: cache[index]! }));
  const first = firstState(embedding(model.embedTokens, ids) as Tensor2D, layers[0]!.layer.inputNorm, config);
  return headLogits(tokenLayers(first, layers, at, projections, config), projections);
}

const headsFirst = (x: Tensor4D): Tensor4D => tf.transpose(x, [0, 2, 1, 3]) as Tensor4D;

/** Queries, scaled and rotated, [batch, heads, length, headDim]; keys, rotated, and values, [batch, keyHeads, length, headDim]. */
function project(x: Tensor3D, layer: LayerProjections, table: RotaryTable, config: LlamaConfig): Heads {
  const [batch, length] = x.shape;
  const { numAttentionHeads: heads, numKeyValueHeads: keyHeads, headDim } = config;
  const split = (y: Tensor, n: number): Tensor4D => tf.reshape(y, [batch, length, n, headDim]) as Tensor4D;
  const [q, k, v] = threeOf(products(layer.qkv, flat(rmsNorm(x, layer.inputNorm, config.rmsNormEps, true))), [heads, keyHeads, keyHeads].map((n) => n * headDim));
  return { q: headsFirst(rotary(split(q, heads), table, 1 / Math.sqrt(headDim))), k: headsFirst(rotary(split(k, keyHeads), table)), v: headsFirst(split(v, keyHeads)) };
}

/** Products side by side, cut at other places. */
function threeOf(parts: readonly Tensor2D[], widths: readonly number[]): [Tensor2D, Tensor2D, Tensor2D] {
  const asWanted = parts.length === widths.length && parts.every(({ shape }, i) => shape[1] === widths[i]);
  return (asWanted ? parts : tf.split(joined(parts), [...widths], 1)) as [Tensor2D, Tensor2D, Tensor2D];
}

const flat = (x: Tensor): Tensor2D => tf.reshape(x, [-1, x.shape.at(-1)!]) as Tensor2D;

/** Attention over the keys given. @param bias [batch, 1, queries, keys] @returns [batch · queries, heads · headDim] */
function mix({ q, k, v }: Heads, bias: Tensor4D): Tensor2D {
  const [batch, heads, length, headDim] = q.shape;
  return tf.reshape(tf.transpose(attend(q, k, v, bias), [0, 2, 1, 3]), [batch * length, heads * headDim]) as Tensor2D;
}

function finishLayer(x: Tensor3D, attended: Tensor2D, layer: LayerProjections, config: LlamaConfig): Tensor3D {
  const like = (y: Tensor2D): Tensor3D => tf.reshape(y, x.shape) as Tensor3D;
  const y = residual(x, like(joined(products(layer.o, attended))));
  const normed = flat(rmsNorm(y, layer.postAttentionNorm, config.rmsNormEps, true));
  const hidden = gated(joined(products(layer.gate, normed)), joined(products(layer.up, normed)));
  return residual(y, like(joined(products(layer.down, hidden))));
}

function logitsOf(model: LlamaForCausalLM, projections: Projections, x: Tensor2D): Tensor2D {
  return joined(products(projections.head, rmsNorm(x, model.finalNorm, model.config.rmsNormEps)));
}
