import assert from "node:assert/strict";
import { test } from "node:test";
import type { Scalar, Tensor, Tensor1D, Variable } from "@tensorflow/tfjs";
import { tf, toResource } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { RandomSource } from "../../src/engine/random";

const numbers = (x: Tensor): number[] => Array.from(x.dataSync());

/** A variable before and after a trace has made it TensorFlow's. */
const KINDS: Record<string, (values: number[]) => Variable> = {
  "as tfjs makes it": (values) => tf.variable(tf.tensor1d(values)),
  "in TensorFlow's memory": (values) => toResource(tf.variable(tf.tensor1d(values))),
};

for (const [kind, make] of Object.entries(KINDS)) {
  test(`a variable ${kind}: what was taken from it earlier keeps its value`, () => {
    const v = make([1, 2]);
    const taken = [v.clone(), tf.reshape(v, [2, 1]), tf.cast(v, "float32"), tf.expandDims(v), tf.clone(v), tf.tensor1d(v.dataSync() as Float32Array), v.add(0)];
    v.assign(tf.tensor1d([3, 4]));
    for (const [i, tensor] of taken.entries()) assert.deepEqual(numbers(tensor), [1, 2], String(i));
    assert.deepEqual(numbers(v), [3, 4]);
    v.dispose();
    for (const tensor of taken) assert.deepEqual(numbers(tensor), [1, 2]);
    tf.dispose(taken);
  });

  test(`a variable ${kind}: assigning another's value or its own copies it`, () => {
    const [a, b] = [make([1, 2]), make([5, 6])];
    a.assign(b as never);
    b.assign(tf.tensor1d([7, 8]));
    assert.deepEqual([numbers(a), numbers(b)], [[5, 6], [7, 8]]);
    a.assign(a as never);
    assert.deepEqual(numbers(a), [5, 6]);
    tf.dispose([a, b]);
  });

  test(`a variable ${kind}: another dtype or shape is refused with both named, and the value stays`, () => {
    const v = make([1, 2]);
    assert.throws(() => v.assign(tf.tensor1d([1, 2], "int32")), /int32.*float32|float32.*int32/s);
    assert.throws(() => v.assign(tf.tensor1d([1, 2, 3])), /2.*3|3.*2/s);
    const inside = jit((x: Tensor): void => v.assign(x as never));
    assert.throws(() => inside(tf.tensor1d([1, 2], "int32")), /the variable is float32 \[2\], the new value int32 \[2\]/);
    assert.throws(() => inside(tf.ones([1, 2])), /the variable is float32 \[2\], the new value float32 \[1,2\]/);
    assert.deepEqual(numbers(v), [1, 2]);
    v.dispose();
    assert.throws(() => v.assign(tf.tensor1d([1, 2])), /assign: the variable .* is disposed/);
    inside.dispose();
  });

  test(`a variable ${kind}: the tensor it was made of is its own`, () => {
    const before = engineMemory();
    const initial = tf.tensor1d([1, 2]);
    const v = kind.startsWith("as") ? tf.variable(initial) : toResource(tf.variable(initial));
    const double = jit((): void => v.assign(tf.mul(v, 2) as Tensor1D));
    double();
    assert.deepEqual([numbers(initial), numbers(v)], [[1, 2], [2, 4]]);
    initial.dispose();
    double();
    assert.deepEqual(numbers(v), [4, 8]);
    v.dispose();
    double.dispose();
    assert.deepEqual(engineMemory(), before);
  });
}

test("copies within a trace keep the value of their moment", () => {
  const v = tf.variable(tf.tensor1d([1, 2]));
  const step = jit((x: Tensor) => {
    const [copy, column] = [v.clone(), tf.reshape(v, [2, 1])];
    v.assign(tf.add(v, x) as Tensor1D);
    const after = tf.clone(v);
    v.assign(tf.mul(v, 10) as Tensor1D);
    return [copy, tf.reshape(column, [2]), after, v];
  });
  assert.deepEqual(step(tf.scalar(1)).map(numbers), [[1, 2], [1, 2], [2, 3], [20, 30]]);
  assert.deepEqual(step(tf.scalar(0)).map(numbers), [[20, 30], [20, 30], [20, 30], [200, 300]]);
  step.dispose();
  v.dispose();
});

test("assigned eagerly between calls, before and after the first trace, and read in every way", async () => {
  const v = tf.variable(tf.scalar(1));
  const times = jit((x: Tensor) => tf.mul(v, x));
  const call = (x: number): number => numbers(times(tf.scalar(x)))[0]!;
  v.assign(tf.scalar(2));
  assert.equal(call(10), 20);
  v.assign(tf.scalar(3));
  assert.equal(call(10), 30);
  v.assign(tf.add(v, v) as Scalar);
  assert.equal(call(10), 60);
  assert.deepEqual([v.arraySync(), await v.array(), numbers(v), Array.from(await v.data())], [6, 6, [6], [6]]);
  assert.match(String(v), /6/);
  assert.equal(times.traces.length, 1);
  times.dispose();
  v.dispose();
});

test("integer and boolean variables, and a gradient step by tfjs's own optimiser", () => {
  const steps = tf.variable(tf.scalar(0, "int32"));
  const seen = tf.variable(tf.tensor1d([false, false], "bool"));
  const count = jit((mask: Tensor): void => {
    steps.assign(tf.add(steps, tf.scalar(1, "int32")) as Scalar);
    seen.assign(tf.logicalOr(seen, mask) as Tensor1D);
  });
  count(tf.tensor1d([true, false], "bool"));
  count(tf.tensor1d([true, false], "bool"));
  assert.deepEqual([numbers(steps), numbers(seen)], [[2], [1, 0]]);
  const w = tf.variable(tf.tensor1d([4, -2]));
  const descend = jit(() => {
    const { value, grads } = tf.variableGrads(() => tf.sum(tf.square(w)) as Scalar, [w]);
    tf.train.sgd(0.25).applyGradients(grads);
    return value;
  });
  assert.deepEqual([numbers(descend()), numbers(descend()), numbers(w)], [[20], [5], [1, -0.5]]);
  count.dispose();
  descend.dispose();
  tf.dispose([steps, seen, w]);
});

test("a variable that is disposed after the trace is an error that says so", () => {
  const v = tf.variable(tf.ones([2]));
  const f = jit((x: Tensor) => tf.add(v, x), { name: "adds_v" });
  numbers(f(tf.scalar(1)));
  v.dispose();
  assert.throws(() => numbers(f(tf.scalar(1))), /adds_v.*tf\.variable.*disposed/s);
  f.dispose();
});

/** A program of reads, writes and sums over three variables; the same steps eager and traced. */
function program(random: RandomSource, variables: Variable[], x: Tensor, inner: (body: () => void) => void): Tensor[] {
  const results: Tensor[] = [];
  let last: Tensor = x;
  const action = (): void => {
    const [a, b] = [variables[random.integer(3)]!, variables[random.integer(3)]!];
    switch (random.integer(6)) {
      case 0: a.assign(tf.add(a, tf.mul(last, 0.5)) as never); break;
      case 1: a.assign(tf.sub(b, a) as never); break;
      case 2: last = a.clone(); break;
      case 3: last = tf.add(tf.reshape(a, [2]), b); break;
      case 4: a.assign(b as never); break;
      default: results.push(tf.add(a, last));
    }
  };
  for (let i = 0; i < 25; i++) {
    if (random.integer(5) === 0) inner(() => { action(); action(); });
    else action();
  }
  return [...results, last, ...variables.map((v) => v.clone())];
}

test("forty random programs of reads and writes give traced what they give eager, nested jit included", () => {
  for (let seed = 0; seed < 40; seed++) {
    const run = (traced: boolean): number[][] => {
      const variables = [1, 2, 3].map((n) => tf.variable(tf.tensor1d([n, -n])));
      const body = (x: Tensor): Tensor[] => program(new RandomSource(seed), variables, x, (part) => (traced ? jit((): void => part())() : part()));
      const f = traced ? jit(body) : body;
      const x = tf.tensor1d([0.5, 0.25]);
      const values = [0, 1].flatMap(() => f(x).map(numbers));
      tf.dispose(variables);
      return values;
    };
    assert.deepEqual(run(true), run(false), `program ${seed}`);
  }
});
