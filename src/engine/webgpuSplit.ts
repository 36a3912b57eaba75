import type { KernelFunc, Tensor, Tensor1D, TensorInfo } from "@tensorflow/tfjs";
import { tf } from "./tfjs";
import { WebgpuMemory } from "./webgpuMemory";

/** Kernels whose result at a place depends on their inputs at that place only. */
const ELEMENTWISE = [
  "Abs", "Acos", "Asin", "Atan", "Cast", "Ceil", "ClipByValue", "Cos", "Elu", "Erf", "Exp", "Expm1", "Floor", "IsFinite", "IsInf", "IsNan", "LeakyRelu", "Log", "Log1p",
  "LogicalNot", "Neg", "Reciprocal", "Relu", "Relu6", "Round", "Rsqrt", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Sqrt", "Square", "Step", "Tan", "Tanh",
  "Add", "Equal", "FloorDiv", "Greater", "GreaterEqual", "Less", "LessEqual", "LogicalAnd", "LogicalOr", "Maximum", "Minimum", "Mod", "Multiply", "NotEqual", "Pow", "RealDiv",
  "SquaredDifference", "Sub", "Select",
];

type Call = Parameters<KernelFunc>[0];
type Inputs = Record<string, Tensor>;
type Split = (memory: WebgpuMemory, call: Call, stock: KernelFunc) => TensorInfo | TensorInfo[];

/** Bounds of parts of at most `most` rows. */
function* parts(rows: number, most: number): Generator<[start: number, count: number]> {
  for (let start = 0; start < rows; start += most) yield [start, Math.min(most, rows - start)];
}

const elementwise: Split = (memory, call, stock) => {
  const inputs = call.inputs as Inputs;
  const shape = Object.values(inputs).reduce<number[]>((shape, x) => tf.backend_util.assertAndGetBroadcastShape(shape, x.shape), []);
  if (!memory.isTooLarge({ shape }, ...Object.values(inputs))) return stock(call);
  // Where nothing is broadcast but single numbers, any place may end a part.
  const size = tf.util.sizeFromShape(shape);
  const isFlat = Object.values(inputs).every((x) => x.size === size || x.size === 1);
  const looked = isFlat ? [size] : shape;
  const hasRows = (x: Tensor): boolean => (isFlat ? x.size === size : x.rank === shape.length && x.shape[0] === shape[0]);
  const results = function* (): Generator<TensorInfo> {
    for (const [start, count] of parts(looked[0]!, memory.rowsAtOnce(looked))) {
      const given = Object.entries(inputs).map(([name, x]) => [name, hasRows(x) ? memory.rows(x, start, count, isFlat ? looked : x.shape) : isFlat ? tf.reshape(x, [1]) : x] as const);
      yield stock({ ...call, inputs: Object.fromEntries(given) }) as TensorInfo;
      tf.dispose(given.filter(([name, x]) => x !== inputs[name]).map(([, x]) => x));
    }
  };
  const iterator = results();
  const first = iterator.next().value as TensorInfo;
  return memory.join(shape, first.dtype, chain(first, iterator));
};

function* chain<T>(first: T, rest: Iterable<T>): Generator<T, void, undefined> {
  yield first;
  yield* rest;
}

/** Rows of the left factor, rows of a right one that is transposed, or sums over what the two have in common. */
const matMul: Split = (memory, call, stock) => {
  const { a, b } = call.inputs as Inputs;
  const { transposeA, transposeB } = call.attrs as unknown as { transposeA: boolean; transposeB: boolean };
  const [m, k] = transposeA ? [a!.shape.at(-1)!, a!.shape.at(-2)!] : [a!.shape.at(-2)!, a!.shape.at(-1)!];
  const n = transposeB ? b!.shape.at(-2)! : b!.shape.at(-1)!;
  const isOne = a!.size === m * k && b!.size === k * n;
  const out = [...a!.shape.slice(0, -2), m, n];
  if (!isOne || !memory.isTooLarge(a!, b!, { shape: out })) return stock(call);
  const product = (a: Tensor, b: Tensor): Tensor => tf.matMul(a, b, transposeA, transposeB);
  const [flatA, flatB] = [tf.reshape(a!, a!.shape.slice(-2)), tf.reshape(b!, b!.shape.slice(-2))];
  if (!transposeA && memory.isTooLarge(a!, { shape: out })) {
    const most = Math.min(memory.rowsAtOnce([m, k]), memory.rowsAtOnce([m, n]));
    const results = function* (): Generator<Tensor> {
      for (const [start, count] of parts(m, most)) yield tf.tidy(() => product(memory.rows(flatA, start, count), flatB));
    };
    return memory.join(out, a!.dtype, results());
  }
  if (transposeB && memory.isTooLarge(b!)) {
    const columns = [...parts(n, memory.rowsAtOnce([n, k]))].map(([start, count]) => tf.tidy(() => product(flatA, memory.rows(flatB, start, count))));
    return tf.reshape(tf.concat(columns, 1), out);
  }
  if (transposeA && !transposeB) {
    const most = Math.min(memory.rowsAtOnce([k, m]), memory.rowsAtOnce([k, n]));
    const sums = [...parts(k, most)].map(([start, count]) => () => product(memory.rows(flatA, start, count), memory.rows(flatB, start, count)));
    return tf.reshape(sums.reduce<Tensor | null>((sum, next) => tf.tidy(() => (sum ? tf.add(sum, next()) : next())), null)!, out);
  }
  return stock(call);
};

/** Rows of a table: of a large table, each of its parts in turn gives the rows that it has. */
const gather: Split = (memory, call, stock) => {
  const { x, indices } = call.inputs as Inputs;
  const { axis, batchDims } = call.attrs as unknown as { axis: number; batchDims: number };
  const out = [...indices!.shape, ...x!.shape.slice(1)];
  if (axis !== 0 || batchDims !== 0 || !memory.isTooLarge(x!, { shape: out })) return stock(call);
  const ids = tf.reshape(indices!, [-1]) as Tensor1D;
  if (memory.isTooLarge({ shape: out })) {
    const results = function* (): Generator<Tensor> {
      for (const [start, count] of parts(ids.size, memory.rowsAtOnce([ids.size, ...x!.shape.slice(1)]))) yield tf.tidy(() => tf.gather(x!, memory.rows(ids, start, count) as Tensor1D));
    };
    return memory.join(out, x!.dtype, results());
  }
  let found: Tensor | null = null;
  const flags = [ids.size, ...x!.shape.slice(1).map(() => 1)];
  for (const [start, count] of parts(x!.shape[0]!, memory.rowsAtOnce(x!.shape))) {
    found = tf.tidy(() => {
      const places = tf.sub(ids, tf.scalar(start, "int32"));
      const isHere = tf.logicalAnd(tf.greaterEqual(places, tf.scalar(0, "int32")), tf.less(places, tf.scalar(count, "int32")));
      const inside = tf.maximum(tf.minimum(places, tf.scalar(count - 1, "int32")), tf.scalar(0, "int32")) as Tensor1D;
      const rows = tf.gather(memory.rows(x!, start, count), inside);
      return tf.where(tf.reshape(isHere, flags), rows, found ?? tf.zerosLike(rows));
    });
  }
  return tf.reshape(found!, out);
};

/** Whole rows are copied. */
const slice: Split = (memory, call, stock) => {
  const { x } = call.inputs as Inputs;
  const { begin, size } = call.attrs as unknown as { begin: number[]; size: number[] };
  const [starts, sizes] = tf.slice_util.parseSliceParams(x!, begin, size);
  const isRows = x!.rank > 0 && sizes!.every((count, axis) => axis === 0 || count === x!.shape[axis]);
  return isRows && memory.isTooLarge(x!) ? memory.rows(x!, starts![0]!, sizes![0]!) : stock(call);
};

const concat: Split = (memory, call, stock) => {
  const inputs = Object.values(call.inputs as Inputs);
  const { axis } = call.attrs as unknown as { axis: number };
  const shape = tf.backend_util.computeOutShape(inputs.map((x) => x.shape), axis);
  if (axis !== 0 || !memory.isTooLarge({ shape })) return stock(call);
  // Clones: the parts of a join are freed.
  return memory.join(shape, inputs[0]!.dtype, inputs.map((x) => tf.clone(x)));
};

/** One number everywhere. */
function* filled(memory: WebgpuMemory, shape: number[], value: number, dtype: "float32"): Generator<Tensor> {
  const size = tf.util.sizeFromShape(shape);
  for (const [, count] of parts(size, memory.rowsAtOnce([size]))) yield tf.fill([count], value, dtype);
}

const fill: Split = (memory, call, stock) => {
  const { shape, value, dtype } = call.attrs as unknown as { shape: number[]; value: number; dtype: "float32" };
  return memory.isTooLarge({ shape }) ? memory.join(shape, dtype, filled(memory, shape, value, dtype)) : stock(call);
};

const fillLike = (value: number): Split => (memory, call, stock) => {
  const { shape, dtype } = (call.inputs as Inputs).x!;
  return memory.isTooLarge({ shape }) ? memory.join(shape, dtype, filled(memory, shape, value, dtype as "float32")) : stock(call);
};

/** tfjs binds all terms of a sum at once, however many. */
const addN: Split = (memory, call, stock) => {
  const terms = call.inputs as unknown as Tensor[];
  const most = memory.limits.buffersPerStage - 1;
  if (terms.length <= most && !memory.isTooLarge(...terms)) return stock(call);
  return terms.slice(1).reduce<Tensor>((sum, term) => tf.tidy(() => tf.add(sum, term)), tf.clone(terms[0]!));
};

const SPLITS: Record<string, Split> = {
  ...Object.fromEntries(ELEMENTWISE.map((name) => [name, elementwise])),
  Fill: fill, ZerosLike: fillLike(0), OnesLike: fillLike(1), BatchMatMul: matMul, GatherV2: gather, Slice: slice, Concat: concat, AddN: addN,
};

/**
 * Has kernels of the webgpu backend compute large tensors in parts. What cannot be computed so is refused by `memory`
 * before a shader runs.
 */
export function splitLargeTensors(memory: WebgpuMemory): void {
  for (const [kernelName, split] of Object.entries(SPLITS)) {
    const stock = tf.getKernel(kernelName, "webgpu");
    if (!stock) continue;
    tf.unregisterKernel(kernelName, "webgpu");
    tf.registerKernel({ ...stock, kernelFunc: (call) => tf.tidy(() => split(memory, call, stock.kernelFunc) as unknown as Tensor) as TensorInfo });
  }
}
