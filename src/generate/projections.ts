import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { LlamaForCausalLM, LlamaLayer } from "../model/llama";
import { withUpdate, type LowRank } from "../model/lowRank";
import { linear } from "../model/ops";
import { partSizes, split, streamCount } from "../model/streams";

/** A matrix [width, in] of a model, however its values are held. */
export interface Projection {
  readonly width: number;
  /** What holds the values. */
  readonly tensors: readonly Tensor[];
  /** x · Wᵀ. @param x [rows, in] @param tensors `tensors`, or what stands for them @returns [rows, width] */
  product(x: Tensor2D, tensors: readonly Tensor[]): Tensor2D;
}

/** Matrices that stand one below the other. */
export type Projected = readonly Projection[];

/** One layer's matrices and norms. */
export interface LayerProjections {
  inputNorm: Tensor1D;
  postAttentionNorm: Tensor1D;
  /** Queries, keys and values, in this order. */
  qkv: Projected;
  o: Projected;
  gate: Projected;
  up: Projected;
  down: Projected;
}

export interface Projections {
  readonly layers: readonly LayerProjections[];
  readonly head: Projected;
  /** Tells one way to hold values from the others. */
  readonly kind: string;
  /** Up to so many rows, XLA's loops over a matrix are faster than a matrix product; see `tokenLayer`. */
  readonly mostRowsInLoops: number;
}

/** The products with each of the matrices, which nothing keeps from being computed side by side. @param x [rows, in] */
export function products(matrices: Projected, x: Tensor2D): Tensor2D[] {
  return matrices.map((matrix) => matrix.product(x, matrix.tensors));
}

/** Products side by side in one. @returns [rows, the sum of their widths] */
export function joined(products: readonly Tensor2D[]): Tensor2D {
  return (products.length === 1 ? products[0]! : tf.concat([...products], 1)) as Tensor2D;
}

export const tensorsOf = (matrices: Projected): Tensor[] => matrices.flatMap(({ tensors }) => tensors);

/** Matrices held by other tensors, which are taken from the list. */
export function withTensors(matrices: Projected, tensors: Tensor[]): Projected {
  return matrices.map((matrix) => ({ ...matrix, tensors: tensors.splice(0, matrix.tensors.length) }));
}

/** Matrices and the low-rank update of them all as one. */
export function withAdapter(matrices: Projected, update: LowRank | undefined): Projected {
  if (!update) return matrices;
  const product = (x: Tensor2D, tensors: readonly Tensor[]): Tensor2D => {
    const held = [...tensors];
    const [a, b, scale] = held.splice(-3) as unknown as [LowRank["a"], LowRank["b"], LowRank["scale"]];
    return withUpdate(joined(products(withTensors(matrices, held), x)), x, { ...update, a, b, scale });
  };
  return [{ width: update.b.shape[0]!, tensors: [...tensorsOf(matrices), update.a, update.b, update.scale], product }];
}

/** The model's own weights, as they stand. */
export function ownProjections(model: LlamaForCausalLM): Projections {
  // One row goes in loops, which take a matrix whole.
  const product = (x: Tensor2D, [w]: readonly Tensor[]): Tensor2D => (x.shape[0] === 1 ? linear(x, w as Tensor2D) : joined(split(w as Tensor2D, partSizes(w!.shape[0]!, streamCount(w!.size))).map((piece) => linear(x, piece))));
  const own = (weight: Tensor2D, update?: LowRank): Projected => withAdapter([{ width: weight.shape[0], tensors: [weight], product }], update);
  const layer = ({ inputNorm, postAttentionNorm, q, k, v, o, gate, up, down, adapters = {} }: LlamaLayer): LayerProjections => ({
    inputNorm, postAttentionNorm, qkv: [own(q, adapters.q), own(k, adapters.k), own(v, adapters.v)].flat(), o: own(o, adapters.o),
    gate: own(gate, adapters.gate), up: own(up, adapters.up), down: own(down, adapters.down),
  });
  return { layers: model.layers.map(layer), head: own(model.head), kind: "float32", mostRowsInLoops: 1 };
}
