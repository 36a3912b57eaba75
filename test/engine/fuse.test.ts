import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { fuse } from "../../src/engine/fuse";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { allClose } from "./close";

const x = tf.tensor2d(Array.from({ length: 24 }, (_, i) => Math.sin(i * 1.3)), [4, 6]);
const y = tf.tensor2d(Array.from({ length: 24 }, (_, i) => Math.cos(i * 0.7)), [4, 6]);
const row = tf.tensor1d([1, -2, 0.5, 3, 0, 1]);

const part = (a: Tensor, b: Tensor, c: Tensor): Tensor[] => [tf.mul(tf.sigmoid(a), tf.sub(b, c)), tf.concat([tf.slice(a as Tensor2D, [0, 3], [4, 3]), tf.slice(b as Tensor2D, [0, 0], [4, 3])], 1)];
const [first, second] = part(x, y, row).map((t) => Array.from(t.dataSync()));

test("a fused part computes what its ops compute, eager, traced and within XLA", async () => {
  const call = (a: Tensor, b: Tensor): Tensor[] => fuse("test_part", [a, b, row], (a, b, c) => part(a!, b!, c!), { fewest: 0 });
  for (const [name, run] of [["eager", call], ["traced", jit(call)], ["xla", jit(call, { xla: true })]] as const) {
    const [a, b] = run(x, y);
    assert.deepEqual([a!.shape, b!.shape], [[4, 6], [4, 6]]);
    allClose((await a!.data()) as Float32Array, first!, 1e-6, name);
    allClose((await b!.data()) as Float32Array, second!, 0, name);
  }
});

test("it is one node, shared by name and shapes; other shapes get a function of their own", async () => {
  const times = (n: number) => jit((a: Tensor) => {
    let result = a;
    for (let i = 0; i < n; i++) [result] = fuse("test_chain", [result], (a) => [tf.add(tf.mul(a!, 0.5), tf.sin(a!))], { fewest: 0 }) as [Tensor];
    return result;
  });
  const [one, five] = [times(1), times(5)];
  one(x);
  const result = five(x);
  assert.equal(five.traces[0]!.nodes - one.traces[0]!.nodes, 4);
  let expected = Array.from(x.dataSync());
  for (let i = 0; i < 5; i++) expected = expected.map((v) => v * 0.5 + Math.sin(v));
  allClose((await result.data()) as Float32Array, expected, 1e-6);
  const tall = five(tf.reshape(x, [24, 1]));
  assert.deepEqual(tall.shape, [24, 1]);
  allClose((await tall.data()) as Float32Array, expected, 1e-6);
});

test("a small part is not worth a function", () => {
  const nodesOf = (size: number): number => {
    const traced = jit((a: Tensor) => fuse("test_small", [a], (a) => [tf.sin(tf.cos(tf.sin(a!)))])[0]!);
    traced(tf.zeros([size]));
    return traced.traces[0]!.nodes;
  };
  assert.equal(nodesOf(100) - nodesOf(100_000), 2);
});

test("in bfloat16 results for matrix products are rounded once, others not at all", async () => {
  const weight = tf.eye(6) as Tensor2D;
  const run = (operands: boolean, through: boolean) => jit((a: Tensor, b: Tensor) => {
    const [result] = fuse("test_sum", [a, b], (a, b) => [tf.add(a!, b!)], { operands, fewest: 0 });
    return through ? tf.matMul(result as Tensor2D, weight) : result!;
  }, { precision: "bfloat16" })(x, y);
  const exact = Array.from(x.dataSync(), (v, i) => Math.fround(v + y.dataSync()[i]!));
  const rounded = Array.from((await run(true, true).data()) as Float32Array);
  assert.deepEqual(Array.from((await run(false, false).data()) as Float32Array), exact);
  assert.deepEqual(Array.from((await run(false, true).data()) as Float32Array), rounded);
  assert.deepEqual(Array.from((await run(true, false).data()) as Float32Array), rounded);
  const relative = rounded.map((v, i) => Math.abs(v - exact[i]!) / Math.abs(exact[i]!));
  assert.ok(Math.max(...relative) <= 2 ** -8 && Math.max(...relative) > 0);
});

test("a value that a product narrowed is read from its copy", async () => {
  const results = jit((a: Tensor) => {
    const product = tf.matMul(a as Tensor2D, a as Tensor2D, false, true);
    const [fused] = fuse("test_double", [product], (p) => [tf.add(p!, p!)], { fewest: 0 });
    return [product, fused!];
  }, { precision: "bfloat16" })(x);
  const [product, doubled] = await Promise.all(results.map((result) => result.data()));
  assert.deepEqual(Array.from(doubled!), Array.from(product!, (v) => v * 2));
});

test("a copy that a product made is read in another shape too, and a value without one stays exact", async () => {
  const run = (multiplied: boolean) => jit((a: Tensor) => {
    const products = multiplied ? [tf.matMul(a as Tensor2D, a as Tensor2D, false, true)] : [];
    const [fused] = fuse("test_reshaped_copy", [tf.reshape(a, [3, 8])], (p) => [tf.add(p!, p!)], { fewest: 0 });
    return [fused!, ...products];
  }, { precision: "bfloat16" })(x)[0]!.data();
  const doubled = Array.from(x.dataSync(), (v) => v * 2);
  assert.deepEqual(Array.from(await run(false)), doubled);
  const rounded = Array.from(await run(true));
  assert.notDeepEqual(rounded, doubled);
  allClose(rounded, doubled, 2 ** -8);
});

test("a part that XLA cannot compile is the error of the call that needs it, and the next part compiles", async () => {
  const image = tf.ones([1, 4, 4, 1]);
  const filter = tf.ones([2, 2, 1]);
  const bad = jit((a: Tensor, b: Tensor) => fuse("test_no_kernel", [a, b], (a, b) => [tf.dilation2d(a as never, b as never, 1, "valid")], { fewest: 0 })[0]!, { name: "dilates" });
  for (let round = 0; round < 2; round++) await assert.rejects(() => bad(image, filter).data(), /Dilation2D/);
  const good = jit((a: Tensor) => fuse("test_after_no_kernel", [a], (a) => [tf.neg(a!)], { fewest: 0 })[0]!);
  allClose((await good(x).data()) as Float32Array, Array.from(x.dataSync(), (v) => -v), 0);
  bad.dispose();
  good.dispose();
});

test("a part that uses a tensor it was not given is refused, and leaves the engine usable", async () => {
  const start = engineMemory();
  const large = tf.ones([300, 100]);
  const bad = jit((a: Tensor) => fuse("test_capture", [a], (a) => [tf.add(tf.sum(large), a!)], { fewest: 0 })[0]!);
  assert.throws(() => bad(x), /fuse: test_capture uses a tensor that is not among its inputs/);
  const good = jit((a: Tensor) => fuse("test_after", [a], (a) => [tf.neg(a!)], { fewest: 0 })[0]!);
  const result = good(x);
  allClose((await result.data()) as Float32Array, Array.from(x.dataSync(), (v) => -v), 0);
  tf.dispose([large, result]);
  assert.deepEqual(engineMemory(), start);
});
