import assert from "node:assert/strict";
import { test } from "node:test";
import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit, type JitOptions } from "../../src/engine/jit";
import { engineFunctions } from "../../src/engine/nativeCounts";
import { allClose } from "./close";

const numbers = (x: Tensor): number[] => Array.from(x.dataSync());
const matrix = (rows: number, columns: number, shift: number): Tensor2D => tf.tensor2d(Array.from({ length: rows * columns }, (_, i) => Math.sin(i * 1.3 + shift)), [rows, columns]);

/** A small network of an argument, a captured variable and a captured constant. */
function network(options: JitOptions | null) {
  const w = tf.variable(matrix(4, 3, 1));
  const scale = tf.tensor1d([1, 2, 0.5]);
  const layer = (x: Tensor): Tensor => tf.mul(tf.tanh(tf.matMul(x as Tensor2D, w as unknown as Tensor2D)), scale);
  return { w, layer: options ? jit(layer, options) : layer };
}

const loss = (y: Tensor): Scalar => tf.sum(tf.square(tf.sub(y, 0.3))) as Scalar;

for (const [name, options, tolerance] of [["float32", {}, 1e-6], ["XLA", { xla: true }, 1e-5], ["bfloat16", { precision: "bfloat16" }, 2e-2]] as [string, JitOptions, number][]) {
  test(`under a tape the gradients of arguments and of captured variables are the eager ones: ${name}`, () => {
    const [eager, traced] = [network(null), network(options)];
    const x = matrix(2, 4, 0);
    const results = [eager, traced].map(({ w, layer }) => {
      const ofArgument = tf.grad((x) => loss(layer(x) as Tensor))(x);
      const [first, second] = tf.grads((a, b) => loss(tf.add(layer(a!) as Tensor, layer(tf.mul(a!, b!)) as Tensor)))([x, tf.scalar(0.5)]);
      const { value, grads } = tf.variableGrads(() => loss(layer(tf.relu(x)) as Tensor), [w]);
      const own = tf.grad((x) => tf.sum(tf.customGrad((x) => ({ value: layer(x as Tensor) as Tensor, gradFunc: (dy) => tf.mul(tf.sum(dy), tf.ones([2, 4])) }))(x)))(x);
      return [ofArgument, first!, second!, value, grads[w.name]!, own].map(numbers);
    });
    results[1]!.forEach((values, i) => allClose(values, results[0]![i]!, tolerance, `result ${i}`));
    assert.equal((traced.layer as unknown as { traces: unknown[] }).traces.length, 2, "one trace with gradient, one for the call inside customGrad");
  });
}

test("several results, integers among them, and one that the loss does not use", () => {
  const f = jit((x: Tensor, i: Tensor) => [tf.exp(x), tf.argMax(x), tf.gather(x, i as Tensor1D), tf.neg(x)]);
  const plain = (x: Tensor, i: Tensor): Tensor[] => [tf.exp(x), tf.argMax(x), tf.gather(x, i as Tensor1D), tf.neg(x)];
  const x = tf.tensor1d([0.5, 2, -1]);
  const i = tf.tensor1d([2, 0, 2], "int32");
  const gradient = (g: typeof plain): number[] => numbers(tf.grad((x) => {
    const [a, which, picked] = g(x, i);
    return tf.add(tf.mul(tf.sum(a!), tf.cast(which!, "float32")), tf.sum(tf.square(picked!)));
  })(x));
  assert.deepEqual(gradient(f as typeof plain), gradient(plain));
  assert.equal(f.traces.length, 1);
});

test("effects happen once, in order, and random numbers are one in both passes", () => {
  const count = tf.variable(tf.scalar(0));
  const f = jit((x: Tensor) => {
    count.assign(tf.add(count, 1) as Scalar);
    return tf.mul(tf.dropout(x, 0.5), count);
  }, { seed: 1 });
  const x = tf.ones([40]);
  for (const call of [1, 2, 3]) {
    const { value, grad } = tf.valueAndGrad((y) => tf.sum(f(y) as Tensor))(x);
    assert.deepEqual(numbers(count), [call]);
    assert.ok(numbers(grad).every((g) => [0, 2 * call].includes(g)));
    allClose(numbers(value), [numbers(grad).reduce((a, b) => a + b)], 1e-6);
  }
});

test("a variable that changes between calls, before and within the traced function", () => {
  const w = tf.variable(tf.scalar(2));
  const f = jit((x: Tensor) => {
    const y = tf.mul(tf.square(x), w);
    w.assign(tf.mul(w, 3) as Scalar);
    return tf.mul(y, w);
  });
  const gradient = tf.grad((x) => tf.sum(f(x) as Tensor));
  // y = x² · w · 3w, so dy/dx = 6·x·w².
  assert.deepEqual(numbers(gradient(tf.scalar(1))), [24]);
  w.assign(tf.scalar(1));
  assert.deepEqual(numbers(gradient(tf.scalar(2))), [12]);
  assert.deepEqual(numbers(w), [3]);
  assert.equal(f.traces.length, 1);
});

test("gradients of gradients, where the tape must see each op", () => {
  const cube = jit((x: Tensor) => tf.pow(x, 3));
  const second = tf.grad((x) => tf.sum(tf.grad((y) => tf.sum(cube(y) as Tensor))(x)));
  allClose(numbers(second(tf.scalar(2))), [12], 1e-5);
  const inside = jit((x: Tensor) => tf.grad((y) => tf.sum(tf.grad((z) => tf.sum(cube(z) as Tensor))(y)))(x));
  allClose(numbers(inside(tf.scalar(2))), [12], 1e-5);
});

test("jit in jit in a gradient, in a jit", () => {
  const square = jit((x: Tensor) => tf.square(x));
  const twice = jit((x: Tensor) => tf.add(square(x) as Tensor, square(tf.mul(x, 2)) as Tensor));
  const outer = jit((x: Tensor) => tf.grad((y) => tf.sum(twice(y) as Tensor))(x));
  assert.deepEqual(numbers(outer(tf.scalar(3))), [30]);
  assert.deepEqual(numbers(tf.grad((x) => tf.sum(twice(x) as Tensor))(tf.scalar(3))), [30]);
});

test("no result that has a gradient: the call is an ordinary one, and the tape finds no path", () => {
  const biggest = jit((x: Tensor) => tf.argMax(x));
  assert.throws(() => tf.grad((x) => tf.cast(biggest(x) as Tensor, "float32"))(tf.tensor1d([1, 3, 2])), /Cannot compute gradient/);
  const v = tf.variable(tf.scalar(0));
  const note = jit((x: Tensor): void => v.assign(tf.sum(x) as Scalar));
  assert.deepEqual(numbers(tf.grad((x) => { note(x); return tf.sum(tf.square(x)); })(tf.tensor1d([1, 2]))), [2, 4]);
  assert.deepEqual(numbers(v), [3]);
});

test("a tensor that the tape has computed comes in as an argument: from outside it would have no gradient", () => {
  const gradient = (f: (x: Tensor, y: Tensor) => Tensor) => tf.grad((x) => f(x, tf.square(x)))(tf.scalar(3));
  assert.throws(() => gradient((x, y) => jit((x: Tensor) => tf.mul(x, y))(x)), /Pass the tensor as an argument/);
  assert.deepEqual(numbers(gradient((x, y) => jit((x: Tensor, y: Tensor) => tf.mul(x, y))(x, y))), [27]);
  const outside = tf.square(tf.scalar(3));
  assert.deepEqual(numbers(gradient((x) => jit((x: Tensor) => tf.mul(x, outside))(x))), [9]);
});

test("nothing is left: tensors, handles, functions and captures, whether or not a backward pass came", () => {
  const { w, layer } = network({});
  const compiled = layer as ReturnType<typeof jit>;
  const x = matrix(2, 4, 0);
  // Values from the host go to TensorFlow with the first use.
  tf.dispose(compiled(x));
  compiled.dispose();
  const [tensors, functions] = [engineMemory(), engineFunctions()];
  for (let round = 0; round < 3; round++) {
    tf.dispose(tf.grad((x) => loss(compiled(x) as unknown as Tensor))(x));
    tf.dispose(tf.grad((x) => { compiled(x); return tf.sum(x); })(x));
    assert.deepEqual(engineMemory().tensors, tensors.tensors, `round ${round}`);
  }
  compiled.dispose();
  assert.deepEqual(engineFunctions(), functions);
  assert.deepEqual(engineMemory(), tensors);
  w.dispose();
});
