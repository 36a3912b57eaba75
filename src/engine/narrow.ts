import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { binding, idOf, tensorFrom, tf } from "./backend";
import { ATTR, TF } from "./dtypes";
import type { Attribute } from "./eager";
import { fuse } from "./fuse";
import type { GraphOutput } from "./recorder";

/**
 * Matrices in bfloat16 or int8, kept as the bits of int32 tensors, and their products with float32 values. All of this
 * runs inside `jit` only.
 */

/** Codes of one int32. */
export const BFLOAT16_PER_INT = 2;
export const INT8_PER_INT = 4;

/** Up to so many rows of x, codes are widened within one pass over them; beyond, they are widened once for all rows. */
const MOST_ROWS_AT_ONCE = 4;
/** Rows of a matrix of codes that are added up in registers. */
const ADDED_AT_ONCE = 8;

const symbolOf = (x: Tensor): GraphOutput => binding.symbolOf(idOf(x));
const tensorOf = (symbol: GraphOutput): Tensor => tensorFrom(binding.adoptSymbol(symbol));
const typeAttribute = (name: string, value: number): Attribute => ({ name, type: ATTR.TYPE, value });
const flag = (name: string, value: boolean): Attribute => ({ name, type: ATTR.BOOL, value });

function node(name: string, attributes: Attribute[], inputs: GraphOutput[]): GraphOutput {
  const recorder = binding.recorder;
  if (!recorder) throw new Error(`${name}: narrow matrices are made and used inside jit only.`);
  return recorder.output(recorder.node(name, attributes, inputs), 0);
}

function cast(x: GraphOutput, to: number): GraphOutput {
  return node("Cast", [typeAttribute("SrcT", x.dtype), typeAttribute("DstT", to), flag("Truncate", false)], [x]);
}

/** The same bits read as another type; where it is narrower, the last axis is new. */
function bits(x: GraphOutput, as: number, shape: readonly number[]): GraphOutput {
  const { dtype } = x;
  const wide = as === TF.INT32 ? reshape(x, [...shape, dtype === TF.INT8 ? INT8_PER_INT : BFLOAT16_PER_INT]) : x;
  const read = node("Bitcast", [typeAttribute("T", dtype), typeAttribute("type", as)], [wide]);
  return as === TF.INT32 ? read : reshape(read, shape);
}

function reshape(x: GraphOutput, shape: readonly number[]): GraphOutput {
  return node("Reshape", [typeAttribute("T", x.dtype), typeAttribute("Tshape", TF.INT32)], [x, binding.recorder!.constant([shape.length], TF.INT32, Int32Array.from(shape))]);
}

function transpose(x: GraphOutput): GraphOutput {
  return node("Transpose", [typeAttribute("T", x.dtype), typeAttribute("Tperm", TF.INT32)], [x, binding.recorder!.constant([2], TF.INT32, Int32Array.of(1, 0))]);
}

function matMul(a: GraphOutput, b: GraphOutput, transposeB: boolean): GraphOutput {
  return node("MatMul", [typeAttribute("T", a.dtype), flag("transpose_a", false), flag("transpose_b", transposeB)], [a, b]);
}

/** Rounds a matrix to bfloat16. @param x [rows, columns], an even number of columns @returns int32 [rows, columns / 2] */
export function toBfloat16(x: Tensor2D): Tensor2D {
  const [rows, columns] = x.shape;
  return tensorOf(bits(cast(symbolOf(x), TF.BFLOAT16), TF.INT32, [rows, columns / BFLOAT16_PER_INT])) as Tensor2D;
}

/**
 * x · Wᵀ with both rounded to bfloat16 and sums in float32.
 * @param x float32 [rows, in] @param weight what `toBfloat16` gave for W, [out, in / 2] @returns float32 [rows, out]
 */
export function bfloat16Product(x: Tensor2D, weight: Tensor2D): Tensor2D {
  const [rows, depth] = x.shape;
  const [width] = weight.shape;
  const w = bits(symbolOf(weight), TF.BFLOAT16, [width, depth]);
  const narrow = cast(symbolOf(x), TF.BFLOAT16);
  // For a single row oneDNN goes over the matrix faster where that is the left factor: 22 ms for 22 against 27 here.
  const product = rows === 1 ? reshape(matMul(w, narrow, true), [1, width]) : matMul(narrow, w, true);
  return tensorOf(cast(product, TF.FLOAT)) as Tensor2D;
}

/** A matrix in int8: W ≈ codesᵀ · scales, each row of W with a scale of its own. */
export interface Int8Matrix {
  /** The codes of Wᵀ, int32 [in, out / 4]. */
  codes: Tensor2D;
  /** float32 [out] */
  scales: Tensor1D;
}

/** Rounds each row of a matrix to 255 steps between its largest absolute values. @param x [out, in], `out` a multiple of 4 */
export function toInt8(x: Tensor2D): Int8Matrix {
  const [rows, columns] = x.shape;
  const most = tf.maximum(tf.max(x, 1), tf.neg(tf.min(x, 1)));
  const scales = tf.div(tf.maximum(most, 1e-30), 127);
  const codes = cast(symbolOf(tf.round(tf.div(x, tf.reshape(scales, [rows, 1])))), TF.INT8);
  return { codes: tensorOf(bits(transpose(codes), TF.INT32, [columns, rows / INT8_PER_INT])) as Tensor2D, scales: scales as Tensor1D };
}

/** x · Wᵀ for W in int8. @param x float32 [rows, in]; in more than four rows it is rounded to bfloat16 @returns float32 [rows, out] */
export function int8Product(x: Tensor2D, { codes, scales }: Int8Matrix): Tensor2D {
  const [rows, depth] = x.shape;
  const [width] = scales.shape;
  const narrow = bits(symbolOf(codes), TF.INT8, [depth, width]);
  if (rows > MOST_ROWS_AT_ONCE) {
    const product = matMul(cast(symbolOf(x), TF.BFLOAT16), cast(narrow, TF.BFLOAT16), false);
    return tf.mul(tensorOf(cast(product, TF.FLOAT)), scales) as Tensor2D;
  }
  // A float32 view, so that `fuse` reads the codes themselves.
  const view = tensorOf({ ...cast(narrow, TF.FLOAT), narrow });
  const [product] = fuse("int8_product", [x, view, scales], (x, w, scales) => [tf.mul(sumOfRows(x as Tensor2D, w as Tensor2D), scales!)], { fewest: 0 });
  return product as Tensor2D;
}

/** x · w as sums of w's rows, some at a time, which a compiler turns into straight loops along a row. @param w [in, out] */
function sumOfRows(x: Tensor2D, w: Tensor2D): Tensor {
  const [rows] = x.shape;
  const [depth, width] = w.shape;
  const step = [...Array(ADDED_AT_ONCE + 1).keys()].reverse().find((n) => n > 0 && depth % n === 0)!;
  const groups = depth / step;
  const factors = tf.reshape(x, [rows, groups, step]);
  const table = tf.reshape(w, [groups, step, width]);
  let sum: Tensor | null = null;
  for (let i = 0; i < step; i++) {
    const term = tf.mul(tf.slice(factors, [0, 0, i], [rows, groups, 1]), tf.reshape(tf.slice(table, [0, i, 0], [groups, 1, width]), [1, groups, width]));
    sum = sum ? tf.add(sum, term) : term;
  }
  return tf.sum(sum!, 1);
}
