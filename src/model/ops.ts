import type { Tensor, Tensor1D, Tensor2D, Tensor4D, Variable } from "@tensorflow/tfjs";
import { rawOp, recall, sequence, tf, type } from "../engine/backend";
import { fuse } from "../engine/fuse";

/**
 * The building blocks of a Llama layer with hand-written gradients: each saves only what its backward pass needs,
 * where a chain of public ops would keep every intermediate value.
 */

const float = type("float32");
const add = (a: Tensor, b: Tensor): Tensor => rawOp("AddV2", [a, b], { T: float });
const sub = (a: Tensor, b: Tensor): Tensor => rawOp("Sub", [a, b], { T: float });
const mul = (a: Tensor, b: Tensor): Tensor => rawOp("Mul", [a, b], { T: float });
const reduce = (name: "Sum" | "Mean", x: Tensor, axis: number, keepDims: boolean): Tensor =>
  rawOp(name, [x, tf.scalar(axis, "int32")], { keep_dims: keepDims, T: float, Tidx: type("int32") });

type Gradient = (dy: Tensor, saved: Tensor[]) => Tensor | Tensor[];

/** tf.customGrad with plain arrays. */
export function withGradient(inputs: Tensor[], forward: (save: (tensors: Tensor[]) => void) => Tensor, gradient: Gradient): Tensor {
  return tf.customGrad((...args) => {
    const save = args[args.length - 1] as unknown as (tensors: Tensor[]) => void;
    return { value: forward(save), gradFunc: (dy, saved) => gradient(dy, saved) };
  })(...inputs);
}

/** Whether a parameter is left as it is, as those of a model under an adapter are: no gradient of it is computed. */
export const isFrozen = (parameter: Tensor): boolean => (parameter as Partial<Variable>).trainable === false;

/**
 * RMSNorm (Zhang & Sennrich 2019, eq. 4): x / sqrt(mean(x²) + eps) · weight.
 * @param x [..., hidden] @param weight [hidden] @param operands whether only matrix products make use of the result
 */
export function rmsNorm<T extends Tensor>(x: T, weight: Tensor1D, eps: number, operands = false): T {
  const [size] = weight.shape;
  const learns = !isFrozen(weight);
  return withGradient(
    learns ? [x, weight] : [x],
    (save) => {
      const inverse = rawOp("Rsqrt", [add(reduce("Mean", rawOp("Square", [x], { T: float }), -1, true), tf.scalar(eps))], { T: float });
      save([x, inverse, weight]);
      return fuse("rms_norm", [x, inverse, weight], (x, inverse, weight) => [mul(mul(x!, inverse!), weight!)], { operands })[0]!;
    },
    (dy, [x, inverse, weight]) => {
      const [along, across] = fuse(`rms_norm_products_${learns}`, [x!, inverse!, weight!, dy], (x, inverse, weight, dy) => {
        const product = mul(mul(x!, inverse!), dy!);
        return learns ? [mul(product, weight!), product] : [mul(product, weight!)];
      });
      const mean = reduce("Mean", along!, -1, true);
      const [dx] = fuse("rms_norm_gradient", [x!, inverse!, weight!, dy, mean], (x, inverse, weight, dy, mean) => [mul(inverse!, sub(mul(dy!, weight!), mul(mul(x!, inverse!), mean!)))]);
      return learns ? [dx!, reduce("Sum", tf.reshape(across!, [-1, size!]), 0, false)] : [dx!];
    },
  ) as T;
}

/** x + y, where y comes from a matrix product. Shapes equal. */
export function residual<T extends Tensor>(x: T, y: T): T {
  return withGradient([x, y], () => fuse("residual", [x, y], (x, y) => [add(x!, y!)])[0]!, (dy) => [dy, dy]) as T;
}

/** x · weightᵀ. @param x [..., in] @param weight [out, in], as Hugging Face stores it @returns [..., out] */
export function linear<T extends Tensor>(x: T, weight: Tensor2D): T {
  const flat = tf.reshape(x, [-1, weight.shape[1]]) as Tensor2D;
  return tf.reshape(tf.matMul(flat, weight, false, true), [...x.shape.slice(0, -1), weight.shape[0]]) as T;
}

/** SwiGLU's gate: silu(gate) · up, for a matrix product to use; gives no gradient. Shapes equal. */
export function gated<T extends Tensor>(gate: T, up: T): T {
  return fuse("swiglu", [gate, up], (gate, up) => [mul(mul(gate!, rawOp("Sigmoid", [gate!], { T: float })), up!)], { operands: true })[0] as T;
}

/** Gradients of `gated`, and its value anew, in one pass over memory, for matrix products to use. */
export function gatedGradient(gate: Tensor, up: Tensor, dGated: Tensor): { dGate: Tensor; dUp: Tensor; value: Tensor } {
  const [dGate, dUp, value] = fuse("swiglu_gradient", [gate, up, dGated], (gate, up, dGated) => {
    const sigmoid = rawOp("Sigmoid", [gate!], { T: float });
    const silu = mul(gate!, sigmoid);
    const dSilu = add(silu, sub(sigmoid, mul(silu, sigmoid)));
    return [mul(mul(dGated!, up!), dSilu), mul(dGated!, silu), mul(silu, up!)];
  }, { operands: true });
  return { dGate: dGate!, dUp: dUp!, value: value! };
}

/**
 * SwiGLU (Shazeer 2020, eq. 6) after its first two products: (silu(gate) · up) · downᵀ. The gated value is not kept for
 * the backward pass: the pass over memory that computes the gradients of gate and up gives it anew.
 * @param gate [..., in] @param up as gate @param down [out, in] @returns [..., out]
 */
export function swiGlu<T extends Tensor>(gate: T, up: T, down: Tensor2D): T {
  const [outputs, width] = down.shape;
  const rows = [gate, up].map((x) => tf.reshape(x, [-1, width]));
  const learns = !isFrozen(down);
  const result = withGradient(
    learns ? [...rows, down] : rows,
    (save) => {
      save([...rows, down]);
      return tf.matMul(gated(rows[0]!, rows[1]!), down, false, true);
    },
    (dy, [gate, up, down]) => {
      const { dGate, dUp, value } = gatedGradient(gate!, up!, tf.matMul(dy, down!));
      return learns ? [dGate, dUp, tf.matMul(dy, value, true, false)] : [dGate, dUp];
    },
  );
  return tf.reshape(result, [...gate.shape.slice(0, -1), outputs]) as T;
}

/** Cosines and sines of rotary angles. `sin` carries the rotation's sign: its first half is negated. */
export interface RotaryTable {
  cos: Tensor;
  sin: Tensor;
}

const swapHalves = (x: Tensor): Tensor => {
  const [b, t, h, d] = x.shape as [number, number, number, number];
  const half = d / 2;
  return tf.concat([tf.slice(x, [0, 0, 0, half], [b, t, h, half]), tf.slice(x, [0, 0, 0, 0], [b, t, h, half])], 3);
};

/**
 * Rotary position embedding (Su et al. 2021, eq. 34) in the half-split layout of Hugging Face's Llama, for a matrix
 * product to use.
 * @param x [batch, length, heads, headDim] @param table cos and sin, [batch or 1, length, 1, headDim] @param scale of the result
 */
export function rotary(x: Tensor4D, { cos, sin }: RotaryTable, scale = 1): Tensor4D {
  const scaled = (y: Tensor): Tensor => (scale === 1 ? y : mul(y, tf.scalar(scale)));
  return withGradient(
    [x],
    (save) => {
      save([cos, sin]);
      return fuse(`rotary_${scale}`, [x, cos, sin], (x, cos, sin) => [scaled(add(mul(x!, cos!), mul(swapHalves(x!), sin!)))], { operands: true })[0]!;
    },
    (dy, [cos, sin]) => fuse(`rotary_gradient_${scale}`, [dy, cos!, sin!], (dy, cos, sin) => [scaled(add(mul(dy!, cos!), swapHalves(mul(dy!, sin!))))], { operands: true })[0]!,
  ) as Tensor4D;
}

/**
 * Rows of a table.
 * @param table [rows, width] @param ids int32, any shape @returns [...ids.shape, width]
 * @param paddingId the row that gets no gradient, as `padding_idx` of PyTorch's Embedding; null for none
 */
export function embedding(table: Tensor2D, ids: Tensor, paddingId: number | null = null): Tensor {
  const [rows, width] = table.shape;
  if (isFrozen(table)) return tf.gather(table, ids as Tensor1D);
  return withGradient(
    [table],
    (save) => {
      save([ids]);
      return tf.gather(table, ids as Tensor1D);
    },
    (dy, saved) => {
      const flat = tf.reshape(saved[0]!, [-1]);
      // A negative segment is left out of the sums.
      const segments = paddingId === null ? flat : tf.where(tf.equal(flat, tf.scalar(paddingId, "int32")), tf.scalar(-1, "int32"), flat);
      return rawOp("UnsortedSegmentSum", [tf.reshape(dy, [-1, width]), segments, tf.scalar(rows, "int32")], {
        T: float, Tindices: type("int32"), Tnumsegments: type("int32"),
      });
    },
  );
}

/**
 * Rows in another order: row i of the result is row `to[i]` of `x`.
 * @param x [n, width] @param to int32 [m] @param back int32 [n], the way back: a row of `x` that is met more than once,
 * or whose way back leads elsewhere, must be one that nothing depends on, such as padding
 * @returns [m, width]
 */
export function rearrange(x: Tensor2D, to: Tensor, back: Tensor): Tensor2D {
  return withGradient(
    [x],
    (save) => {
      save([back]);
      return tf.gather(x, to as Tensor1D);
    },
    (dy, saved) => tf.gather(dy, saved[0] as Tensor1D),
  ) as Tensor2D;
}

/** With more keys the probabilities are computed anew for the backward pass (at 512 keys an eighth more work): kept, they would take most of a layer's memory. */
export const MOST_KEPT_KEYS = 512;

/**
 * Grouped-query attention (Ainslie et al. 2023): softmax(q·kᵀ + bias)·v, each key head serving a group of query heads.
 * In the backward pass Σ_j dP·P of each query is dO·O (Dao et al. 2022, appendix B.2): a sum over the head's width in
 * place of one over all keys.
 * @param q [batch, heads, queries, headDim], scaled @param k [batch, keyHeads, keys, headDim] @param v as k
 * @param bias [batch, 1, queries, keys]; gets no gradient
 * @returns as q
 */
export function attend(q: Tensor4D, k: Tensor4D, v: Tensor4D, bias: Tensor4D): Tensor4D {
  const [batch, heads, queries, headDim] = q.shape;
  const [, keyHeads, keys] = k.shape;
  // Query heads of one group stand one below the other, so that one product with their key head serves them all.
  const rows = (heads / keyHeads) * queries;
  const grouped = tf.reshape(q, [batch, keyHeads, rows, headDim]);
  const probabilities = (q: Tensor, k: Tensor, bias: Tensor): Tensor => {
    const scores = tf.reshape(tf.matMul(q, k, false, true), [batch, heads, queries, keys]);
    const [biased] = fuse("add_bias", [scores, bias], (scores, bias) => [add(scores!, bias!)]);
    return tf.reshape(rawOp("Softmax", [biased!], { T: float }), [batch, keyHeads, rows, keys]);
  };
  const keeps = keys <= MOST_KEPT_KEYS;
  const mixed = withGradient(
    [grouped, k, v],
    (save) => {
      const p = probabilities(grouped, k, bias);
      const mixed = tf.matMul(p, v as Tensor);
      save([grouped, k, v, keeps ? p : bias, mixed]);
      return mixed;
    },
    (dy, saved) => {
      const [q, k, v, kept, mixed] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor];
      const p = keeps ? kept : probabilities(q, sequence(k, dy), kept);
      const total = reduce("Sum", mul(dy, recall(mixed, dy)), -1, true);
      const [dScores] = fuse("softmax_gradient", [p, tf.matMul(dy, v, false, true), total], (p, dP, total) => [mul(p!, sub(dP!, total!))], { operands: true });
      return [tf.matMul(dScores!, k), tf.matMul(dScores!, q, true, false), tf.matMul(p, dy, true, false)];
    },
  );
  return tf.reshape(mixed, [batch, heads, queries, headDim]) as Tensor4D;
}
