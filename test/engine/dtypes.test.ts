import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DataType, Tensor, Tensor2D } from "@tensorflow/tfjs";
import type { TFEOpAttr } from "@tensorflow/tfjs-node-gpu/dist/tfjs_binding";
import { attributesOf, binding, rawOp, rawOps, tensorFrom, tf, type, type RawAttributes } from "../../src/engine/backend";
import { TF, type NumericArray } from "../../src/engine/dtypes";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";

/** Values of the results of a function of tensors, eager and then traced; both must leave nothing behind. */
function bothWays(fn: (...x: Tensor[]) => Tensor | Tensor[], make: () => Tensor[]): [eager: unknown[], traced: unknown[]] {
  const before = engineMemory();
  const read = (outputs: Tensor | Tensor[]): unknown[] => [outputs].flat().map((x) => [x.dtype, x.shape, Array.from(x.dataSync())]);
  const compiled = jit(fn);
  let [eager, traced]: unknown[][] = [[], []];
  tf.tidy(() => {
    const inputs = make();
    eager = read(fn(...inputs));
    traced = read(compiled(...inputs));
  });
  compiled.dispose();
  assert.deepEqual(engineMemory(), before);
  return [eager, traced];
}

function equalBothWays(fn: (...x: Tensor[]) => Tensor | Tensor[], make: () => Tensor[], expected: [DataType, number[], unknown[]][]): void {
  const [eager, traced] = bothWays(fn, make);
  assert.deepEqual(eager, expected);
  assert.deepEqual(traced, expected);
}

const run = (name: string, ids: number[], attributes: TFEOpAttr[] | RawAttributes) => binding.executeOp(name, (Array.isArray(attributes) ? attributes : attributesOf(attributes)) as TFEOpAttr[], ids, 1)[0]!;

describe("what each dtype holds, eager and traced", () => {
  test("string: created, joined, cut, split, compared", () => {
    const make = (): Tensor[] => [tf.tensor(["a b", "", "ß 😀 \0"], [3], "string")];
    equalBothWays((x) => rawOp("StringJoin", [x, x], { separator: "", N: 2 }), make, [["string", [3], ["a ba b", "", "ß 😀 \0ß 😀 \0"]]]);
    equalBothWays((x) => tf.slice(tf.concat([x, x]), 2, 2), make, [["string", [2], ["ß 😀 \0", "a b"]]]);
    equalBothWays((x) => { const { indices, values, shape } = tf.string.stringSplit(x as never, " "); return [indices, values, shape]; }, make, [
      ["int32", [5, 2], [0, 0, 0, 1, 2, 0, 2, 1, 2, 2]], ["string", [5], ["a", "b", "ß", "😀", "\0"]], ["int32", [2], [3, 3]],
    ]);
    equalBothWays((x) => tf.equal(x, tf.tensor(["a b", "x", "ß 😀 \0"], [3], "string")), make, [["bool", [3], [1, 0, 1]]]);
  });

  test("complex64: created, multiplied, taken apart, transformed", () => {
    const make = (): Tensor[] => [tf.complex([1, 2], [3, -4])];
    equalBothWays((x) => tf.mul(x, x), make, [["complex64", [2], [-8, 6, -12, -16]]]);
    equalBothWays((x) => [tf.real(x), tf.imag(x), tf.abs(x)], make, [["float32", [2], [1, 2]], ["float32", [2], [3, -4]], ["float32", [2], [Math.sqrt(10), Math.sqrt(20)].map(Math.fround)]]);
    // The transform of [a, b] is [a + b, a − b].
    equalBothWays((x) => tf.spectral.fft(x), make, [["complex64", [2], [3, -1, -1, 7]]]);
    const large = tf.tidy(() => tf.complex(tf.range(0, 20_000), tf.zeros([20_000])));
    equalBothWays((x) => tf.slice(tf.add(large, x), [19_998], [2]), () => [tf.complex(0, 1)], [["complex64", [2], [19_998, 1, 19_999, 1]]]);
    large.dispose();
  });

  test("bool: created, combined, reduced, cast, chosen by", () => {
    const make = (): Tensor[] => [tf.tensor([true, true, false], [3], "bool"), tf.tensor([1, 0, 0], [3], "bool")];
    equalBothWays((a, b) => [tf.logicalAnd(a!, b!), tf.logicalOr(a!, b!), tf.logicalXor(a!, b!), tf.logicalNot(a!)], make, [
      ["bool", [3], [1, 0, 0]], ["bool", [3], [1, 1, 0]], ["bool", [3], [0, 1, 0]], ["bool", [3], [0, 0, 1]],
    ]);
    equalBothWays((a, b) => [tf.any(a!), tf.all(a!), tf.cast(a!, "int32"), tf.where(b!, 5, -5), tf.mean(a!)], make, [
      ["bool", [], [1]], ["bool", [], [0]], ["int32", [3], [1, 1, 0]], ["float32", [3], [5, -5, -5]], ["float32", [], [Math.fround(2 / 3)]],
    ]);
  });

  test("int32 keeps all 32 bits through reductions and rounding", () => {
    const make = (): Tensor[] => [tf.tensor([2 ** 31 - 1, -(2 ** 31), 123_456_789], [3], "int32")];
    equalBothWays((x) => [tf.round(x), tf.max(x), tf.min(x), tf.bitwiseAnd(x, tf.fill([3], 255, "int32"))], make, [
      ["int32", [3], [2 ** 31 - 1, -(2 ** 31), 123_456_789]], ["int32", [], [2 ** 31 - 1]], ["int32", [], [-(2 ** 31)]], ["int32", [3], [255, 0, 123_456_789 & 255]],
    ]);
  });
});

describe("int64 and uint8, which tfjs does not have", () => {
  test("the binding creates, computes and reads them in full", () => {
    const before = engineMemory();
    const long = binding.createTensor([2], TF.INT64, BigInt64Array.of(2n ** 53n + 1n, -(2n ** 63n)) as never);
    const sum = run("AddV2", [long, long], [{ name: "T", type: binding.TF_ATTR_TYPE, value: TF.INT64 }]);
    assert.deepEqual([sum.dtype, sum.shape, binding.tensorDataSync(sum.id)], [TF.INT64, [2], BigInt64Array.of(2n ** 54n + 2n, 0n)]);
    const bytes = binding.createTensor([2], TF.UINT8, Uint8Array.of(250, 3));
    const wrapped = run("AddV2", [bytes, bytes], [{ name: "T", type: binding.TF_ATTR_TYPE, value: TF.UINT8 }]);
    assert.deepEqual([wrapped.dtype, binding.tensorDataSync(wrapped.id)], [TF.UINT8, Uint8Array.of(244, 6)]);
    for (const id of [long, sum.id, bytes, wrapped.id]) binding.deleteTensor(id);
    assert.deepEqual(engineMemory(), before);
  });

  const created = (dtype: number, values: NumericArray): Tensor => tensorFrom(binding.toTfjs({ id: binding.createTensor([values.length], dtype, values as never), shape: [values.length], dtype }));

  test("as results of tfjs's kernels they are int32, which every op takes", () => {
    const add = (): Tensor[] => [tf.add(created(TF.INT64, BigInt64Array.of(-7n, 2n ** 31n - 1n)), tf.scalar(0, "int32")), tf.add(created(TF.UINT8, Uint8Array.of(255, 1)), tf.scalar(1, "int32"))];
    equalBothWays(add, () => [], [["int32", [2], [-7, 2 ** 31 - 1]], ["int32", [2], [256, 2]]]);
  });

  test("ops that take and give int64 do so between int32 tensors", () => {
    const reshape = (indices: Tensor): Tensor[] => { const { outputIndices, outputShape } = tf.sparse.sparseReshape(indices as Tensor2D, [2, 6], [3, -1]); return [outputIndices, outputShape]; };
    equalBothWays(reshape, () => [tf.tensor2d([[0, 5], [1, 0]], [2, 2], "int32")], [["int32", [2, 2], [1, 1, 1, 2]], ["int32", [2], [3, 4]]]);
    const [eager, traced] = bothWays((x) => tf.mul(tf.string.stringToHashBucketFast(x as never, 10), tf.scalar(2, "int32")), () => [tf.tensor(["a", "b"], [2], "string")]);
    assert.deepEqual(eager, traced);
  });
});

test("lists as attributes: numbers, floats, types and strings", () => {
  const numbers = (x: Tensor): Tensor => rawOp("Squeeze", [x], { squeeze_dims: [0, 2], T: type("float32") });
  equalBothWays(numbers, () => [tf.ones([1, 2, 1])], [["float32", [2], [1, 1]]]);
  const floats = (x: Tensor): Tensor => rawOp("Bucketize", [x], { T: type("float32"), boundaries: { float: [-0.5, 0.25, 1] } });
  equalBothWays(floats, () => [tf.tensor([-1, 0, 0.25, 7])], [["int32", [4], [0, 1, 2, 3]]]);
  const types = (...x: Tensor[]): Tensor[] => rawOps("IdentityN", x, { T: { type: [TF.FLOAT, TF.STRING, TF.BOOL] } }, 3);
  equalBothWays(types, () => [tf.tensor([1.5]), tf.tensor(["s"], [1], "string"), tf.tensor([true], [1], "bool")], [["float32", [1], [1.5]], ["string", [1], ["s"]], ["bool", [1], [1]]]);
  const strings = (values: Tensor): Tensor => tf.raggedTensorToTensor(tf.tensor1d([3, -1], "int32"), values, tf.scalar(0), [tf.scalar(2, "int32"), tf.tensor1d([0, 0, 1], "int32")], ["FIRST_DIM_SIZE", "VALUE_ROWIDS"]);
  equalBothWays(strings, () => [tf.tensor1d([7, 8, 9])], [["float32", [3, 2], [7, 8, 9, 0, 0, 0]]]);
});

test("attributes of bytes that are no text", () => {
  const make = (): Tensor[] => [tf.tensor(["a"], [1], "string"), tf.tensor(["b"], [1], "string")];
  const join = (separator: string) => (...x: Tensor[]): Tensor => rawOp("StringJoin", x, { separator, N: 2 });
  for (const separator of ["", "é\0ü", "😀"]) equalBothWays(join(separator), make, [["string", [1], [`a${separator}b`]]]);
});

test("empty tensors of every dtype", () => {
  const make = (dtype: DataType) => (): Tensor[] => [dtype === "complex64" ? tf.complex(tf.zeros([0, 3]), tf.zeros([0, 3])) : tf.tensor([], [0, 3], dtype)];
  for (const dtype of ["float32", "int32", "bool", "string", "complex64"] as const) {
    equalBothWays((x) => [tf.reshape(x, [3, 0]), tf.concat([x, x]), tf.expandDims(x), tf.tile(x, [2, 2])], make(dtype), [
      [dtype, [3, 0], []], [dtype, [0, 3], []], [dtype, [1, 0, 3], []], [dtype, [0, 6], []],
    ]);
  }
  equalBothWays((x) => [tf.sum(x), tf.sum(x, 0), tf.max(x, 0), tf.mean(x, 0)], make("float32"), [
    ["float32", [], [0]], ["float32", [3], [0, 0, 0]], ["float32", [3], [-Infinity, -Infinity, -Infinity]], ["float32", [3], [NaN, NaN, NaN]],
  ]);
  equalBothWays((x) => [tf.all(x), tf.any(x)], make("bool"), [["bool", [], [1]], ["bool", [], [0]]]);
  equalBothWays((x) => tf.grad((y) => tf.sum(tf.mul(y, y)))(x), make("float32"), [["float32", [0, 3], []]]);
});
