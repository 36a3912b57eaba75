import { test } from "node:test";
import type { Tensor, Tensor1D, Tensor2D, Tensor4D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { attend, MOST_KEPT_KEYS, rearrange, residual, rmsNorm, rotary, swiGlu } from "../../src/model/ops";
import { allClose } from "../engine/close";

// Large enough that traced parts are fused; test/model/llama.test.ts holds the same ops, unfused, against float64.
let seed = 0;
const random = (...shape: number[]): Tensor => tf.randomNormal(shape, 0, 1, "float32", ++seed);

const table = { cos: random(2, 64, 1, 32), sin: random(2, 64, 1, 32) };
const bias = tf.mul(tf.cast(tf.greater(random(2, 1, 48, 80), 0.5), "float32"), -1e9) as Tensor4D;
const there = Array.from(tf.util.createShuffledIndices(200));
const back = there.map((_, i) => there.indexOf(i));

const cases: Record<string, { inputs: Tensor[]; op: (...inputs: Tensor[]) => Tensor }> = {
  swiGlu: { inputs: [random(300, 256), random(300, 256), random(64, 256)], op: (gate, up, down) => swiGlu(gate!, up!, tf.mul(down!, 0.1) as Tensor2D) },
  residual: { inputs: [random(300, 256), random(300, 256)], op: (x, y) => residual(x!, y!) },
  rmsNorm: { inputs: [random(4, 300, 64), random(64)], op: (x, weight) => rmsNorm(x!, weight as Tensor1D, 1e-5) },
  rotary: { inputs: [random(2, 64, 16, 32)], op: (x) => rotary(x as Tensor4D, table, 0.125) },
  attend: { inputs: [random(2, 12, 48, 32), random(2, 3, 80, 32), random(2, 3, 80, 32)], op: (q, k, v) => attend(tf.mul(q!, 0.2) as Tensor4D, k as Tensor4D, v as Tensor4D, bias) },
  rearrange: { inputs: [random(200, 400)], op: (x) => rearrange(x as never, tf.tensor1d(there, "int32"), tf.tensor1d(back, "int32")) },
};

for (const [name, { inputs, op }] of Object.entries(cases)) {
  test(`${name}: traced and fused as eager, gradients too`, async () => {
    const weights = random(...op(...inputs).shape);
    const valueAndGradients = (...inputs: Tensor[]): Tensor[] => {
      const value = op(...inputs);
      return [value, ...tf.grads((...inputs: Tensor[]) => tf.sum(tf.mul(op(...inputs), weights)))(inputs)];
    };
    const eager = valueAndGradients(...inputs);
    const traced = jit(valueAndGradients)(...inputs);
    for (const [i, result] of traced.entries()) {
      allClose((await result.data()) as Float32Array, (await eager[i]!.data()) as Float32Array, 2e-5, i === 0 ? "value" : `gradient of input ${i}`);
    }
  });
}

for (const keys of [80, MOST_KEPT_KEYS + 32]) {
  test(`attend over ${keys} keys: value and gradients are those of plain ops`, async () => {
    const [q, k, v] = [random(2, 6, 16, 8), random(2, 3, keys, 8), random(2, 3, keys, 8)];
    const bias = tf.mul(tf.cast(tf.greater(random(2, 1, 16, keys), 0.5), "float32"), -1e9) as Tensor4D;
    const weights = random(2, 6, 16, 8);
    const plain = (q: Tensor, k: Tensor, v: Tensor): Tensor => {
      const eachHead = (x: Tensor): Tensor => tf.reshape(tf.stack([x, x], 2), [2, 6, keys, 8]);
      return tf.matMul(tf.softmax(tf.add(tf.matMul(q, eachHead(k), false, true), bias)), eachHead(v));
    };
    const attended = (q: Tensor, k: Tensor, v: Tensor): Tensor => attend(q as Tensor4D, k as Tensor4D, v as Tensor4D, bias);
    const withGradients = (op: (q: Tensor, k: Tensor, v: Tensor) => Tensor) => (q: Tensor, k: Tensor, v: Tensor): Tensor[] =>
      [op(q, k, v), ...tf.grads((q: Tensor, k: Tensor, v: Tensor) => tf.sum(tf.mul(op(q, k, v), weights)))([q, k, v])];
    const expected = withGradients(plain)(q, k, v);
    for (const results of [withGradients(attended)(q, k, v), jit(withGradients(attended))(q, k, v)]) {
      for (const [i, result] of results.entries()) allClose((await result.data()) as Float32Array, (await expected[i]!.data()) as Float32Array, 2e-5, i === 0 ? "value" : `gradient of input ${i}`);
    }
  });
}
