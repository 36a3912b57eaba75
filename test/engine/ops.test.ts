import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit, type JitOptions } from "../../src/engine/jit";
import { OP_CASES } from "./cases/all";
import { inputsOf, onJavaScriptBackend, valueAndGradients, weightOf, type OpCase } from "./cases/case";
import { gradients, NO_OPS, opsIn, usedOps, watchCalls, type UsedOps } from "./cases/coverage";
import { RAW_CASES, RAW_INPUT, type RawCase } from "./cases/raw";
import { allClose } from "./close";

// Float32 results of at most 36 terms of size up to about 10: 1e-5 is some ten times their rounding, and far below any wrong formula.
const VALUE_TOLERANCE = 1e-5;
// Central differences in float64 with a step of 1e-5 err by 1e-9; what remains is the float32 gradient's own rounding through a few ops.
const GRADIENT_TOLERANCE = 3e-5;
const STEP = 1e-5;
// TensorFlow rewrites a whole graph (it folds and merges ops), so the last bits may differ.
const TRACED_TOLERANCE = 2e-6;
// XLA has approximations of its own for exp, tanh and the like, good to some units in the last place of their terms.
const XLA_TOLERANCE = 2e-5;

/** What XLA on the CPU does not compile, with what it says. An entry that compiles after all fails the test. */
const NOT_IN_XLA: Record<string, RegExp> = {
  dilation2d: /XLA does not compile the op Dilation2D/,
  InplaceUpdate: /XLA does not compile the op InplaceUpdate/,
};

/** Gradients for kernels that no op of tfjs calls: tf.broadcastTo is Tile to it, tf.logSoftmax has a gradient of its own. */
const NO_KERNEL = ["BroadcastTo", "LogSoftmax"];

const seen = watchCalls();
const numbers = (tensor: Tensor): ArrayLike<number> => tensor.dataSync();

function differences({ reference, values }: OpCase, input: number): number[] {
  const loss = (x: number[][]): number => reference!(...x).reduce((sum, value, i) => sum + value * weightOf(i), 0);
  return values[input]!.map((x, i) => {
    const moved = (by: number): number[][] => values.map((array, k) => (k === input ? array.with(i, x + by) : array));
    return (loss(moved(STEP)) - loss(moved(-STEP))) / (2 * STEP);
  });
}

/** Value and gradients as they should be, computed by something else than TensorFlow. */
function expected(op: OpCase): ArrayLike<number>[] {
  return op.reference ? [op.reference(...op.values), ...op.values.map((_, i) => differences(op, i))] : onJavaScriptBackend(op);
}

/** What jit makes of the case is what the eager ops make of it. */
async function compareTraced(run: (...x: Tensor[]) => Tensor[], inputs: Tensor[], eager: Tensor[], options: JitOptions, tolerance: number): Promise<void> {
  const compiled = jit(run, options);
  let traced: Tensor[] = [];
  try {
    traced = compiled(...inputs);
    for (const [i, tensor] of traced.entries()) {
      assert.deepEqual([tensor.shape, tensor.dtype], [eager[i]!.shape, eager[i]!.dtype]);
      allClose((await tensor.data()) as Float32Array, numbers(eager[i]!), tolerance, `output ${i}`);
    }
  } finally {
    tf.dispose(traced);
    compiled.dispose();
  }
}

async function compareXla(name: string, run: (...x: Tensor[]) => Tensor[], inputs: Tensor[], eager: Tensor[]): Promise<void> {
  const compared = compareTraced(run, inputs, eager, { xla: true }, XLA_TOLERANCE);
  const reason = NOT_IN_XLA[name];
  await (reason ? assert.rejects(compared, reason, "XLA has learnt it: take it off the list") : compared);
}

test(`${OP_CASES.length} ops: values and gradients right, the same when traced, the same from XLA`, async (t) => {
  for (const op of OP_CASES) {
    await t.test(op.name, async () => {
      const right = expected(op);
      const before = engineMemory();
      const inputs = inputsOf(op);
      const eager = tf.tidy(() => valueAndGradients(op, inputs));
      eager.forEach((tensor, i) => {
        if (i > 0) assert.deepEqual(tensor.shape, op.shapes[i - 1]);
        allClose(numbers(tensor), right[i]!, i === 0 ? VALUE_TOLERANCE : GRADIENT_TOLERANCE, i === 0 ? "value" : `gradient of input ${i}`);
      });
      const run = (...x: Tensor[]): Tensor[] => valueAndGradients(op, x);
      await compareTraced(run, inputs, eager, {}, TRACED_TOLERANCE);
      await compareXla(op.name, run, inputs, eager);
      tf.dispose([inputs, eager]);
      assert.deepEqual(engineMemory(), before);
    });
  }
});

/** Runs a raw case on variables of its own. Returns its results and what became of the variables. */
function runRaw({ run, variables }: RawCase, x: Tensor, compile: (f: (x: Tensor) => Tensor[]) => (x: Tensor) => Tensor[]): Tensor[] {
  const made = variables.map((values) => tf.variable(tf.tensor1d(values)));
  const results = compile((x) => run(x, made))(x);
  const after = made.map((variable) => variable.clone());
  tf.dispose(made);
  return [...results, ...after];
}

test(`${RAW_CASES.length} ops by TensorFlow's own names: right, the same when traced, the same from XLA`, async (t) => {
  const x = tf.tensor2d(RAW_INPUT, [2, 3]);
  for (const op of RAW_CASES) {
    await t.test(op.name, async () => {
      const eager = runRaw(op, x, (f) => f);
      if (op.reference) {
        const right = op.reference(RAW_INPUT, op.variables);
        assert.equal(eager.length, right.length);
        eager.forEach((tensor, i) => allClose(numbers(tensor), right[i]!, VALUE_TOLERANCE, `output ${i}`));
      }
      const values = (options: JitOptions): ArrayLike<number>[] => {
        const functions: { dispose(): void }[] = [];
        const results = runRaw(op, x, (f) => {
          const compiled = jit(f, options);
          functions.push(compiled);
          return compiled as unknown as (x: Tensor) => Tensor[];
        }).map((tensor) => numbers(tensor));
        for (const compiled of functions) compiled.dispose();
        return results;
      };
      values({}).forEach((traced, i) => allClose(traced, numbers(eager[i]!), TRACED_TOLERANCE, `traced output ${i}`));
      const xla = (): void => values({ xla: true }).forEach((compiled, i) => {
        // XLA draws other numbers from the same seed.
        if (op.reference) allClose(compiled, numbers(eager[i]!), XLA_TOLERANCE, `XLA's output ${i}`);
        else assert.equal(compiled.length, eager[i]!.size);
      });
      const reason = NOT_IN_XLA[op.name];
      if (reason) assert.throws(xla, reason, "XLA has learnt it: take it off the list");
      else xla();
    });
  }
});

test("the gradient of a complex number's size", async () => {
  const run = (...[x]: Tensor[]): Tensor[] => [tf.abs(x!), tf.grad((y) => tf.sum(tf.mul(tf.abs(y), 3)))(x!)];
  const x = tf.complex([3, 0], [4, 2]);
  const eager = run(x);
  allClose(numbers(eager[0]!), [5, 2], 1e-6);
  await compareTraced(run, [x], eager, {}, TRACED_TOLERANCE);
});

test("every op that the library calls has a case, and so has every gradient that tfjs knows", () => {
  const used = usedOps();
  assert.ok(used.tfjs.size > 60 && used.raw.size > 15, "the source was read");
  assert.deepEqual([...used.tfjs].filter((name) => !seen.tfjs.has(name)).sort(), [], "tfjs's ops without a case in test/engine/cases");
  assert.deepEqual([...used.raw].filter((name) => !seen.raw.has(name)).sort(), [], "TensorFlow's ops without a case in test/engine/cases/raw.ts");
  assert.deepEqual(used.unreadable, [], "calls whose op cannot be told from the source");
  assert.deepEqual([...NO_OPS].filter((name) => !used.noOps.has(name)), [], "no longer used: take it off NO_OPS");
  const known = gradients();
  assert.ok(known.length > 90);
  const reachable = known.filter((name) => !NO_KERNEL.includes(name));
  assert.deepEqual(known.filter((name) => !tf.getKernel(name, "tensorflow")), NO_KERNEL);
  assert.deepEqual(reachable.filter((name) => !seen.gradients.has(name)), [], "gradients without a case");
});

test("an op in the source is found however it is called", () => {
  const found = (text: string): UsedOps => {
    const used: UsedOps = { tfjs: new Set(), raw: new Set(), noOps: new Set(), unreadable: [] };
    opsIn("file.ts", text, used);
    return used;
  };
  assert.deepEqual([...found('tf.add(tf.linalg.bandPart(x, 1, 1), tf.mul(a, b).sqrt().slice(1)); tf.tidy(f); tf.util.arraysEqual(a, b)').tfjs].sort(), ["add", "linalg.bandPart", "mul", "sqrt"]);
  assert.deepEqual([...found('rawOp("A", [x]); rawOps(\n  "B", y); updateVariables("C", {}); const reduce = (name: "Sum" | "Mean", x: T) => rawOp(name, [x]);').raw].sort(), ["A", "B", "C", "Mean", "Sum"]);
  for (const call of ["rawOp(which", "updateVariables(name", "rawOps(`Op${n}`"]) assert.deepEqual(found(`${call}, [x])`).unreadable, [`file.ts: ${call}`]);
});
