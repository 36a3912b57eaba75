import type { Tensor, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { webgpuLimits } from "../../src/engine/webgpu";

/** What a process on a WebGPU adapter finds with limits lowered to a few kilobytes; the last line of its output, as JSON. */
export interface WebgpuFindings {
  /** By op: the largest difference from the same op within the adapter's own limits, and how many parts were copied. */
  split: Record<string, { apart: number; copies: number }>;
  refused: Record<string, string>;
  /** Largest error of functions that adapters compute loosely, as a share of max(|f|, 1), of expm1 of |f|. */
  imprecision: Record<string, number>;
  /** Tensors left behind by all of that. */
  left: number;
  /** What follows an error that WebGPU reports: the read under way, the next op, the next read. */
  failed: string[];
}

/** 32 rows of 32 numbers fill a tensor; most of those below have several times as many. */
const LOWERED = 4096;

const values = (rows: number, columns: number, step: number): Tensor2D => tf.tensor2d(Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i * step)), [rows, columns]);

interface Device {
  pushErrorScope(filter: string): void;
  createBuffer(descriptor: { size: number; usage: number }): unknown;
}
interface Backend {
  device: Device;
  commandEncoder: { copyBufferToBuffer: (...args: unknown[]) => void } | null;
  ensureCommandEncoderReady(): void;
}

let copies = 0;

/** Counts the copies that `WebgpuMemory` asks for. */
function countCopies(backend: Backend): void {
  const ready = backend.ensureCommandEncoderReady;
  const counted = new WeakSet<object>();
  backend.ensureCommandEncoderReady = function () {
    ready.call(this);
    const encoder = this.commandEncoder!;
    if (counted.has(encoder)) return;
    counted.add(encoder);
    const copy = encoder.copyBufferToBuffer;
    encoder.copyBufferToBuffer = function (...args: unknown[]) {
      copies++;
      return copy.apply(this, args);
    };
  };
}

async function reason(work: () => unknown): Promise<string> {
  try {
    await work();
    return "done";
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

/** The largest error over numbers from small to large. */
async function imprecisionOf(f: (x: Tensor) => Tensor, exact: (x: number) => number, least: number): Promise<number> {
  const xs = Float32Array.from({ length: 1000 }, (_, i) => (i % 2 ? -1 : 1) * 1e-5 * 1.02 ** i).map((x) => (least > 0 ? x : -Math.min(Math.abs(x), 20)));
  const results = tf.tidy(() => f(onGpu(tf.tensor1d(xs))));
  const found = await results.data();
  results.dispose();
  return xs.reduce((worst, x, i) => Math.max(worst, Math.abs(found[i]! - exact(x)) / Math.max(Math.abs(exact(x)), least)), 0);
}

const onGpu = (x: Tensor): Tensor => tf.tidy(() => tf.add(x, 0));

async function main(): Promise<void> {
  await tf.ready();
  const backend = tf.backend() as unknown as Backend;
  countCopies(backend);
  const limits = webgpuLimits()!;
  const own = limits.binding;
  const big = onGpu(values(100, 32, 0.37)) as Tensor2D;
  const narrow = onGpu(values(32, 20, 0.21)) as Tensor2D;
  const row = onGpu(values(1, 32, 0.5));
  const small = onGpu(values(8, 32, 0.11)) as Tensor2D;
  const tall = onGpu(values(32, 40, 0.13)) as Tensor2D;
  const ids = tf.tensor1d([99, 0, 31, 32, 33, 64, 5], "int32");
  const many = tf.tensor1d(Array.from({ length: 90 }, (_, i) => (i * 7) % 8), "int32");
  const host = values(64, 32, 0.3);
  const ops: Record<string, () => Tensor> = {
    "exp": () => tf.exp(big), "add, same shape": () => tf.add(big, tf.square(big)), "mul by a row": () => tf.mul(big, row), "sub of a number": () => tf.sub(big, 0.25),
    "greater": () => tf.greater(big, 0), "where": () => tf.where(tf.greater(big, 0), big, tf.zerosLike(big)), "fill": () => tf.fill([50, 40], 7), "cast": () => tf.cast(tf.mul(big, 10), "int32"),
    "values from the host": () => tf.add(host, 1),
    "matMul, rows of the left": () => tf.matMul(big, narrow), "matMul, rows of the right": () => tf.matMul(small, big, false, true),
    "matMul, sums of parts": () => tf.matMul(big, tf.mul(big, 2), true, false), "matMul, both": () => tf.matMul(big, big, false, true).slice([0, 0], [4, 100]),
    "gather from a large table": () => tf.gather(big, ids), "gather of many rows": () => tf.gather(small, many), "gather, both": () => tf.gather(big, many),
    "slice of rows": () => tf.slice(big, [90, 0], [10, 32]), "concat of rows": () => tf.add(tf.concat([big, small], 0), 1), "addN": () => tf.addN([big, big, big]),
  };
  const within: Record<string, Float32Array> = {};
  const before = tf.memory().numTensors;
  const split: WebgpuFindings["split"] = {};
  const compute = async (op: () => Tensor): Promise<Float32Array> => {
    const result = tf.tidy(op);
    const data = Float32Array.from(await result.data());
    result.dispose();
    return data;
  };
  for (const [name, op] of Object.entries(ops)) within[name] = await compute(op);
  limits.binding = LOWERED;
  for (const [name, op] of Object.entries(ops)) {
    copies = 0;
    const found = await compute(op);
    // A read is a copy too.
    split[name] = { apart: Math.max(found.length === within[name]!.length ? 0 : Infinity, ...found.map((value, i) => Math.abs(value - within[name]![i]!))), copies: copies - 1 };
  }
  const refused = {
    softmax: await reason(() => tf.softmax(big)), "one long row": await reason(() => tf.tidy(() => tf.add(tf.zeros([2, 2000]), tf.ones([1, 2000])))),
    "across columns": await reason(() => tf.matMul(tall, small, true, true)), sum: await reason(() => tf.sum(big, 0)), "read at once": await reason(() => small.dataSync()),
  };
  limits.binding = own;
  const imprecision = { sin: await imprecisionOf(tf.sin, Math.sin, 1), cos: await imprecisionOf(tf.cos, Math.cos, 1), expm1: await imprecisionOf(tf.expm1, Math.expm1, 0) };
  const numLeft = tf.memory().numTensors - before;
  // A buffer beyond what any adapter has, as a faulty shader or want of memory would be reported.
  const pending = tf.exp(small);
  backend.device.createBuffer({ size: 2 ** 50, usage: 128 });
  const failed = [await reason(() => pending.data()), await reason(() => tf.exp(small)), await reason(() => big.data())];
  console.log(JSON.stringify({ split, refused, imprecision, left: numLeft, failed } satisfies WebgpuFindings));
  process.exit(0);
}

void main();
