import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Scalar, Tensor, Tensor1D, Tensor2D, Variable } from "@tensorflow/tfjs";
import { tf, toResource } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit, type JitOptions } from "../../src/engine/jit";
import { dpoLoss } from "../../src/loss/dpo";
import { getLogProb } from "../../src/loss/logps";
import { pairLogps, toPairTensors } from "../../src/loss/pairs";
import { checkpointed } from "../../src/model/checkpointing";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { packPairs } from "../../src/tokens/packing";
import { allClose } from "../engine/close";
import { randomPrompts, tinyModel } from "../generate/tinyModel";

const VOCABULARY = 40;
let model: LlamaForCausalLM;
before(async () => {
  model = await tinyModel({ vocab: VOCABULARY });
});
after(() => model.dispose());

const [prompts, chosen, rejected] = [randomPrompts([6, 2, 9], VOCABULARY, 21), randomPrompts([3, 8, 1], VOCABULARY, 22), randomPrompts([5, 1, 4], VOCABULARY, 23)];
const rows = prompts.map((prompt, i) => ({ prompt_input_ids: [11, 12, ...prompt], chosen_input_ids: chosen[i]!, rejected_input_ids: rejected[i]! }));

/** Losses of the packed layout, whose attention has rows of its own, and of a plain padded batch. */
const LOSSES: Record<string, () => Scalar> = {
  "packed pairs": () => {
    const packed = toPairTensors(packPairs(rows, { padTokenId: 0, lengthMultiple: 4, widthMultiple: 4, predictionMultiple: 8 }));
    const logps = pairLogps(model, packed, 3);
    return dpoLoss(logps.chosen, logps.rejected, tf.tensor1d([0.4, -1.5, 2]), tf.zeros([3]) as Tensor1D, 0.3)[0];
  },
  "a padded batch": () => {
    const ids = tf.tensor2d(prompts.map((prompt) => Array.from({ length: 9 }, (_, t) => prompt[t] ?? 0)), undefined, "int32");
    const mask = tf.cast(tf.notEqual(ids, tf.scalar(0, "int32")), "int32") as Tensor2D;
    return tf.mean(getLogProb(model.forward(ids, mask), ids, mask));
  },
};

/** Loss and gradients of every weight, and the nodes that were traced. */
async function measure(lossOf: () => Scalar, gradientCheckpointing: boolean, options: JitOptions | "eager"): Promise<{ values: number[][]; nodes: number }> {
  const variables = [...model.parameters.values()];
  model.gradientCheckpointing = gradientCheckpointing;
  const work = (): Tensor[] => {
    const { value, grads } = tf.variableGrads(lossOf, variables);
    return [value, ...variables.map(({ name }) => grads[name]!)];
  };
  const compiled = jit(work, options === "eager" ? {} : options);
  const results = options === "eager" ? tf.tidy(work) : compiled();
  const values = await Promise.all(results.map(async (result) => Array.from(await result.data())));
  const nodes = compiled.traces[0]?.nodes ?? 0;
  tf.dispose(results);
  compiled.dispose();
  model.gradientCheckpointing = false;
  return { values, nodes };
}

for (const [what, lossOf] of Object.entries(LOSSES)) {
  for (const options of ["eager", { precision: "float32" }, { precision: "bfloat16" }, { precision: "float16" }, { xla: true }] as const) {
    test(`gradients with checkpointing are those without: ${what}, ${JSON.stringify(options)}`, async () => {
      const start = engineMemory();
      const [plain, checkpointed] = [await measure(lossOf, false, options), await measure(lossOf, true, options)];
      // XLA fuses the two programs differently, and sums in another order then.
      const tolerance = options !== "eager" && "xla" in options ? 1e-5 : 1e-6;
      plain.values.forEach((values, i) => allClose(checkpointed.values[i]!, values, tolerance, i === 0 ? "loss" : [...model.parameters.keys()][i - 1]!));
      assert.ok(plain.values.slice(1).every((gradient) => gradient.some((x) => Math.abs(x) > 1e-6)));
      if (options !== "eager") assert.ok(checkpointed.nodes > 1.15 * plain.nodes, `${checkpointed.nodes} nodes for ${plain.nodes}`);
      assert.deepEqual(engineMemory(), start);
    });
  }
}

test("the backward pass runs the part a second time, from the values at hand then", async () => {
  const start = engineMemory();
  const weight = tf.tidy(() => toResource(tf.variable(tf.scalar(3), true, "checkpointing_weight")));
  const runs = tf.tidy(() => toResource(tf.variable(tf.scalar(0), false)));
  let written = 0;
  const part = (x: Tensor, { shift }: { shift: Tensor }): Tensor => {
    written++;
    runs.assign(tf.add(runs, 1) as Scalar);
    return tf.mul(tf.sin(tf.add(tf.mul(x, weight), shift)), x);
  };
  const gradients = (x: Tensor): Tensor[] => {
    const { grads } = tf.variableGrads(() => tf.sum(checkpointed(part, x, { shift: tf.scalar(0.5) }, [weight])), [weight]);
    return [grads[weight.name]!, tf.grad((x) => tf.sum(checkpointed(part, x, { shift: tf.scalar(0.5) }, [weight])))(x)];
  };
  const values = [0.3, -1.2];
  const expected = [values.reduce((sum, x) => sum + x * x * Math.cos(3 * x + 0.5), 0), ...values.map((x) => Math.sin(3 * x + 0.5) + 3 * x * Math.cos(3 * x + 0.5))];
  const compiled = jit((x: Tensor) => gradients(x), { name: "checkpointed_part" });
  for (const run of [(x: Tensor) => tf.tidy(() => gradients(x)), compiled]) {
    const x = tf.tensor1d(values);
    const before = (await runs.data())[0]!;
    const results = run(x);
    allClose((await Promise.all(results.map((result) => result.data()))).flatMap((result) => Array.from(result)), expected, 1e-6);
    assert.equal((await runs.data())[0]! - before, 4, "forward and backward, of two gradients");
    tf.dispose([x, ...results]);
  }
  assert.equal(written, 8);
  compiled.dispose();
  tf.dispose([weight, runs] as Variable[]);
  assert.deepEqual(engineMemory(), start);
});
