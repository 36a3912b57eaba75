import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Scalar, Tensor } from "@tensorflow/tfjs";
import { binding, rawOp, tf } from "../../src/engine/backend";
import { c, cString } from "../../src/engine/capi";
import { fuse } from "../../src/engine/fuse";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { engineFunctions } from "../../src/engine/nativeCounts";

/** On the device from the start: tfjs keeps the values it is given on the host until an op asks for them. */
const onDevice = (shape: number[]): Tensor => tf.tidy(() => tf.add(tf.zeros(shape), 1));
const [one, pair, large] = [onDevice([]), onDevice([2]), onDevice([20_000])] as [Tensor, Tensor, Tensor];
const v = tf.variable(tf.scalar(2));
// The variable moves to TensorFlow's memory with the first trace.
const first = jit(() => tf.add(v, 1));
first().dispose();
first.dispose();

/** Everything that must be as it was. */
function everything() {
  const { gradientDepth, kernelDepth, activeTape, scopeStack, registeredVariables } = tf.engine().state;
  return {
    ...engineMemory(), ...engineFunctions(), recorder: binding.recorder, gradientDepth, kernelDepth, tape: activeTape?.length ?? 0,
    scopes: scopeStack.length, variables: Object.keys(registeredVariables).length, ownKeep: tf.engine().keep.name,
  };
}
const isKnown = (name: string): boolean => c.TFE_ContextHasFunction(binding.context.handle, cString(name)) !== 0;

test("functions and captures are counted, and TensorFlow forgets the functions when they are disposed", () => {
  const before = everything();
  const f = jit((x: Tensor) => tf.add(tf.sum(large), tf.mul(v, x)), { name: "counted" });
  tf.dispose([f(one), f(pair)]);
  const made = engineFunctions();
  assert.deepEqual([made.functions - before.functions, made.captures - before.captures, made.graphs], [2, 4, 0]);
  const names = [...Array(5000).keys()].map((i) => `counted_${i}`).filter(isKnown);
  assert.equal(names.length, 2);
  f.dispose();
  assert.deepEqual(names.filter(isKnown), []);
  assert.deepEqual(everything(), before);
});

test("a part stays while a function calls it, is shared, and is made again under its name", () => {
  const before = engineFunctions().functions;
  const make = () => jit((x: Tensor) => fuse("test_freed", [x], (y) => [tf.sin(y!)], { fewest: 0 })[0]!);
  const [f, g] = [make(), make()];
  tf.dispose([f(one), g(one)]);
  assert.equal(engineFunctions().functions - before, 3);
  f.dispose();
  assert.equal(engineFunctions().functions - before, 2);
  const again = g(one);
  assert.ok(Math.abs(again.dataSync()[0]! - Math.sin(1)) < 1e-6);
  g.dispose();
  assert.equal(engineFunctions().functions, before);
  const last = f(one);
  assert.ok(Math.abs(last.dataSync()[0]! - Math.sin(1)) < 1e-6);
  tf.dispose([again, last]);
  f.dispose();
  assert.equal(engineFunctions().functions, before);
});

const fail = (): never => {
  throw new Error("of the user's own");
};
const failing = tf.customGrad((x) => ({ value: tf.square(x as Tensor), gradFunc: fail }));
const nested = jit((x: Tensor) => { tf.keep(tf.add(x, large)); return fail(); });

const FAILURES: Record<string, (x: Tensor) => Tensor> = {
  "at once": fail,
  "after reading a variable and a large tensor": (x) => { tf.add(tf.add(v, x), large); return fail(); },
  "after writing a variable": (x) => { v.assign(tf.add(v, x) as Scalar); return fail(); },
  "after keeping tensors": (x) => { tf.keep(tf.add(x, 1)); tf.keep(tf.scalar(3)); return fail(); },
  "after making variables": (x) => { tf.variable(x); tf.variable(tf.ones([3])); return fail(); },
  "in scopes left open": (x) => { tf.engine().startScope("mine"); tf.add(x, 1); tf.engine().startScope("mine too"); return fail(); },
  "in a tidy": (x) => tf.tidy(() => { tf.add(x, large); return fail(); }),
  "in the forward pass of a gradient": (x) => tf.grad((y) => { tf.mul(tf.exp(y), large); return fail(); })(x),
  "in the backward pass of a gradient": (x) => tf.grad((y) => tf.sum(tf.mul(failing(tf.exp(y)), large)))(x),
  "in a gradient of a gradient": (x) => tf.grad((y) => tf.grad((z) => { tf.exp(z); return fail(); })(y))(x),
  "in variableGrads": () => tf.variableGrads(() => { tf.mul(v, large); return fail(); }, [v]).value,
  "in a nested jit": (x) => nested(tf.mul(x, 2)),
  "in a nested jit within a gradient": (x) => tf.grad((y) => tf.sum(nested(tf.exp(y))))(x),
  "in a part": (x) => fuse("test_failing", [x], (y) => { tf.sin(y!); return fail(); }, { fewest: 0 })[0]!,
  "after a part": (x) => { fuse("test_before_failing", [x], (y) => [tf.sin(y!)], { fewest: 0 }); return fail(); },
  "in TensorFlow's shape inference": (x) => { tf.add(x, large); return rawOp("MatMul", [tf.ones([2, 3]), tf.ones([2, 3])], { T: { type: 1 } }); },
  "with an unknown op": (x) => rawOp("NoSuchOp", [x], {}),
  "with a result that is no tensor": (x) => [tf.add(x, large), 3] as unknown as Tensor,
  "with an async function": (async (x: Tensor) => tf.add(x, large)) as unknown as (x: Tensor) => Tensor,
  "when it reads a value": (x) => { tf.add(x, large).dataSync(); return x; },
  "with a disposed tensor": (x) => { const y = tf.add(x, 1); y.dispose(); return tf.add(y, 1); },
};

for (const [name, fn] of Object.entries(FAILURES)) {
  test(`a trace that fails ${name} leaves nothing behind`, () => {
    const before = everything();
    const value = v.dataSync()[0];
    for (const options of [{}, { xla: true }]) {
      const f = jit(fn, options);
      assert.throws(() => f(one));
      assert.deepEqual(everything(), before, "called");
      assert.throws(() => tf.grad((x) => tf.sum(f(x)))(one));
      assert.deepEqual(everything(), before, "called under a tape");
      assert.equal(f.traces.length, 0);
    }
    assert.equal(v.dataSync()[0], value);
    const works = jit((x: Tensor) => tf.add(x, v));
    const result = works(one);
    assert.equal(result.dataSync()[0], 3);
    result.dispose();
    works.dispose();
    assert.deepEqual(everything(), before);
  });
}

test("what kept its captures only by a function that is gone is freed with it", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const before = everything();
  const use = (): void => {
    for (let i = 0; i < 5; i++) {
      // It refers to itself, as a function that counts its own traces would.
      const f = jit((x: Tensor): Tensor => tf.add(tf.mul(v, x), f.traces.length + large.size));
      const result = f(one);
      result.dataSync();
      result.dispose();
      tf.dispose(tf.grad((x) => f(x))(one));
    }
  };
  use();
  assert.ok(engineFunctions().functions >= before.functions + 10);
  const collected = async (freed: () => void): Promise<void> => {
    // V8 lets go when its own compiler threads are done with the functions: seconds later where the machine is busy.
    for (let round = 0; round < 1000 && engineFunctions().functions > before.functions; round++) {
      collect();
      await new Promise((resolve) => setTimeout(resolve, 10));
      freed();
    }
    assert.deepEqual(everything(), before);
  };
  // What was called may still compute. Once somebody has waited for it, or with the next trace, it is freed.
  await collected(() => v.dataSync());
  use();
  await collected(() => {
    const next = jit(() => tf.add(v, 1));
    next().dispose();
    next.dispose();
  });
});
