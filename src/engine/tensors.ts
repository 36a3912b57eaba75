import { c, callAsync, check, nativeView, status, type Pointer } from "./capi";
import { elementCount, int64s, layoutOf, TF, type NumericArray } from "./dtypes";

/** Host values of a tensor: a typed array, or one byte string per element for dtype string. */
export type HostValues = NumericArray | Uint8Array[];

/** `sizeof(TF_TString)` (tensorflow/core/platform/ctstring.h). */
const STRING_BYTES = 24;

/** koffi makes views of at most 4 GiB, and so are typed arrays of bytes: larger memory is copied in pieces. */
const PIECE_BYTES = 2 ** 30;

/** Copies between native memory and an array of the same size, whose bytes may be more than one view can hold. */
function copy(address: Pointer, array: ArrayBufferView, direction: "to native" | "from native"): void {
  for (let at = 0; at < array.byteLength; at += PIECE_BYTES) {
    const size = Math.min(PIECE_BYTES, array.byteLength - at);
    const native = nativeView(address + at, size);
    const own = new Uint8Array(array.buffer, array.byteOffset + at, size);
    if (direction === "to native") native.set(own);
    else own.set(native);
  }
}

/** A `TF_Tensor` that holds a copy of `values`; the caller deletes it. */
export function newHostTensor(shape: readonly number[], dtype: number, values: HostValues): Pointer {
  const dims = int64s(shape);
  if (dtype === TF.STRING) return newStringTensor(dims, values as Uint8Array[]);
  const array = values as NumericArray;
  const expected = elementCount(shape) * layoutOf(dtype)[0];
  if (array.byteLength !== expected) {
    throw new Error(`Shape [${shape}] does not match the values: they take ${array.byteLength} bytes, the shape ${expected}.`);
  }
  const tensor = c.TF_AllocateTensor(dtype, dims, dims.length, expected);
  copy(c.TF_TensorData(tensor), array, "to native");
  return tensor;
}

function newStringTensor(dims: BigInt64Array, values: Uint8Array[]): Pointer {
  const tensor = c.TF_AllocateTensor(TF.STRING, dims, dims.length, STRING_BYTES * values.length);
  const data = c.TF_TensorData(tensor);
  values.forEach((value, i) => {
    c.TF_StringInit(data + STRING_BYTES * i);
    c.TF_StringCopy(data + STRING_BYTES * i, value, value.length);
  });
  return tensor;
}

/** An eager handle on the host that holds a copy of `values`. */
export function newHandle(shape: readonly number[], dtype: number, values: HostValues): Pointer {
  const tensor = newHostTensor(shape, dtype, values);
  const handle = c.TFE_NewTensorHandle(tensor, status);
  c.TF_DeleteTensor(tensor);
  check("create tensor");
  return handle;
}

export function shapeOfHandle(handle: Pointer): number[] {
  const rank = c.TFE_TensorHandleNumDims(handle, status);
  check("shape of tensor");
  return Array.from({ length: rank }, (_, axis) => c.TFE_TensorHandleDim(handle, axis, status));
}

function newArray(shape: readonly number[], dtype: number): NumericArray {
  const [bytes, ArrayType] = layoutOf(dtype);
  const length = (elementCount(shape) * bytes) / ArrayType.BYTES_PER_ELEMENT;
  try {
    return new ArrayType(length);
  } catch (error) {
    throw new RangeError(`The tensor [${shape}] holds ${length} numbers, more than a JavaScript array can be given now (${(error as Error).message}). Read it in parts: tf.slice(tensor, begin, size).`);
  }
}

/** Copies a resolved `TF_Tensor` into JavaScript and deletes it. */
function takeValues(tensor: Pointer, shape: readonly number[], dtype: number): HostValues {
  try {
    if (dtype === TF.STRING) {
      const data = c.TF_TensorData(tensor);
      return Array.from({ length: elementCount(shape) }, (_, i) => {
        const length = c.TF_StringGetSize(data + STRING_BYTES * i);
        return length === 0 ? new Uint8Array(0) : nativeView(c.TF_StringGetDataPointer(data + STRING_BYTES * i), length).slice();
      });
    }
    const array = newArray(shape, dtype);
    copy(c.TF_TensorData(tensor), array, "from native");
    return array;
  } finally {
    c.TF_DeleteTensor(tensor);
  }
}

/** Reads a handle's values; blocks until they are computed. */
export function readHandle(handle: Pointer, shape: readonly number[], dtype: number): HostValues {
  const tensor = c.TFE_TensorHandleResolve(handle, status);
  check("read tensor");
  return takeValues(tensor, shape, dtype);
}

/** Reads a handle's values while the event loop goes on. The handle may be deleted before the promise settles. */
export async function readHandleAsync(handle: Pointer, shape: readonly number[], dtype: number): Promise<HostValues> {
  const own = c.TF_NewStatus();
  const shared = c.TFE_TensorHandleCopySharingTensor(handle, own);
  try {
    check("read tensor", own);
    const tensor = await callAsync(c.TFE_TensorHandleResolve, shared, own);
    check("read tensor", own);
    return takeValues(tensor, shape, dtype);
  } finally {
    if (shared !== 0) c.TFE_DeleteTensorHandle(shared);
    c.TF_DeleteStatus(own);
  }
}
