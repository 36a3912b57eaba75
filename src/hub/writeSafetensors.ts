import { open, rename, rm, type FileHandle } from "node:fs/promises";
import { toBfloat16, toFloat16 } from "./half";
import { DTYPE_BYTES, type Dtype } from "./safetensors";

/** What a tensor's values may come in. Float32Array is rounded to F16 and BF16 where those are asked for. */
export type TensorValues = Float32Array | Float64Array | BigInt64Array | Int32Array | Int16Array | Int8Array | Uint8Array;

/** One tensor to be written; a function is called when its turn comes, so that only one tensor is in memory at a time. */
export interface TensorToWrite {
  name: string;
  shape: readonly number[];
  /** Default F32. */
  dtype?: Dtype;
  data: TensorValues | (() => TensorValues | Promise<TensorValues>);
}

/**
 * Writes a safetensors file, tensor by tensor in the order given, under a temporary name that becomes `path` when it is whole.
 * @param metadata strings kept in the header; Python's transformers wants `{ format: "pt" }`
 * @throws when two tensors share a name, or a tensor's values do not fill its shape
 */
export async function writeSafetensors(path: string, tensors: readonly TensorToWrite[], metadata: Record<string, string> = { format: "pt" }): Promise<void> {
  const header = headerOf(tensors, metadata);
  const temporary = `${path}.${process.pid}.part`;
  try {
    const handle = await open(temporary, "w");
    try {
      await write(handle, header);
      for (const tensor of tensors) await write(handle, await bytesOf(tensor));
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw (error as NodeJS.ErrnoException).code === "ENOSPC" ? new Error(`No space left on the disk while writing ${path}.`, { cause: error }) : error;
  }
}

function headerOf(tensors: readonly TensorToWrite[], metadata: Record<string, string>): Buffer {
  const entries: Record<string, unknown> = { __metadata__: metadata };
  let position = 0;
  for (const { name, shape, dtype = "F32" } of tensors) {
    if (name in entries) throw new Error(`Two tensors to be written are called ${name}.`);
    const begin = position;
    position += count(shape) * DTYPE_BYTES[dtype];
    entries[name] = { dtype, shape, data_offsets: [begin, position] };
  }
  const json = JSON.stringify(entries);
  const length = Math.ceil(Buffer.byteLength(json) / 8) * 8;
  const header = Buffer.alloc(8 + length, " ");
  header.writeBigUInt64LE(BigInt(length));
  header.write(json, 8);
  return header;
}

async function bytesOf({ name, shape, dtype = "F32", data }: TensorToWrite): Promise<Uint8Array> {
  const values = typeof data === "function" ? await data() : data;
  if (values.length !== count(shape)) throw new Error(`The tensor ${name} of shape [${shape.join(", ")}] needs ${count(shape)} values and got ${values.length}.`);
  let stored: { buffer: ArrayBufferLike; byteOffset: number; byteLength: number } = values;
  if (values instanceof Float32Array && dtype === "BF16") stored = toBfloat16(values);
  if (values instanceof Float32Array && dtype === "F16") stored = toFloat16(values);
  if (stored.byteLength !== count(shape) * DTYPE_BYTES[dtype]) throw new Error(`The tensor ${name} came as ${values.constructor.name}, which is not stored as ${dtype}.`);
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The system takes at most 2 GiB at a time, and may take less than it is given. */
async function write(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.length - done, 1 << 30));
    done += bytesWritten;
  }
}
