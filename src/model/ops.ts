import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs";
import { rawOp, recall, tf, type } from "../engine/backend";

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

/**
 * RMSNorm (Zhang & Sennrich 2019, eq. 4): x / sqrt(mean(x²) + eps) · weight.
 * @param x [..., hidden] @param weight [hidden]
 */
export function rmsNorm<T extends Tensor>(x: T, weight: Tensor1D, eps: number): T {
  const [size] = weight.shape;
  return withGradient(
    [x, weight],
    (save) => {
      const inverse = rawOp("Rsqrt", [add(reduce("Mean", rawOp("Square", [x], { T: float }), -1, true), tf.scalar(eps))], { T: float });
      save([x, inverse, weight]);
      return mul(mul(x, inverse), weight);
    },
    (dy, [x, inverse, weight]) => {
      const normal = mul(x!, inverse!);
      const g = mul(dy, weight!);
      const dx = mul(inverse!, sub(g, mul(normal, reduce("Mean", mul(g, normal), -1, true))));
      const dWeight = reduce("Sum", tf.reshape(mul(dy, normal), [-1, size!]), 0, false);
      return [dx, dWeight];
    },
  ) as T;
}

/** x · weightᵀ. @param x [..., in] @param weight [out, in], as Hugging Face stores it @returns [..., out] */
export function linear<T extends Tensor>(x: T, weight: Tensor2D): T {
  const flat = tf.reshape(x, [-1, weight.shape[1]]) as Tensor2D;
  return tf.reshape(tf.matMul(flat, weight, false, true), [...x.shape.slice(0, -1), weight.shape[0]]) as T;
}

/** SwiGLU's gate (Shazeer 2020, eq. 6): silu(gate) · up. Shapes equal. */
export function swiGlu<T extends Tensor>(gate: T, up: T): T {
  return withGradient(
    [gate, up],
    (save) => {
      save([gate, up]);
      return mul(mul(gate, rawOp("Sigmoid", [gate], { T: float })), up);
    },
    (dy, saved) => {
      const [gate, up] = saved.map((x) => recall(x, dy)) as [Tensor, Tensor];
      const sigmoid = rawOp("Sigmoid", [gate], { T: float });
      const silu = mul(gate, sigmoid);
      const dSilu = add(silu, sub(sigmoid, mul(silu, sigmoid)));
      return [mul(mul(dy, up), dSilu), mul(dy, silu)];
    },
  ) as T;
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
 * Rotary position embedding (Su et al. 2021, eq. 34) in the half-split layout of Hugging Face's Llama.
 * @param x [batch, length, heads, headDim] @param table cos and sin, [batch or 1, length, 1, headDim]
 */
export function rotary(x: Tensor4D, { cos, sin }: RotaryTable): Tensor4D {
  return withGradient(
    [x],
    (save) => {
      save([cos, sin]);
      return add(mul(x, cos), mul(swapHalves(x), sin));
    },
    (dy, saved) => add(mul(dy, saved[0]!), swapHalves(mul(dy, saved[1]!))),
  ) as Tensor4D;
}

/**
 * Rows of a table.
 * @param table [rows, width] @param ids int32, any shape @returns [...ids.shape, width]
 * @param paddingId the row that gets no gradient, as `padding_idx` of PyTorch's Embedding; null for none
 */
export function embedding(table: Tensor2D, ids: Tensor, paddingId: number | null = null): Tensor {
  const [rows, width] = table.shape;
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

/** softmax(scores + bias) over the last axis; `bias` gets no gradient. */
export function biasedSoftmax(scores: Tensor, bias: Tensor): Tensor {
  return withGradient(
    [scores],
    (save) => {
      const p = rawOp("Softmax", [add(scores, bias)], { T: float });
      save([p]);
      return p;
    },
    (dy, [saved]) => {
      const p = recall(saved!, dy);
      const g = mul(dy, p);
      return sub(g, mul(p, reduce("Sum", g, -1, true)));
    },
  );
}
