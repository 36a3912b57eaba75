import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Tensor, Tensor1D, Tensor4D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { RandomSource } from "../../src/engine/random";
import { allClose } from "./close";

// Float32 sums of some twenty products of numbers below 2; wrong padding or a wrong axis errs by tenths.
const TOLERANCE = 1e-5;
// The functions are linear in what is moved, or linear between ties, so central differences in float64 are exact but for rounding.
const STEP = 1e-4;

const random = new RandomSource(5);
const draw = (count: number): number[] => Array.from({ length: count }, () => Math.fround(4 * random.uniform() - 2));

type Pad = [before: number, after: number];

interface Image {
  height: number;
  width: number;
  channels: number;
}

/** The part of a [height, width, channels] image under a window of size × size at (row, column), outside of it undefined. */
function* under(x: readonly number[], { height, width, channels }: Image, top: number, left: number, size: number): Generator<{ value: number | undefined; i: number; j: number; channel: number }> {
  for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) for (let channel = 0; channel < channels; channel++) {
    const inside = top + i >= 0 && top + i < height && left + j >= 0 && left + j < width;
    yield { value: inside ? x[((top + i) * width + left + j) * channels + channel] : undefined, i, j, channel };
  }
}

const positions = (size: number, [before, after]: Pad, window: number, stride: number): number[] =>
  Array.from({ length: Math.floor((size + before + after - window) / stride) + 1 }, (_, i) => i * stride - before);

/** Σ over a window for every position and every filter: a convolution in float64. */
function convolve(x: readonly number[], image: Image, w: readonly number[], size: number, filters: number, stride: number, pad: [Pad, Pad]): number[] {
  return positions(image.height, pad[0], size, stride).flatMap((top) => positions(image.width, pad[1], size, stride).flatMap((left) =>
    Array.from({ length: filters }, (_, filter) => [...under(x, image, top, left, size)].reduce((sum, { value = 0, i, j, channel }) => sum + value * w[((i * size + j) * image.channels + channel) * filters + filter]!, 0))));
}

function pool(x: readonly number[], image: Image, size: number, stride: number, pad: [Pad, Pad], reduce: (values: number[]) => number): number[] {
  return positions(image.height, pad[0], size, stride).flatMap((top) => positions(image.width, pad[1], size, stride).flatMap((left) =>
    Array.from({ length: image.channels }, (_, c) => reduce([...under(x, image, top, left, size)].flatMap(({ value, channel }) => (channel === c && value !== undefined ? [value] : []))))));
}

const weight = (i: number): number => Math.fround(Math.cos(3 * i + 1));

/** The gradient of Σ weight · f(x) by central differences. */
function differences(f: (x: number[]) => number[], x: number[]): number[] {
  const loss = (at: number[]): number => f(at).reduce((sum, value, i) => sum + value * weight(i), 0);
  return x.map((value, i) => (loss(x.map((v, k) => (k === i ? value + STEP : v))) - loss(x.map((v, k) => (k === i ? value - STEP : v)))) / (2 * STEP));
}

/** Value and gradients of an op, eager and traced, against its formula in float64. */
function check(op: (...x: Tensor[]) => Tensor, shapes: number[][], values: number[][], formula: (...x: number[][]) => number[]): void {
  const before = engineMemory();
  const compute = (...x: Tensor[]): Tensor[] => tf.tidy(() => {
    const value = op(...x);
    const weights = tf.tensor(Array.from({ length: value.size }, (_, i) => weight(i)), value.shape);
    return [value, ...tf.grads((...y) => tf.sum(tf.mul(op(...y), weights)))(x)];
  });
  const inputs = shapes.map((shape, i) => tf.tensor(values[i]!, shape));
  const compiled = jit(compute);
  for (const results of [compute(...inputs), compiled(...inputs)]) {
    allClose(results[0]!.dataSync(), formula(...values), TOLERANCE, "value");
    values.forEach((x, i) => allClose(results[i + 1]!.dataSync(), differences((moved) => formula(...values.map((v, k) => (k === i ? moved : v))), x), TOLERANCE * 10, `gradient ${i}`));
    tf.dispose(results);
  }
  tf.dispose(inputs);
  compiled.dispose();
  assert.deepEqual(engineMemory(), before);
}

const IMAGE: Image = { height: 4, width: 5, channels: 2 };
const UNEVEN: [Pad, Pad] = [[1, 0], [2, 1]];
const EXPLICIT: [Pad, Pad, Pad, Pad] = [[0, 0], ...UNEVEN, [0, 0]];

describe("windows over images", () => {
  const x = draw(40);
  const w = draw(2 * 2 * 2 * 3);
  const shapes = [[1, 4, 5, 2], [2, 2, 2, 3]];

  test("convolution padded by a number and by sides, with strides", () => {
    check((a, b) => tf.conv2d(a as Tensor4D, b as Tensor4D, 1, 1), shapes, [x, w], (a, b) => convolve(a, IMAGE, b, 2, 3, 1, [[1, 1], [1, 1]]));
    check((a, b) => tf.conv2d(a as Tensor4D, b as Tensor4D, 2, EXPLICIT), shapes, [x, w], (a, b) => convolve(a, IMAGE, b, 2, 3, 2, UNEVEN));
  });

  test("convolution with the channels first", () => {
    const first = (a: Tensor): Tensor4D => tf.transpose(a as Tensor4D, [0, 3, 1, 2]);
    const op = (a: Tensor, b: Tensor): Tensor => tf.transpose(tf.conv2d(first(a), b as Tensor4D, 1, "valid", "NCHW"), [0, 2, 3, 1]);
    check(op, shapes, [x, w], (a, b) => convolve(a, IMAGE, b, 2, 3, 1, [[0, 0], [0, 0]]));
  });

  test("averages leave the padding out, in the gradient too", () => {
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    check((a) => tf.avgPool(a as Tensor4D, 3, 1, 1), [[1, 4, 5, 2]], [x], (a) => pool(a, IMAGE, 3, 1, [[1, 1], [1, 1]], mean));
    check((a) => tf.avgPool(a as Tensor4D, 3, 2, EXPLICIT), [[1, 4, 5, 2]], [x], (a) => pool(a, IMAGE, 3, 2, UNEVEN, mean));
  });

  test("maxima with padding, also where all values are negative", () => {
    const negative = x.map((value) => Math.fround(value - 3));
    check((a) => tf.maxPool(a as Tensor4D, 3, 2, EXPLICIT), [[1, 4, 5, 2]], [negative], (a) => pool(a, IMAGE, 3, 2, UNEVEN, (values) => Math.max(...values)));
  });

  test("the number of positions is rounded as asked", () => {
    const wide = tf.tensor4d(draw(25), [1, 5, 5, 1]);
    const shapeOf = (rounding: "floor" | "ceil"): number[] => tf.maxPool(wide, 2, 2, 0, rounding).shape;
    assert.deepEqual([shapeOf("floor"), shapeOf("ceil")], [[1, 2, 2, 1], [1, 3, 3, 1]]);
    const corner = tf.slice(tf.maxPool(wide, 2, 2, 0, "ceil"), [0, 2, 2, 0]).dataSync()[0];
    assert.equal(corner, wide.dataSync()[24]);
  });
});

test("an image is rotated about its centre, by nearest pixel, with the corners filled", () => {
  const [height, width] = [5, 7];
  const values = draw(height * width * 3);
  const centre = [width * 0.25, height * 0.5] as const;
  for (const radians of [0.4, -1.1, Math.PI / 2]) {
    const [sin, cos] = [Math.sin(radians), Math.cos(radians)];
    const expected = Array.from({ length: height * width }, (_, pixel) => {
      const [dx, dy] = [(pixel % width) - centre[0], Math.floor(pixel / width) - centre[1]];
      const [column, row] = [Math.round(dx * cos - dy * sin + centre[0]), Math.round(dx * sin + dy * cos + centre[1])];
      const inside = column >= 0 && column < width && row >= 0 && row < height;
      return [7, 8, 9].map((fill, c) => (inside ? values[(row * width + column) * 3 + c]! : fill));
    }).flat();
    const rotated = tf.image.rotateWithOffset(tf.tensor4d(values, [1, height, width, 3]), radians, [7, 8, 9], [0.25, 0.5]);
    allClose(rotated.dataSync(), expected, 1e-6, `${radians} radians`);
  }
});

test("a seed decides what multinomial draws; probabilities are taken as well as logits", () => {
  const p = [0.5, 0.125, 0.375];
  const logits = tf.tensor1d(p.map(Math.log));
  const drawn = (seed: number): number[] => Array.from(tf.multinomial(logits, 4000, seed).dataSync());
  assert.deepEqual(drawn(3), drawn(3));
  assert.notDeepEqual(drawn(3), drawn(3.5));
  for (const numbers of [drawn(7), Array.from(tf.multinomial(tf.tensor1d(p), 4000, 8, true).dataSync())]) {
    const chiSquare = p.reduce((sum, share, k) => sum + (numbers.filter((n) => n === k).length - 4000 * share) ** 2 / (4000 * share), 0);
    // The quantile at 0.999 with 2 degrees of freedom.
    assert.ok(chiSquare < 13.82, `χ² = ${chiSquare}`);
  }
});

test("unique takes all NaN for one value and −0 for 0, eager, traced and compiled by XLA", () => {
  const x = tf.tensor1d([NaN, -0, 2.5, 0, NaN, -Infinity, 2.5]);
  const inside = (y: Tensor): Tensor[] => Object.values(tf.unique(y)) as Tensor[];
  for (const unique of [tf.unique, jit(inside), jit(inside, { xla: true })]) {
    const [values, indices] = Object.values(unique(x)) as Tensor[];
    assert.deepEqual(Array.from(values!.dataSync()), [NaN, 0, 2.5, -Infinity]);
    assert.deepEqual(Array.from(indices!.dataSync()), [0, 1, 2, 1, 0, 3, 2]);
  }
  assert.deepEqual(tf.unique(tf.tensor1d(["b", "a", "b"], "string")).values.dataSync(), ["b", "a"]);
});

test("strings compare by their bytes, with broadcasting, eager and traced", () => {
  const words = ["", "a", "a\0", "ab", "b", "Z", "é", "中", "a long word that ends here", "a long word that ends there"];
  const bytewise = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));
  const table = (holds: (order: number) => boolean): number[] => words.flatMap((a) => words.map((b) => Number(holds(bytewise(a, b)))));
  const compare = (x: Tensor): Tensor[] => {
    const [column, row] = [tf.reshape(x, [-1, 1]), tf.reshape(x, [1, -1])];
    return [tf.less(column, row), tf.lessEqual(column, row), tf.greater(column, row), tf.greaterEqual(column, row)];
  };
  const expected = [table((o) => o < 0), table((o) => o <= 0), table((o) => o > 0), table((o) => o >= 0)];
  const strings = tf.tensor1d(words, "string");
  for (const results of [compare(strings), jit(compare)(strings)]) assert.deepEqual(results.map((x) => Array.from(x.dataSync())), expected);
  assert.deepEqual(tf.less(tf.tensor([], [0], "string"), "a").shape, [0]);
});

test("an index out of bounds: tfjs's words outside of a trace, TensorFlow's own within", async () => {
  const table = tf.tensor1d([1, 2]);
  assert.throws(() => tf.gather(table, tf.tensor1d([5], "int32")), /GatherV2: the index value 5 is not in \[0, 1\]\. TensorFlow says: .*indices\[0\] = 5 is not in \[0, 2\)/);
  const pick = jit((i: Tensor) => tf.gather(table, i as Tensor1D));
  await assert.rejects(() => pick(tf.tensor1d([5], "int32")).data(), /indices\[0\] = 5 is not in \[0, 2\)/);
  assert.deepEqual([...pick(tf.tensor1d([1], "int32")).dataSync()], [2]);
});
