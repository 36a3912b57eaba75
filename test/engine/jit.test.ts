import assert from "node:assert/strict";
import { test } from "node:test";
import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { rawOp, tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit, type JitFunction } from "../../src/engine/jit";
import { TraceError } from "../../src/engine/traceError";

const one = tf.keep(tf.scalar(1));
const table = tf.keep(tf.tensor1d([10, 20, 30]));
const index = (i: number): Tensor1D => tf.tensor1d([i], "int32");
/** On the device from the start: tfjs keeps the values it is given on the host until an op asks for them. */
const onDevice = <T extends Tensor>(x: T): T => tf.tidy(() => x.clone().add(tf.scalar(0, x.dtype))) as T;
const value = async (x: Tensor | Tensor[] | void): Promise<number[]> => Array.from(await (x as Tensor).data());

test("one result, several, none, an input, something from outside, a constant", async () => {
  assert.deepEqual(await value(jit((x: Tensor) => tf.add(x, 1))(one)), [2]);
  const [a, b] = jit((x: Tensor) => [tf.add(x, 1), tf.mul(table, x)])(tf.scalar(2));
  assert.deepEqual([await value(a), await value(b)], [[3], [20, 40, 60]]);
  assert.equal(jit((): void => undefined)(), undefined);
  assert.deepEqual(await value(jit((x: Tensor) => x)(one)), [1]);
  assert.deepEqual(await value(jit(() => table)()), [10, 20, 30]);
  assert.deepEqual(await value(jit(() => tf.tensor1d([4, 5]))()), [4, 5]);
  assert.deepEqual(jit(() => [])(), []);
});

test("ALIGNLAB_XLA is the default of xla; a call with strings is never compiled by XLA", async () => {
  const given = process.env.ALIGNLAB_XLA;
  // XLA clamps an index that op by op is out of bounds, which shows who computes.
  const last = (x: Tensor): Tensor => tf.gather(table, x as Tensor1D);
  const lower = (x: Tensor): Tensor => rawOp("StringLower", [x], { encoding: "" });
  try {
    process.env.ALIGNLAB_XLA = "1";
    assert.deepEqual(await value(jit(last)(index(9))), [30]);
    await assert.rejects(value(jit(last, { xla: false })(index(9))), /is not in \[0, 3\)/);
    assert.deepEqual(await value(jit(lower)(tf.tensor1d(["AB"]))), ["ab"]);
    assert.throws(() => jit(lower, { xla: true, name: "lower" })(tf.tensor1d(["AB"])), /argument 1 of lower holds strings, which XLA does not compile/);
    process.env.ALIGNLAB_XLA = "0";
    await assert.rejects(value(jit(last)(index(9))), /is not in \[0, 3\)/);
    process.env.ALIGNLAB_XLA = "yes";
    assert.throws(() => jit(last), /ALIGNLAB_XLA is "yes"; 1 \(XLA compiles each jit function\) or 0 \(none\) is needed/);
  } finally {
    if (given === undefined) delete process.env.ALIGNLAB_XLA;
    else process.env.ALIGNLAB_XLA = given;
  }
});

test("large tensors from outside are captured, and may be disposed after the trace", async () => {
  const large = tf.range(0, 50_000);
  const add = jit((x: Tensor) => tf.sum(tf.add(large, x)));
  const expected = await value(add(tf.scalar(0)));
  large.dispose();
  assert.deepEqual(await value(add(tf.scalar(0))), expected);
  assert.ok(Math.abs(expected[0]! - (50_000 * 49_999) / 2) < 200);
});

test("one trace for each signature of dtypes and shapes", async () => {
  let runs = 0;
  const double = jit((x: Tensor) => {
    runs++;
    return tf.mul(x, tf.scalar(2, x.dtype));
  });
  for (const x of [tf.ones([2]), tf.zeros([2]), tf.ones([3]), tf.ones([3, 1]), tf.ones([3], "int32")]) await value(double(x));
  assert.equal(runs, 4);
  assert.deepEqual(double.traces.map(({ signature }) => signature), ["float32[2]", "float32[3]", "float32[3,1]", "int32[3]"]);
  assert.ok(double.traces.every(({ nodes, milliseconds }) => nodes > 0 && milliseconds > 0));
});

test("reading a traced value says what to do instead", async () => {
  const readers: Record<string, (x: Tensor) => unknown> = { dataSync: (x) => x.dataSync(), arraySync: (x) => x.arraySync(), print: (x) => x.print(), toString: (x: Tensor) => String(x) };
  for (const [name, read] of Object.entries(readers)) {
    const reading = jit((x: Tensor) => {
      read(tf.mul(x, 2));
      return x;
    });
    assert.throws(() => reading(one), (error) => error instanceof TraceError && /Return it from the function and read it after the call/.test(error.message), name);
  }
  const promises: Promise<unknown>[] = [];
  await value(jit((x: Tensor) => {
    promises.push(x.data(), x.array());
    for (const promise of promises) promise.catch(() => undefined);
    return tf.add(x, 0);
  })(one));
  for (const promise of promises) await assert.rejects(promise, TraceError);
});

test("a tensor that escapes from a trace is refused wherever it is used", async () => {
  let escaped: Tensor | null = null;
  const leaking = jit((x: Tensor) => {
    escaped = tf.mul(x, 2);
    return tf.add(escaped, 1);
  });
  await value(leaking(one));
  const use: (() => unknown)[] = [() => escaped!.dataSync(), () => tf.add(escaped!, 1), () => String(escaped), () => leaking(escaped!), () => jit((x: Tensor) => tf.add(x, escaped!))(one)];
  for (const attempt of use) assert.throws(attempt, (error) => error instanceof TraceError && /used outside of the call that made it/.test(error.message));

  let kept: Tensor | null = null;
  const before = engineMemory().tensors;
  await value(jit((x: Tensor) => tf.add((kept = tf.keep(tf.mul(x, 2))), 1))(one));
  assert.throws(() => tf.add(kept!, 1), TraceError);
  kept!.dispose();
  assert.ok(engineMemory().tensors <= before + 1);
});

test("a failed trace leaves nothing behind, and the next one works", async () => {
  const large = onDevice(tf.ones([20_000]));
  const before = engineMemory();
  let escaped: Tensor | null = null;
  const failing: ((x: Tensor) => Tensor)[] = [
    (x) => { tf.add(x, large); throw new Error("of the user's own"); },
    (x) => { escaped = tf.add(x, large); return tf.scalar(escaped.dataSync()[0]!); },
    (x) => tf.matMul(tf.ones([2, 3]), tf.mul(x, tf.ones([2, 3]))),
    (x) => tf.grad((y) => { tf.mul(y, large).dataSync(); return tf.sum(y); })(x),
    (x) => { tf.variable(x); return x; },
    () => 3 as unknown as Tensor,
    (async (x: Tensor) => x) as unknown as (x: Tensor) => Tensor,
  ];
  const messages = [/own/, /tracing/, /Dimensions must be equal/, /tracing/, /tf\.variable was made inside/, /returned number/, /is asynchronous/];
  for (const [i, fn] of failing.entries()) {
    assert.throws(() => jit(fn)(one), messages[i]);
    assert.deepEqual(engineMemory(), before, `case ${i}`);
    const next = jit((x: Tensor) => tf.add(x, 1));
    const result = next(one);
    assert.deepEqual(await value(result), [2]);
    result.dispose();
    next.dispose();
  }
  assert.throws(() => escaped!.dataSync(), TraceError);
  assert.deepEqual(engineMemory(), before);
  assert.throws(() => jit((x: Tensor) => x)(3 as unknown as Tensor), /argument 1 of the function is not a tensor/);
  large.dispose();
});

test("variables are read and written in program order, and later calls see what was assigned", async () => {
  const v = tf.variable(tf.scalar(1));
  const step = jit((x: Tensor) => {
    const first = tf.add(v, 0);
    v.assign(tf.add(v, x) as Scalar);
    const second = tf.add(v, 0);
    v.assign(tf.mul(v, 10) as Scalar);
    return tf.stack([first, second, v]);
  });
  assert.deepEqual(await value(step(one)), [1, 2, 20]);
  assert.deepEqual(await value(step(one)), [20, 21, 210]);
  assert.deepEqual(await value(v), [210]);
  v.assign(tf.scalar(5));
  assert.deepEqual([...v.dataSync()], [5]);
  assert.deepEqual(await value(step(one)), [5, 6, 60]);
  assert.throws(() => v.assign(tf.ones([2]) as unknown as Scalar), /shape|\[2\]/);
  assert.equal(step.traces.length, 1);
});

test("reads after a step that was not awaited see its result", async () => {
  const v = tf.variable(tf.zeros([200, 200]));
  const step = jit((): void => {
    let x: Tensor = tf.add(v, 1);
    for (let i = 0; i < 20; i++) x = tf.matMul(x as Tensor2D, tf.eye(200));
    v.assign(x as never);
  });
  for (let i = 1; i <= 3; i++) {
    step();
    assert.equal((await v.data())[0], 2 * i - 1);
    step();
    assert.equal(tf.max(v).dataSync()[0], 2 * i);
  }
});

test("optimisers of tfjs work inside: gradients of captured variables", async () => {
  const w = tf.variable(tf.tensor1d([1, 2]));
  const losses: number[] = [];
  const step = jit((x: Tensor) => {
    const { value: loss, grads } = tf.variableGrads(() => tf.sum(tf.square(tf.sub(w, x))) as Scalar, [w]);
    w.assign(tf.sub(w, tf.mul(grads[w.name]!, 0.25)) as never);
    return loss;
  });
  const target = tf.tensor1d([0, 0]);
  for (let i = 0; i < 3; i++) losses.push(...(await value(step(target))));
  // Each step halves w, so the loss falls to a quarter.
  assert.deepEqual(losses, [5, 1.25, 0.3125]);
});

test("jit inside jit and under a gradient tape", async () => {
  const square = jit((x: Tensor) => tf.mul(x, x));
  const outer = jit((x: Tensor) => tf.add(square(x) as Tensor, square(tf.add(x, 1)) as Tensor));
  assert.deepEqual(await value(outer(tf.scalar(3))), [25]);
  assert.equal(square.traces.length, 0);
  assert.deepEqual(await value(tf.grad((x) => tf.sum(square(x) as Tensor))(tf.scalar(3))), [6]);
  const gradient = jit((x: Tensor) => tf.grad((y) => tf.sum(square(y) as Tensor))(x));
  assert.deepEqual(await value(gradient(tf.scalar(4))), [8]);
});

test("dispose frees what was captured; the function can be called again", async () => {
  const large = onDevice(tf.ones([20_000]));
  const before = engineMemory();
  const sum = jit((x: Tensor) => tf.sum(tf.mul(large, x)));
  for (let i = 0; i < 2; i++) {
    const result = sum(one);
    assert.deepEqual(await value(result), [20_000]);
    result.dispose();
    sum.dispose();
    assert.equal(sum.traces.length, 0);
    assert.deepEqual(engineMemory(), before);
  }
});

test("an op that fails rejects the read with its reason, and later calls work", async () => {
  const pick: JitFunction<[Tensor], Tensor> = jit((i: Tensor) => tf.gather(table, i as Tensor1D), { name: "pick" });
  for (let round = 0; round < 3; round++) {
    await assert.rejects(() => pick(index(7)).data(), /indices\[0\] = 7 is not in \[0, 3\)/);
    assert.deepEqual(await value(pick(index(2))), [30]);
    assert.throws(() => pick(index(-1)).dataSync(), /is not in \[0, 3\)/);
    assert.deepEqual(await value(pick(index(0))), [10]);
    assert.throws(() => tf.add(pick(index(9)), 1).dataSync(), /is not in \[0, 3\)/);
    assert.deepEqual(await value(pick(index(1))), [20]);
  }
});

test("a failure that nobody read is told once, by the next call or read of a variable", async () => {
  const v = tf.variable(tf.scalar(1));
  const set = jit((i: Tensor): void => v.assign(tf.sum(tf.gather(table, i as Tensor1D)) as Scalar), { name: "set" });
  set(index(7));
  assert.throws(() => v.dataSync(), /An earlier compiled call failed: .*indices\[0\] = 7/s);
  assert.deepEqual([...v.dataSync()], [1]);
  set(index(7));
  await assert.rejects(() => v.data(), /indices\[0\] = 7/);
  set(index(2));
  assert.deepEqual(await value(v), [30]);
});

test("a failed call leaves no tensor and no handle", async () => {
  const pick = jit((i: Tensor) => tf.gather(table, i as Tensor1D));
  const [good, bad] = [onDevice(index(1)), onDevice(index(7))];
  pick(good).dispose();
  const before = engineMemory();
  for (let i = 0; i < 5; i++) {
    const result = pick(bad);
    await assert.rejects(() => result.data());
    result.dispose();
    const after = pick(good);
    assert.deepEqual(await value(after), [20]);
    after.dispose();
    assert.deepEqual(engineMemory(), before);
  }
});

test("counts are equal after every one of twenty calls with variables, captures and several results", async () => {
  const v = tf.variable(tf.ones([16]));
  const large = tf.ones([20_000]);
  const step = jit((x: Tensor) => {
    const gradient = tf.grad((y) => tf.add(tf.sum(tf.mul(y, v)), tf.mean(large)))(x);
    v.assign(tf.add(v, gradient) as never);
    return [gradient, tf.sum(v)];
  });
  const x = tf.ones([16]);
  tf.dispose(step(x));
  const before = engineMemory();
  for (let i = 0; i < 20; i++) {
    const results = step(x);
    await Promise.all(results.map((result) => result.data()));
    tf.dispose(results);
    assert.deepEqual(engineMemory(), before);
  }
});

test("the event loop turns while a long function computes, and while a variable waits for it", async () => {
  const v = tf.variable(tf.zeros([384, 384]));
  const x = tf.randomNormal([384, 384], 0, 0.05);
  const long = jit((x: Tensor) => {
    let y = x;
    for (let i = 0; i < 60; i++) y = tf.tanh(tf.matMul(y as Tensor2D, x as Tensor2D));
    v.assign(y as never);
    return tf.sum(y);
  });
  await value(long(x));
  const ticksDuring = async (work: () => Promise<unknown>): Promise<number> => {
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await work();
    clearInterval(timer);
    return ticks;
  };
  assert.ok((await ticksDuring(() => long(x).data())) > 0);
  long(x);
  assert.ok((await ticksDuring(() => v.data())) > 0);
});
