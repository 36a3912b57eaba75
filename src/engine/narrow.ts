import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { binding, idOf, rawOp, tensorFrom, tf, type } from "./backend";
import { largestDivisor } from "./buckets";
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
export type CodesPerInt = typeof BFLOAT16_PER_INT | typeof INT8_PER_INT;

/** Columns of int32 that stand together: loops over longer rows leave the caches between two passes. 20 GB/s for 12 here. */
const MOST_COLUMNS = 1536;
/** Rows of a matrix of codes that are added up in registers: with 18 and more the compiler no longer keeps them there. */
const MOST_ADDED_AT_ONCE = 16;

const symbolOf = (x: Tensor): GraphOutput => binding.symbolOf(idOf(x));
const tensorOf = (symbol: GraphOutput): Tensor => tensorFrom(binding.adoptSymbol(symbol));
const typeAttribute = (name: string, value: number): Attribute => ({ name, type: ATTR.TYPE, value });

function node(name: string, attributes: Attribute[], inputs: GraphOutput[]): GraphOutput {
  const recorder = binding.recorder;
  if (!recorder) throw new Error(`${name}: narrow matrices are made and used inside jit only.`);
  return recorder.output(recorder.node(name, attributes, inputs), 0);
}

const cast = (x: GraphOutput, to: number): GraphOutput => x.recorder.cast(x, to);

/** The same bits read as another type: several narrow values of the last axis become one int32, or the other way round. */
function bits(x: GraphOutput, as: number, shape: readonly number[], perInt: number): GraphOutput {
  const { dtype } = x;
  const wide = as === TF.INT32 ? reshape(x, [...shape, perInt]) : x;
  const read = node("Bitcast", [typeAttribute("T", dtype), typeAttribute("type", as)], [wide]);
  return as === TF.INT32 ? read : reshape(read, shape);
}

const ints = (values: readonly number[]): GraphOutput => binding.recorder!.constant([values.length], TF.INT32, Int32Array.from(values));

const reshape = (x: GraphOutput, shape: readonly number[]): GraphOutput => node("Reshape", [typeAttribute("T", x.dtype), typeAttribute("Tshape", TF.INT32)], [x, ints(shape)]);

const transpose = (x: GraphOutput, axes: readonly number[]): GraphOutput => node("Transpose", [typeAttribute("T", x.dtype), typeAttribute("Tperm", TF.INT32)], [x, ints(axes)]);

/** Rounds a matrix to bfloat16. @param x [out, in], an even number of columns @returns int32 [out, in / 2] */
export function toBfloat16(x: Tensor2D): Tensor2D {
  const [rows, columns] = x.shape;
  return tensorOf(bits(cast(symbolOf(x), TF.BFLOAT16), TF.INT32, [rows, columns / BFLOAT16_PER_INT], BFLOAT16_PER_INT)) as Tensor2D;
}

/**
 * x · Wᵀ with both rounded to bfloat16, and so the result, which sums in float32 give.
 * @param x float32 [rows, in] @param weight what `toBfloat16` gave for W, [out, in / 2] @returns [rows, out]
 */
export function bfloat16Product(x: Tensor2D, weight: Tensor2D): Tensor2D {
  const [, depth] = x.shape;
  const [width] = weight.shape;
  return roundedProduct(x, bits(symbolOf(weight), TF.BFLOAT16, [width, depth], BFLOAT16_PER_INT), true);
}

function roundedProduct(x: Tensor2D, w: GraphOutput, transposed: boolean): Tensor2D {
  const flag = (name: string, value: boolean): Attribute => ({ name, type: ATTR.BOOL, value });
  const product = node("MatMul", [typeAttribute("T", TF.BFLOAT16), flag("transpose_a", false), flag("transpose_b", transposed)], [cast(symbolOf(x), TF.BFLOAT16), w]);
  return tensorOf(product.recorder.widened(product)) as Tensor2D;
}

/** A matrix W [out, in] as columns of codes. */
export interface ColumnCodes {
  /**
   * int32 [blocks, in / codes, columns]: row r and column c of block b hold W's row b · columns + c, at its columns
   * r + j · in / codes for the codes j of an int32, each in its bits from j · 32 / codes on.
   */
  codes: Tensor3D;
  /** float32 [out], int8's: each row of W has a scale of its own. null for bfloat16. */
  scales: Tensor1D | null;
}

/** Shape of the codes of a matrix. @param depth a multiple of `perInt` */
export function columnShape(width: number, depth: number, perInt: CodesPerInt): [number, number, number] {
  const columns = largestDivisor(width, MOST_COLUMNS);
  return [width / columns, depth / perInt, columns];
}

/**
 * Rounds a matrix to bfloat16, or each of its rows to 255 steps between its largest absolute values.
 * @param x [out, in], `in` a multiple of `perInt`
 */
export function toColumns(x: Tensor2D, perInt: CodesPerInt): ColumnCodes {
  const [width, depth] = x.shape;
  const [blocks, rows, columns] = columnShape(width, depth, perInt);
  const scales = perInt === INT8_PER_INT ? int8Scales(x) : null;
  const narrow = scales ? cast(symbolOf(tf.round(tf.div(x, tf.reshape(scales, [width, 1])))), TF.INT8) : cast(symbolOf(x), TF.BFLOAT16);
  const ordered = transpose(reshape(narrow, [blocks, columns, perInt, rows]), [0, 3, 1, 2]);
  return { codes: tensorOf(bits(ordered, TF.INT32, [blocks, rows, columns], perInt)) as Tensor3D, scales };
}

function int8Scales(x: Tensor2D): Tensor1D {
  const most = tf.maximum(tf.max(x, 1), tf.neg(tf.min(x, 1)));
  return tf.div(tf.maximum(most, 1e-30), 127) as Tensor1D;
}

const int32 = type("int32");
const shift = (name: "LeftShift" | "RightShift", x: Tensor, by: number): Tensor => (by === 0 ? x : rawOp(name, [x, tf.scalar(by, "int32")], { T: int32 }));

/** The values of each code of an int32, in float32; int8's without their scale. */
function decoders(perInt: CodesPerInt): ((codes: Tensor) => Tensor)[] {
  const float = (x: Tensor): Tensor => rawOp("Bitcast", [x], { T: int32, type: type("float32") });
  if (perInt === BFLOAT16_PER_INT) return [(x) => float(shift("LeftShift", x, 16)), (x) => float(rawOp("BitwiseAnd", [x, tf.scalar(-65536, "int32")], { T: int32 }))];
  // Up to the top, where the sign is, and down again.
  return [24, 16, 8, 0].map((by) => (x) => tf.cast(shift("RightShift", shift("LeftShift", x, by), 24), "float32"));
}

/**
 * x · Wᵀ in float32 as sums of W's columns, which XLA turns into straight loops along a row of codes. For few rows.
 * @param x float32 [rows, in] @returns float32 [rows, out]
 */
export function columnProduct(x: Tensor2D, { codes, scales }: ColumnCodes, perInt: CodesPerInt): Tensor2D {
  const [rows] = x.shape;
  const [blocks, depth, columns] = codes.shape;
  const step = largestDivisor(depth, MOST_ADDED_AT_ONCE / perInt);
  const groups = depth / step;
  const factors = tf.reshape(x, [rows, perInt, groups, step]);
  const table = tf.reshape(codes, [1, blocks, groups, step * columns]);
  const terms = Array.from({ length: step }, (_, i) => {
    const row = tf.slice(table, [0, 0, 0, i * columns], [1, blocks, groups, columns]);
    return decoders(perInt).map((decode, code) => tf.mul(tf.reshape(tf.slice(factors, [0, code, 0, i], [rows, 1, groups, 1]), [rows, 1, groups, 1]), decode(row)));
  });
  const sums = tf.sum(terms.flat().reduce((a, b) => tf.add(a, b)), 2);
  const product = tf.reshape(sums, [rows, blocks * columns]);
  return (scales ? tf.mul(product, scales) : product) as Tensor2D;
}

/** x · Wᵀ as `bfloat16Product` computes it, all of W being decoded first. For many rows. */
export function decodedProduct(x: Tensor2D, { codes, scales }: ColumnCodes, perInt: CodesPerInt): Tensor2D {
  const [w] = fuse(`decoded_${perInt}`, scales ? [codes, scales] : [codes], (codes, scales) => [fromColumns({ codes: codes as Tensor3D, scales: (scales ?? null) as Tensor1D | null }, perInt)], { fewest: 0, rounded: [true] });
  return roundedProduct(x, cast(symbolOf(w!), TF.BFLOAT16), false);
}

/** Wᵀ in float32, [in, out]. */
function fromColumns({ codes, scales }: ColumnCodes, perInt: CodesPerInt): Tensor2D {
  const [blocks, depth, columns] = codes.shape;
  const values = tf.stack(decoders(perInt).map((decode) => decode(codes)), 0);
  const matrix = tf.reshape(tf.transpose(values, [0, 2, 1, 3]), [perInt * depth, blocks * columns]);
  return (scales ? tf.mul(matrix, scales) : matrix) as Tensor2D;
}
