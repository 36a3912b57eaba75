import type { Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import type { LlamaForCausalLM, LlamaLayer } from "../model/llama";
import { linear } from "../model/ops";

/** One layer's products with its weights, and its norms; how the weights are held is not told. All [batch, length, width]. */
export interface LayerProjections {
  inputNorm: Tensor1D;
  postAttentionNorm: Tensor1D;
  qkv(x: Tensor3D): [q: Tensor3D, k: Tensor3D, v: Tensor3D];
  o(x: Tensor3D): Tensor3D;
  gateUp(x: Tensor3D): [gate: Tensor3D, up: Tensor3D];
  down(x: Tensor3D): Tensor3D;
}

export interface Projections {
  layers: readonly LayerProjections[];
  /** @param x [rows, hidden] @returns [rows, vocabulary] */
  head(x: Tensor2D): Tensor2D;
}

/** The model's own weights, as they stand. */
export function ownProjections(model: LlamaForCausalLM): Projections {
  const layer = ({ inputNorm, postAttentionNorm, q, k, v, o, gate, up, down }: LlamaLayer): LayerProjections => ({
    inputNorm, postAttentionNorm,
    qkv: (x) => [linear(x, q), linear(x, k), linear(x, v)],
    o: (x) => linear(x, o),
    gateUp: (x) => [linear(x, gate), linear(x, up)],
    down: (x) => linear(x, down),
  });
  return { layers: model.layers.map(layer), head: (x) => linear(x, model.head) };
}
