import type { Tensor, Tensor1D, Tensor2D, Variable } from "@tensorflow/tfjs";
import { rawOp, tf, type } from "../engine/backend";
import { fuse } from "../engine/fuse";
import { dropout } from "../engine/stateless";
import { gated, gatedGradient, withGradient } from "./ops";

/** The matrices of a layer that may carry a low-rank update, as `LlamaLayer` calls them. */
export const PROJECTIONS = ["q", "k", "v", "o", "gate", "up", "down"] as const;
export type Projection = (typeof PROJECTIONS)[number];

/** A low-rank update of a matrix W [out, in] that itself stays as it is: W + s·B·A (Hu et al. 2022, eq. 3). */
export interface LowRank {
  /** [r, in] */
  a: Variable;
  /** [out, r] */
  b: Variable;
  /** s, a scalar: 0 while the update is part of W. A variable, so that compiled functions follow. */
  scale: Variable;
  /** Share of the inputs of A that is dropped while training. */
  dropout: number;
  /** Its number in the model, by which its dropout differs from the others'. */
  place: number;
}

export type LayerAdapters = Partial<Record<Projection, LowRank>>;

const sum = (x: Tensor, y: Tensor): Tensor =>
  fuse("low_rank_sum", [x, y], (x, y) => [rawOp("AddV2", [x!, y!], { T: type("float32") })])[0]!;

/** Dropout of A's inputs, and since it is linear of their gradient; the mask depends on the seed alone. */
function dropper({ dropout: rate, place }: LowRank, seed: Tensor1D | undefined): (x: Tensor) => Tensor {
  return seed && rate > 0 ? (x) => dropout(x, rate, tf.add(seed, tf.tensor1d([place, 0], "int32"))) : (x) => x;
}

/** What the update adds to x·Wᵀ: s·(x·Aᵀ)·Bᵀ. @param x [n, in] @returns [n, out] */
function updateOf(x: Tensor, { a, b, scale }: LowRank): { narrow: Tensor; added: Tensor } {
  const narrow = tf.mul(tf.matMul(x as Tensor2D, a as unknown as Tensor2D, false, true), scale);
  return { narrow, added: tf.matMul(narrow as Tensor2D, b as unknown as Tensor2D, false, true) };
}

/** Gradients of an update: of its input, of A and of B. @param narrow s·x·Aᵀ, [n, r] */
function gradientsOf(dy: Tensor, x: () => Tensor, narrow: Tensor, { a, b, scale }: LowRank): { dx: Tensor; da: () => Tensor; db: Tensor } {
  const dNarrow = tf.mul(tf.matMul(dy as Tensor2D, b as unknown as Tensor2D), scale) as Tensor2D;
  return {
    dx: tf.matMul(dNarrow, a as unknown as Tensor2D),
    da: () => tf.matMul(dNarrow, x() as Tensor2D, true, false),
    db: tf.matMul(dy as Tensor2D, narrow as Tensor2D, true, false),
  };
}

/**
 * x·Wᵀ + s·(drop(x)·Aᵀ)·Bᵀ, where W gets no gradient.
 * @param x [..., in] @param weight W, [out, in] @param seed of the dropout, int32 [2]; without it nothing is dropped
 * @returns [..., out]
 */
export function adaptedLinear<T extends Tensor>(x: T, weight: Tensor2D, update: LowRank, seed?: Tensor1D): T {
  const flat = tf.reshape(x, [-1, weight.shape[1]]);
  const drop = dropper(update, seed);
  const result = withGradient(
    [flat, update.a, update.b],
    (save) => {
      const { narrow, added } = updateOf(drop(flat), update);
      save([flat, narrow, weight]);
      return sum(tf.matMul(flat as Tensor2D, weight, false, true), added);
    },
    (dy, [x, narrow, weight]) => {
      const { dx, da, db } = gradientsOf(dy, () => drop(x!), narrow!, update);
      return [sum(tf.matMul(dy as Tensor2D, weight as Tensor2D), drop(dx)), da(), db];
    },
  );
  return tf.reshape(result, [...x.shape.slice(0, -1), weight.shape[0]]) as T;
}

/** y + the update's part, where y is x times the matrix itself. @param x [..., in] @param y [..., out] */
export function withUpdate<T extends Tensor>(y: T, x: T, update: LowRank | undefined): T {
  if (!update) return y;
  const { added } = updateOf(tf.reshape(x, [-1, update.a.shape[1]!]), update);
  return tf.add(y, tf.reshape(added, y.shape)) as T;
}

/** `swiGlu` with a low-rank update of its last matrix, which gets no gradient. @param gate [..., in] @returns [..., out] */
export function adaptedSwiGlu<T extends Tensor>(gate: T, up: T, down: Tensor2D, update: LowRank, seed?: Tensor1D): T {
  const [outputs, width] = down.shape;
  const rows = [gate, up].map((x) => tf.reshape(x, [-1, width]));
  const drop = dropper(update, seed);
  const result = withGradient(
    [...rows, update.a, update.b],
    (save) => {
      const value = gated(rows[0]!, rows[1]!);
      const { narrow, added } = updateOf(drop(value), update);
      save([...rows, narrow, down]);
      return sum(tf.matMul(value as Tensor2D, down, false, true), added);
    },
    (dy, [gate, up, narrow, down]) => {
      let value: Tensor | undefined;
      const { dx, da, db } = gradientsOf(dy, () => drop(value!), narrow!, update);
      const dGated = sum(tf.matMul(dy as Tensor2D, down as Tensor2D), drop(dx));
      const gradients = gatedGradient(gate!, up!, dGated);
      value = gradients.value;
      return [gradients.dGate, gradients.dUp, da(), db];
    },
  );
  return tf.reshape(result, [...gate.shape.slice(0, -1), outputs]) as T;
}
