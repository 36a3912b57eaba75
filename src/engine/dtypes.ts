import type { DataType } from "@tensorflow/tfjs";

/** TensorFlow's `TF_DataType` numbers (tensorflow/c/tf_datatype.h). */
export const TF = {
  FLOAT: 1, DOUBLE: 2, INT32: 3, UINT8: 4, INT8: 6, STRING: 7, COMPLEX64: 8, INT64: 9, BOOL: 10, BFLOAT16: 14, HALF: 19, RESOURCE: 20,
} as const;

/** The kinds of attribute that tfjs-node's kernels pass (`TFEOpAttr.type`), and TENSOR for our own nodes. */
export const ATTR = { STRING: 0, INT: 1, FLOAT: 2, BOOL: 3, TYPE: 4, SHAPE: 5, TENSOR: 6, FUNC: 8 } as const;

export type NumericArray = Float32Array | Int32Array | Uint8Array | Int8Array | BigInt64Array | Float64Array | Uint16Array;
type NumericConstructor = { new (buffer: ArrayBuffer): NumericArray; new (length: number): NumericArray; readonly BYTES_PER_ELEMENT: number };

const LAYOUT = new Map<number, [bytes: number, array: NumericConstructor]>([
  [TF.FLOAT, [4, Float32Array]], [TF.DOUBLE, [8, Float64Array]], [TF.INT32, [4, Int32Array]], [TF.UINT8, [1, Uint8Array]], [TF.INT8, [1, Int8Array]],
  [TF.COMPLEX64, [8, Float32Array]], [TF.INT64, [8, BigInt64Array]], [TF.BOOL, [1, Uint8Array]],
  [TF.BFLOAT16, [2, Uint16Array]], [TF.HALF, [2, Uint16Array]],
]);

/** Bytes of one element and the typed array that reads it. */
export function layoutOf(dtype: number): [bytes: number, array: NumericConstructor] {
  const layout = LAYOUT.get(dtype);
  if (!layout) throw new Error(`The engine cannot hold TensorFlow's data type number ${dtype} in JavaScript.`);
  return layout;
}

const NAMES: Partial<Record<DataType, number>> = {
  float32: TF.FLOAT, int32: TF.INT32, bool: TF.BOOL, complex64: TF.COMPLEX64, string: TF.STRING,
};

/** TensorFlow's number for a tfjs dtype. */
export function dtypeNumber(dtype: DataType): number {
  const value = NAMES[dtype];
  if (value === undefined) throw new Error(`tfjs dtype ${dtype} has no TensorFlow counterpart.`);
  return value;
}

export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Whether it is a float type of 16 bits, which tfjs does not know. */
export function isNarrow(dtype: number): boolean {
  return dtype === TF.BFLOAT16 || dtype === TF.HALF;
}

export function int64s(values: readonly number[]): BigInt64Array {
  return BigInt64Array.from(values, BigInt);
}
