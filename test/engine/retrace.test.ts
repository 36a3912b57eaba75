import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit, type JitOptions } from "../../src/engine/jit";
import { explainRetracing } from "../../src/engine/retrace";
import { warnings } from "./warnings";

const sizes = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const sum = (options: JitOptions = {}) => jit((a: Tensor, b: Tensor) => tf.add(tf.sum(a), tf.sum(b)), { name: "sum_of_both", ...options });

test("the fifth signature warns once, says which argument changes, in what, and what to do", () => {
  const f = sum();
  const fixed = tf.ones([3]);
  const call = (n: number): void => tf.dispose(f(fixed, tf.ones([2, n])));
  assert.deepEqual(warnings(() => sizes(1, 4).forEach(call)), []);
  const [warning, ...more] = warnings(() => call(5));
  assert.deepEqual(more, []);
  assert.match(warning!, /sum_of_both has been traced for 5 signatures/);
  assert.match(warning!, /Argument 2 changes \(float32\[2,1\], float32\[2,2\], float32\[2,3\], float32\[2,4\], float32\[2,5\]\)/);
  assert.match(warning!, /axis 1 takes the sizes 1, 2, 3, 4, 5: pad it/);
  assert.match(warning!, /pass|goes in as a tensor \(tf\.scalar\)/);
  assert.doesNotMatch(warning!, /Argument 1|axis 0/);
  assert.deepEqual(warnings(() => sizes(6, 12).forEach(call)), []);
  assert.equal(f.traces.length, 12);
  f.dispose();
  tf.dispose(fixed);
});

test("known signatures are no new ones, and expectedTraces moves or silences the warning", () => {
  const count = (options: JitOptions, upTo: number): number => {
    const f = sum(options);
    const said = warnings(() => {
      for (let round = 0; round < 3; round++) for (const n of sizes(1, upTo)) tf.dispose(f(tf.ones([n]), tf.ones([1])));
    });
    f.dispose();
    return said.length;
  };
  assert.equal(count({}, 4), 0);
  assert.equal(count({}, 5), 1);
  assert.equal(count({ expectedTraces: 6 }, 6), 0);
  assert.equal(count({ expectedTraces: 6 }, 7), 1);
  assert.equal(count({ expectedTraces: Infinity }, 9), 0);
});

test("a changing dtype, rank or number of arguments is named as such", () => {
  const type = (dtype: string, ...shape: number[]) => ({ dtype, shape });
  const dtypes = explainRetracing("f", [[type("float32", 2)], [type("int32", 2)]]);
  assert.match(dtypes, /Argument 1 changes \(float32\[2\], int32\[2\]\); its dtype varies: cast it/);
  assert.doesNotMatch(dtypes, /axis|rank/);
  assert.match(explainRetracing("f", [[type("float32", 2)], [type("float32", 2, 1)]]), /Argument 1 changes .* its rank varies: reshape/);
  const counts = explainRetracing("f", [[type("float32", 2)], [type("float32", 2), type("float32", 3)]]);
  assert.match(counts, /The number of arguments changes \(1, 2\)/);
  assert.doesNotMatch(counts, /Argument/);
  const both = explainRetracing("f", [[type("float32", 2, 3), type("int32", 1)], [type("float32", 4, 5), type("int32", 2)]]);
  assert.match(both, /Argument 1 .*axis 0 takes the sizes 2, 4.*axis 1 takes the sizes 3, 5.*Argument 2 .*axis 0 takes the sizes 1, 2/);
  const many = explainRetracing("f", sizes(1, 9).map((n) => [type("float32", n)]));
  assert.match(many, /axis 0 takes the sizes 1, 2, 3, 4, 5, 6, …/);
});

test("the traces keep their signature, nodes and time", () => {
  const f = sum();
  warnings(() => sizes(1, 5).forEach((n) => tf.dispose(f(tf.ones([n]), tf.ones([n, 2])))));
  assert.deepEqual(f.traces.map(({ signature }) => signature), sizes(1, 5).map((n) => `float32[${n}], float32[${n},2]`));
  assert.ok(f.traces.every(({ nodes, milliseconds }) => nodes > 2 && milliseconds > 0));
  f.dispose();
});
