import type { Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { projector, type LlamaForCausalLM, type LlamaLayer } from "../model/llama";
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
  const layer = (weights: LlamaLayer): LayerProjections => {
    const project = projector(weights);
    return {
      inputNorm: weights.inputNorm, postAttentionNorm: weights.postAttentionNorm,
      qkv: (x) => [project(x, "q"), project(x, "k"), project(x, "v")],
      o: (x) => project(x, "o"),
      gateUp: (x) => [project(x, "gate"), project(x, "up")],
      down: (x) => project(x, "down"),
    };
  };
  return { layers: model.layers.map(layer), head: (x) => linear(x, model.head) };
}
