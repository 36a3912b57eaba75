import type { KernelBackend, Tensor, TensorInfo } from "@tensorflow/tfjs";
import { BackendError } from "./choice";
import { tf } from "./tfjs";

/** What the adapter allows, in bytes and in numbers of buffers. */
export interface WebgpuLimits {
  /** Of a tensor that a shader reads or writes: `maxStorageBufferBindingSize`. */
  binding: number;
  /** Of a tensor that is only copied: `maxBufferSize`. */
  buffer: number;
  /** Tensors that one shader binds: `maxStorageBuffersPerShaderStage`. */
  buffersPerStage: number;
}

/** What of tfjs's WebGPU backend moves data. */
interface Mover {
  uploadToGPU(dataId: object): void;
  makeTensorInfo(shape: number[], dtype: string, values?: ArrayLike<number>): TensorInfo;
  ensureCommandEncoderReady(): void;
  endComputePassEncoder(): void;
  commandEncoder: { copyBufferToBuffer(source: unknown, from: number, target: unknown, to: number, bytes: number): void };
  commandQueueOwnedIds: WeakSet<object>;
  tensorMap: { get(dataId: object): { values: Float32Array | null; resource: unknown; shape: number[] } };
}

/** On the GPU float32, int32 and bool all take four bytes. */
const BYTES = 4;

export const bytesOf = ({ shape }: { shape: number[] }): number => BYTES * tf.util.sizeFromShape(shape);

const megabytes = (bytes: number): string => `${(bytes / 1e6).toPrecision(3)} MB`;

/**
 * Tensors on a WebGPU device. A shader that is given more than the adapter binds computes anything; here no shader is.
 * Copies have no such limit: parts are copied out of a large tensor, and into it.
 */
export class WebgpuMemory {
  private readonly mover: Mover;
  private copies = 0;

  constructor(backend: KernelBackend, readonly limits: WebgpuLimits) {
    this.mover = backend as unknown as Mover;
    const { mover } = this;
    const upload = mover.uploadToGPU;
    // Every shader has its inputs and its output put there by this function first.
    mover.uploadToGPU = (dataId) => {
      const bytes = bytesOf(mover.tensorMap.get(dataId));
      const most = this.copies > 0 ? limits.buffer : limits.binding;
      if (bytes > most) throw new BackendError(`An op needs a tensor [${mover.tensorMap.get(dataId).shape}] of ${megabytes(bytes)} on the webgpu backend; this adapter allows ${megabytes(most)}, and the op cannot be computed in parts. Use smaller batches or a smaller model, or TensorFlow.`);
      upload.call(mover, dataId);
    };
  }

  isTooLarge(...tensors: { shape: number[] }[]): boolean {
    return tensors.some((tensor) => bytesOf(tensor) > this.limits.binding);
  }

  /** Rows of a tensor of such a shape that can be bound at once. @throws BackendError where not even one can */
  rowsAtOnce(shape: number[]): number {
    const row = bytesOf({ shape: shape.slice(1) });
    const rows = Math.floor(this.limits.binding / row);
    if (rows < 1) throw new BackendError(`One row of a tensor [${shape}] takes ${megabytes(row)}; the webgpu adapter binds ${megabytes(this.limits.binding)} at most. Use TensorFlow.`);
    return rows;
  }

  private copying<T>(work: () => T): T {
    this.copies++;
    try {
      return work();
    } finally {
      this.copies--;
    }
  }

  private resource({ dataId }: TensorInfo): unknown {
    this.mover.uploadToGPU(dataId);
    return this.mover.tensorMap.get(dataId).resource;
  }

  private copy(source: TensorInfo, from: number, target: TensorInfo, to: number, count: number): void {
    const { mover } = this;
    const [read, written] = [this.resource(source), this.resource(target)];
    mover.ensureCommandEncoderReady();
    mover.endComputePassEncoder();
    mover.commandEncoder.copyBufferToBuffer(read, from * BYTES, written, to * BYTES, count * BYTES);
    // Until the commands are sent off, the buffers must not be used again.
    for (const { dataId } of [source, target]) mover.commandQueueOwnedIds.add(dataId);
  }

  private newTensor(shape: number[], dtype: string, values?: ArrayLike<number>): Tensor {
    const engine = tf.engine() as unknown as { makeTensorFromTensorInfo(info: TensorInfo): Tensor };
    return engine.makeTensorFromTensorInfo(this.mover.makeTensorInfo(shape, dtype, values));
  }

  /** Rows `start` … `start + count − 1`, copied. @param shape in which `x` is looked at */
  rows(x: TensorInfo, start: number, count: number, shape: number[] = x.shape): Tensor {
    const width = tf.util.sizeFromShape(shape.slice(1));
    const part = [count, ...shape.slice(1)];
    const { values } = this.mover.tensorMap.get(x.dataId);
    if (values) return this.newTensor(part, x.dtype, values.subarray(start * width, (start + count) * width));
    const copy = this.newTensor(part, x.dtype);
    this.copying(() => this.copy(x, start * width, copy, 0, count * width));
    return copy;
  }

  /** A tensor whose values are those of parts, one after the other. Each part is freed once it is copied. */
  join(shape: number[], dtype: string, parts: Iterable<TensorInfo>): Tensor {
    const whole = this.newTensor(shape, dtype);
    let at = 0;
    for (const part of parts) {
      const count = tf.util.sizeFromShape(part.shape);
      this.copying(() => this.copy(part, 0, whole, at, count));
      at += count;
      tf.dispose(part as Tensor);
    }
    return whole;
  }
}
