import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { binding, rawOp, rawOps, tf, type } from "../../src/engine/backend";
import { engineInfo, engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";

test("the backend is TensorFlow 2.21, and says so", () => {
  const info = engineInfo();
  assert.equal(info.backend, "tensorflow");
  assert.match(info.tensorflow!, /^2\.21\./);
  assert.ok(info.memory.peak >= info.memory.resident * 0.5 && info.memory.total > 0);
  assert.ok(info.threads.intraOp >= 1);
});

test("every dtype goes to the device and back", () => {
  assert.deepEqual([...tf.tensor([1.5, -2, 1e30]).neg().dataSync()], [-1.5, 2, -Math.fround(1e30)]);
  assert.deepEqual([...tf.tensor([2 ** 31 - 1, -7], [2], "int32").sub(tf.scalar(1, "int32")).dataSync()], [2 ** 31 - 2, -8]);
  assert.deepEqual([...tf.logicalNot(tf.tensor([true, false], [2], "bool")).dataSync()], [0, 1]);
  const complex = tf.complex([1, 2], [3, -4]);
  assert.equal(complex.dtype, "complex64");
  assert.deepEqual([...tf.real(complex).dataSync()], [1, 2]);
  assert.deepEqual([...tf.imag(tf.mul(complex, complex)).dataSync()], [6, -16]);
});

test("strings keep their length, emptiness, zero bytes and other alphabets", () => {
  const texts = ["", "a", "a string that is longer than the 22 bytes stored in place", "Съешь 😀", "with\0zero"];
  const tensor = tf.tensor(texts, [5], "string");
  assert.deepEqual(tensor.dataSync(), texts);
  assert.deepEqual(rawOp("ReverseV2", [tensor, tf.tensor1d([0], "int32")], { T: type("string"), Tidx: type("int32") }).dataSync(), [...texts].reverse());
});

test("values read asynchronously are those read synchronously", async () => {
  for (const tensor of [tf.range(0, 7).square(), tf.tensor([1, 2], [2], "int32").mul(3), tf.tensor(["x", "yz"], [2], "string").clone(), tf.equal([1, 2], [1, 3])]) {
    assert.deepEqual(await tensor.data(), tensor.dataSync());
    assert.deepEqual(await tensor.array(), tensor.arraySync());
  }
});

test("empty tensors", () => {
  const empty = tf.zeros([0, 3]);
  assert.deepEqual(tf.add(empty, 1).shape, [0, 3]);
  assert.equal(tf.exp(empty).dataSync().length, 0);
  assert.equal(tf.sum(empty).dataSync()[0], 0);
  assert.deepEqual([...tf.concat([empty as Tensor2D, tf.ones([1, 3])]).dataSync()], [1, 1, 1]);
  assert.deepEqual([...tf.sum(tf.matMul(tf.ones([2, 0]), tf.ones([0, 2]))).dataSync()], [0]);
});

test("attributes that are lists, floats, strings and types", () => {
  // Pooling takes lists of numbers and a string; LeakyRelu a float; Split's count tells the number of outputs.
  assert.deepEqual([...tf.maxPool(tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]), 2, 1, "valid").dataSync()], [4]);
  const [leaky] = rawOp("LeakyRelu", [tf.tensor([-2, 2])], { alpha: { float: 0.25 }, T: type("float32") }).dataSync();
  assert.equal(leaky, -0.5);
  const halves = rawOps("Split", [tf.scalar(0, "int32"), tf.tensor([1, 2, 3, 4])], { num_split: 2, T: type("float32") }, 2);
  assert.deepEqual(halves.map((half) => [...half.dataSync()]), [[1, 2], [3, 4]]);
  assert.deepEqual([...rawOp("Squeeze", [tf.ones([1, 2, 1])], { squeeze_dims: [2], T: type("float32") }).shape], [1, 2]);
  const joined = rawOp("StringJoin", [tf.tensor(["a"], [1], "string"), tf.tensor(["b"], [1], "string")], { separator: "-", N: 2 });
  assert.deepEqual([...joined.dataSync()], ["a-b"] as never);
});

/** A serialised tf.train.Example of float lists (tensorflow/core/example/example.proto). */
function example(features: Record<string, number[]>): Uint8Array {
  const field = (number: number, bytes: Uint8Array): Buffer => Buffer.concat([Buffer.of((number << 3) | 2, bytes.length), bytes]);
  const entry = (name: string, values: number[]): Buffer => Buffer.concat([field(1, Buffer.from(name)), field(2, field(2, field(1, Buffer.from(Float32Array.from(values).buffer))))]);
  return field(1, Buffer.concat(Object.entries(features).map(([name, values]) => field(1, entry(name, values)))));
}

test("attributes that are lists of shapes, eager and traced; an empty list is no shape", () => {
  const before = engineMemory();
  const strings = (values: (string | Uint8Array)[]): Tensor => tf.tensor(values as string[], [values.length], "string");
  const parse = (serialized: Tensor, shapes: Record<string, number[]>): Tensor[] => rawOps("ParseExampleV2", [
    serialized, strings([]), strings([]), strings(Object.keys(shapes)), strings([]), ...Object.keys(shapes).map(() => tf.zeros([0])),
  ], {
    Tdense: { type: Object.keys(shapes).map(() => type("float32").type as number) }, num_sparse: 0, sparse_types: { type: [] }, ragged_value_types: { type: [] }, ragged_split_types: { type: [] },
    dense_shapes: { shapes: Object.values(shapes) },
  }, Object.keys(shapes).length);
  const shapes = { a: [2, 1], b: [], c: [1, 3] };
  tf.tidy(() => {
    const rows = strings([example({ a: [1, 2], b: [3], c: [4, 5, 6] }), example({ a: [7, 8], b: [9], c: [10, 11, 12] })]);
    const traced = jit((rows: Tensor) => parse(rows, shapes));
    for (const results of [parse(rows, shapes), traced(rows) as Tensor[]]) {
      assert.deepEqual(results.map(({ shape }) => shape), [[2, 2, 1], [2], [2, 1, 3]]);
      assert.deepEqual(results.map((result) => [...result.dataSync()]), [[1, 2, 7, 8], [3, 9], [4, 5, 6, 10, 11, 12]]);
    }
    traced.dispose();
    assert.deepEqual(parse(rows, {}), []);
    assert.throws(() => parse(rows, { a: [3] }), /a\b.*shape/is);
  });
  assert.deepEqual(engineMemory(), before);
});

test("attributes that are one shape or a list of bools, eager and traced", () => {
  // No op of TensorFlow 2.21 takes a list of bools: what arrived is seen in the refusal of one that takes numbers.
  const squeeze = (x: Tensor): Tensor => rawOp("Squeeze", [x], { squeeze_dims: [true, false], T: type("float32") });
  const placed = (x: Tensor): Tensor => rawOp("PlaceholderWithDefault", [x], { shape: { shape: [-1, 2] }, dtype: type("float32") });
  tf.tidy(() => {
    const x = tf.tensor2d([[1, 2]]);
    for (const run of [squeeze, jit(squeeze)]) assert.throws(() => run(x), /list\(bool\)/);
    const traced = jit(placed);
    for (const run of [placed, traced]) assert.deepEqual([...run(x).dataSync()], [1, 2]);
    traced.dispose();
  });
});

test("values that do not fill the shape, unknown ops and ops that fail are errors with the reason", () => {
  assert.throws(() => binding.createTensor([3], binding.TF_FLOAT, new Float32Array(2)), /Shape \[3\] does not match the values: they take 8 bytes, the shape 12/);
  assert.throws(() => rawOp("NoSuchOp", [], {}), /NoSuchOp/);
  assert.throws(() => tf.gather(tf.tensor1d([1, 2]), tf.tensor1d([5], "int32")), /indices\[0\] = 5 is not in \[0, 2\)/);
  assert.throws(() => tf.matMul(tf.ones([2, 3]), tf.ones([2, 3])), /size-incompatible/);
  const gone = tf.ones([2]);
  gone.dispose();
  assert.throws(() => gone.dataSync(), /disposed/);
});

test("failed ops and many dtypes leave no tensor and no handle", () => {
  const before = engineMemory();
  for (let i = 0; i < 20; i++) {
    tf.tidy(() => {
      const table = tf.tensor1d([1, 2, 3]);
      assert.throws(() => tf.gather(table, tf.tensor1d([9], "int32")));
      tf.topk(table as Tensor1D, 2);
      tf.tensor(["a", "b"], [2], "string").dataSync();
      tf.where(tf.greater(table, 1), table, tf.neg(table)).dataSync();
      tf.grads((x, y) => tf.sum(tf.mul(x!, y!)))([table, table]);
    });
    assert.deepEqual(engineMemory(), before);
  }
});
