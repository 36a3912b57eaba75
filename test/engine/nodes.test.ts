import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit, type JitOptions } from "../../src/engine/jit";
import { allClose } from "./close";

const x = tf.tensor2d(Array.from({ length: 24 }, (_, i) => Math.sin(i)), [4, 6]);
const MOST = 500;

/** Nodes that `fn` takes beyond those of `without`. */
function extraNodes(fn: (x: Tensor) => Tensor, without: (x: Tensor) => Tensor, options: JitOptions = {}): number {
  const [more, fewer] = [fn, without].map((one) => {
    const f = jit(one, options);
    f(x).dispose();
    const { nodes } = f.traces[0]!;
    f.dispose();
    return nodes;
  });
  return more! - fewer!;
}

test("reshapes that undo each other or follow each other cost no node", () => {
  const plain = (y: Tensor): Tensor => tf.neg(y);
  assert.equal(extraNodes((y) => tf.neg(tf.reshape(y, [4, 6])), plain), 0);
  assert.equal(extraNodes((y) => tf.neg(tf.reshape(tf.reshape(tf.reshape(y, [24]), [2, 12]), [4, 6])), plain), 0);
  assert.equal(extraNodes((y) => tf.neg(tf.reshape(tf.reshape(y, [2, 12]), [24])), (y) => tf.neg(tf.reshape(y, [24]))), 0);
  assert.equal(extraNodes((y) => { tf.reshape(y, [-1]); return tf.neg(y); }, plain), 0);
});

test("a constant is one node for each dtype, shape and value", () => {
  const sums = (values: (i: number) => Tensor) => (y: Tensor): Tensor => {
    let z = y;
    for (let i = 0; i < 10; i++) z = tf.add(z, values(i));
    return z;
  };
  const same = sums(() => tf.scalar(2));
  assert.equal(extraNodes(sums((i) => tf.scalar(i % 5)), same), 4);
  assert.equal(extraNodes(sums((i) => (i % 2 ? tf.scalar(2) : tf.tensor1d([2]))), same), 1);
  const signs = jit((y: Tensor) => tf.stack([tf.div(tf.max(y), tf.scalar(0)), tf.div(tf.max(y), tf.scalar(-0))]))(x);
  assert.deepEqual(Array.from(signs.dataSync()), [Infinity, -Infinity]);
  const result = jit(sums((i) => (i % 2 ? tf.scalar(1) : tf.scalar(1, "int32"))))(x);
  allClose(result.dataSync() as Float32Array, Array.from(x.dataSync(), (v) => v + 10), 1e-6);
});

test("in bfloat16 a chain of products and reshapes is widened once, at its end, and the values are those of the plain chain", () => {
  const chain = (y: Tensor): Tensor => {
    let z = y;
    for (let i = 0; i < 6; i++) z = tf.reshape(tf.reshape(tf.matMul(tf.reshape(z, [4, 6]) as Tensor2D, tf.eye(6)), [24]), [2, 12]);
    return z;
  };
  const casts = extraNodes(chain, (y) => tf.reshape(y, [2, 12]), { precision: "bfloat16" });
  // Two casts of operands, one of the result, six products with a reshape before each but the first, one identity matrix.
  assert.ok(casts <= 16, `${casts} nodes`);
  const result = jit(chain, { precision: "bfloat16" })(x);
  assert.deepEqual(result.shape, [2, 12]);
  allClose(result.dataSync() as Float32Array, x.dataSync(), 2 ** -7);
});

test("-1 in a shape, scalars, empty tensors and unknown sizes", () => {
  const shapes = jit((y: Tensor) => [tf.reshape(y, [-1, 3]), tf.reshape(tf.sum(y), [1, 1, 1]), tf.reshape(tf.slice(y, [0, 0], [0, 6]), [3, 0])])(x);
  assert.deepEqual(shapes.map(({ shape }) => shape), [[8, 3], [1, 1, 1], [3, 0]]);
  assert.deepEqual(Array.from(shapes[0]!.dataSync()), Array.from(x.dataSync()));
  assert.throws(() => jit((y: Tensor) => tf.reshape(y, [5, 5]))(x), /24.*25|25.*24|size/i);
});

test(`${MOST} ops between reshapes stay ${MOST} nodes`, () => {
  const nodes = extraNodes((y) => {
    let z = y;
    for (let i = 0; i < MOST; i++) z = tf.reshape(tf.sin(tf.reshape(z, [4, 6])), [4, 6]);
    return z;
  }, (y) => y);
  assert.equal(nodes, MOST);
});
