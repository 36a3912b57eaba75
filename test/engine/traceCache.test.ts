import assert from "node:assert/strict";
import { test } from "node:test";
import type { Scalar, Tensor } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { fuse } from "../../src/engine/fuse";
import { engineMemory } from "../../src/engine/info";
import { jit, type JitOptions } from "../../src/engine/jit";
import { engineFunctions } from "../../src/engine/nativeCounts";
import { warnings } from "./warnings";

const weight = tf.variable(tf.tensor2d([[1, -2], [0.5, 3]]));
const large = tf.tidy(() => tf.add(tf.zeros([20_000]), 0.25));
const make = (options: JitOptions = {}) => jit((x: Tensor): Tensor => tf.add(tf.sum(tf.tanh(tf.matMul(x as never, weight as never))), tf.mean(large)), { expectedTraces: Infinity, ...options });
// The variable moves to TensorFlow's memory with the first trace.
const first = make();
tf.dispose(first(tf.ones([1, 2])));
first.dispose();

const input = (rows: number): Tensor => tf.tensor2d(Float32Array.from({ length: 2 * rows }, (_, i) => Math.sin(i)), [rows, 2]);
const expected = (rows: number): number => tf.tidy(() => tf.add(tf.sum(tf.tanh(tf.matMul(input(rows) as never, weight as never))), tf.mean(large)).dataSync()[0]!);
const value = (f: (x: Tensor) => Tensor, rows: number): number => tf.tidy(() => f(input(rows)).dataSync()[0]!);
const close = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e-5 * Math.max(1, Math.abs(b)), `${a} is not ${b}`);
const rowsOf = (f: { traces: readonly { signature: string }[] }): number[] => f.traces.map(({ signature }) => Number(/\[(\d+),/.exec(signature)![1]));

test("over many shapes no more than the bound stays: functions, captures and bytes, with equal values", () => {
  const before = { ...engineFunctions(), ...engineMemory() };
  const f = make({ maxTraces: 5 });
  for (let rows = 1; rows <= 40; rows++) {
    close(value(f, rows), expected(rows));
    const { functions, captures, bytes } = engineFunctions();
    const kept = Math.min(rows, 5);
    assert.deepEqual([functions - before.functions, captures - before.captures], [kept, 2 * kept]);
    assert.ok(bytes > before.bytes && bytes - before.bytes < kept * 400_000, `${bytes - before.bytes} bytes`);
  }
  assert.deepEqual(rowsOf(f), [36, 37, 38, 39, 40]);
  assert.equal(f.traceCount, 40);
  f.dispose();
  assert.deepEqual({ ...engineFunctions(), ...engineMemory() }, before);
});

test("the signature that was not called for longest is freed, and traced anew when it comes again", () => {
  const f = make({ maxTraces: 3 });
  for (const rows of [1, 2, 3, 1, 4]) close(value(f, rows), expected(rows));
  assert.deepEqual(rowsOf(f), [1, 3, 4]);
  assert.equal(f.traceCount, 4);
  close(value(f, 2), expected(2));
  assert.deepEqual(rowsOf(f), [1, 4, 2]);
  assert.equal(f.traceCount, 5);
  f.dispose();
});

test("bytes bound what stays, whatever the number; the newest stays beyond them", () => {
  const one = make();
  value(one, 1);
  const before = engineFunctions().bytes;
  value(one, 2);
  const each = engineFunctions().bytes - before;
  one.dispose();
  const f = make({ maxBytes: 3.5 * each });
  const tiny = make({ maxBytes: 1 });
  for (let rows = 1; rows <= 6; rows++) for (const g of [f, tiny]) close(value(g, rows), expected(rows));
  assert.deepEqual(rowsOf(f), [4, 5, 6]);
  assert.deepEqual(rowsOf(tiny), [6]);
  f.dispose();
  tiny.dispose();
});

test("under a tape every function stays until its gradient is there", () => {
  const before = engineFunctions();
  const f = make({ maxTraces: 2 });
  const counts = [3, 1, 4, 2, 5];
  const total = (g: (x: Tensor) => Tensor) => (): Scalar => counts.map((rows) => g(input(rows))).reduce((a, b) => tf.add(a, b)) as Scalar;
  const gradient = (g: (x: Tensor) => Tensor): Float32Array => tf.tidy(() => tf.variableGrads(total(g), [weight]).grads[weight.name]!.dataSync() as Float32Array);
  const plain = gradient((x) => tf.add(tf.sum(tf.tanh(tf.matMul(x as never, weight as never))), tf.mean(large)));
  gradient(f).forEach((number, i) => close(number, plain[i]!));
  assert.equal(f.traces.length, 5, "all five were needed at once");
  // The tape is gone: the next one needs a single function, and the others are beyond the bound.
  tf.tidy(() => tf.variableGrads(() => f(input(6)) as Scalar, [weight]));
  assert.equal(f.traces.length, 2);
  gradient(f).forEach((number, i) => close(number, plain[i]!));
  f.dispose();
  assert.deepEqual(engineFunctions(), before);
});

test("a gradient that fails does not hold functions for good", () => {
  const f = make({ maxTraces: 2 });
  assert.throws(() => tf.variableGrads(() => {
    f(input(1));
    throw new Error("of the user's own");
  }, [weight]), /user's own/);
  for (let rows = 2; rows <= 6; rows++) tf.tidy(() => tf.variableGrads(() => f(input(rows)) as Scalar, [weight]));
  assert.equal(f.traces.length, 2);
  for (let rows = 2; rows <= 6; rows++) value(f, rows);
  assert.equal(f.traces.length, 2);
  f.dispose();
});

test("a jit within a jit takes no room of its own, and a part goes with the last function that calls it", () => {
  const before = engineFunctions();
  const inner = jit((x: Tensor) => fuse("test_trace_cache", [x], (y) => [tf.sin(y!)], { fewest: 0 })[0]!, { maxTraces: 1 });
  const outer = jit((x: Tensor) => tf.sum(inner(x)), { maxTraces: 2, expectedTraces: Infinity });
  for (const rows of [1, 2, 3, 1, 2, 3]) {
    close(value(outer, rows), tf.tidy(() => tf.sum(tf.sin(input(rows))).dataSync()[0]!));
    assert.ok(engineFunctions().functions - before.functions <= 4, "two functions, each with a part");
  }
  assert.deepEqual([inner.traceCount, outer.traceCount, outer.traces.length], [0, 6, 2]);
  outer.dispose();
  assert.deepEqual(engineFunctions(), before);
});

test("shapes that alternate beyond the bound are warned about once", () => {
  const f = make({ maxTraces: 2, name: "alternating" });
  const said = warnings(() => {
    for (let round = 0; round < 8; round++) for (const rows of [1, 2, 3]) value(f, rows);
  });
  assert.equal(said.length, 1);
  assert.match(said[0]!, /alternating has been traced anew \d+ times.*no more than 2 stay.*maxTraces/);
  f.dispose();
});

test("a bound that leaves room for nothing is refused", () => {
  for (const options of [{ maxTraces: 0 }, { maxBytes: -1 }, { maxTraces: NaN }]) assert.throws(() => make({ name: "f", ...options }), RangeError);
});
