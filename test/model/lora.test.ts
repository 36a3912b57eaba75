import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import type { Scalar, Tensor, Tensor2D, Variable } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { generate } from "../../src/generate/generate";
import { disposeGeneration } from "../../src/generate/session";
import { tokenScores } from "../../src/loss/logps";
import { sftLoss } from "../../src/loss/sft";
import { UnsupportedModelError } from "../../src/model/config";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { LORA_TARGETS, addLora, loraScaling, type Lora } from "../../src/model/lora";
import { loadAdapter, saveAdapter } from "../../src/model/loraFiles";
import { allClose } from "../engine/close";
import { randomPrompts } from "../generate/tinyModel";
import { sftAdapter, sftModel } from "../step/sftCase";
import { referenceLogits, weightsOf } from "./reference";

let model: LlamaForCausalLM;
const folder = mkdtempSync(path.join(tmpdir(), "alignlab-lora-"));
before(async () => (model = await sftModel()));
after(() => {
  model.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const ids = [7, 4, 9, 30, 12, 8, 21, 6];

const logitsOf = (subject: LlamaForCausalLM): number[] => tf.tidy(() => Array.from(subject.forward(tf.tensor2d([ids], [1, ids.length], "int32")).dataSync()));

/** Work with an adapter; the model has none afterwards, its weights are what they were, and nothing is left behind. */
async function withAdapter(make: () => Lora, work: (lora: Lora) => Promise<void> | void): Promise<void> {
  const start = engineMemory();
  const lora = make();
  try {
    await work(lora);
  } finally {
    lora.unload();
    assert.deepEqual(engineMemory(), start, "tensors and handles");
  }
}

test("an adapter begins as PEFT's does: A uniform in ±1/√in, B zero, the model's logits as they were", async () => {
  const plain = logitsOf(model);
  await withAdapter(() => addLora(model, { r: 8, loraAlpha: 16, targetModules: "all-linear" }, 3), async (lora) => {
    assert.deepEqual(logitsOf(model), plain);
    assert.equal(lora.parameters.size, 2 * 7 * 2);
    assert.equal(lora.parameterCount, [...lora.parameters.values()].reduce((sum, { size }) => sum + size, 0));
    for (const [name, parameter] of lora.parameters) {
      const values = Array.from(await parameter.data());
      if (name.includes("lora_B")) {
        assert.ok(values.every((value) => value === 0));
        continue;
      }
      const bound = 1 / Math.sqrt(parameter.shape[1]!);
      assert.ok(values.every((value) => Math.abs(value) <= bound));
      // The deviation of a uniform distribution in ±bound is bound/√3.
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
      assert.ok(Math.abs(deviation / (bound / Math.sqrt(3)) - 1) < 0.15, `${name}: ${deviation}`);
    }
  });
  const drawn = async (seed: number): Promise<number[]> => {
    const lora = addLora(model, { targetModules: ["v_proj"] }, seed);
    const values = Array.from(await [...lora.parameters.values()][0]!.data());
    lora.unload();
    return values;
  };
  assert.deepEqual(await drawn(1), await drawn(1));
  assert.notDeepEqual(await drawn(1), await drawn(2));
});

test("logits are those of W + s·B·A in float64; merged, unmerged, cloned and unloaded alike", async () => {
  const plain = logitsOf(model);
  const weights = await weightsOf(model);
  await withAdapter(() => sftAdapter(model), async (lora) => {
    const updated = { ...weights };
    for (const { name } of lora.modules) {
      const [a, b] = await Promise.all([..."AB"].map((matrix) => lora.parameters.get(`base_model.model.${name}.lora_${matrix}.weight`)!.array() as Promise<number[][]>)) as [number[][], number[][]];
      updated[`${name}.weight`] = b.flatMap((row) => a[0]!.map((_, column) => row.reduce((sum, value, k) => sum + value * a[k]![column]!, 0) * 2)).map((delta, i) => weights[`${name}.weight`]![i]! + delta);
    }
    const expected = referenceLogits(ids, updated, model.config).flat();
    const adapted = logitsOf(model);
    allClose(adapted, expected, 1e-5);
    assert.ok(Math.max(...adapted.map((value, i) => Math.abs(value - plain[i]!))) > 0.01, "the adapter has an effect");
    const compiled = jit((x: Tensor2D) => model.forward(x));
    const run = (): number[] => tf.tidy(() => Array.from(compiled(tf.tensor2d([ids], [1, ids.length], "int32")).dataSync()));
    allClose(run(), expected, 1e-5);
    const copy = await model.clone();
    allClose(logitsOf(copy), expected, 1e-5);
    copy.dispose();
    lora.merge();
    assert.throws(() => lora.merge(), /merged already/);
    await assert.rejects(saveAdapter(folder, lora), /merged into the model/);
    allClose(logitsOf(model), expected, 1e-5);
    allClose(run(), expected, 1e-5);
    lora.unmerge();
    assert.throws(() => lora.unmerge(), /not merged/);
    allClose(run(), expected, 1e-5);
    compiled.dispose();
    lora.mergeAndUnload();
    assert.equal(model.adapter, null);
    allClose(logitsOf(model), expected, 1e-5);
  });
  for (const [name, values] of Object.entries(weights)) tf.tidy(() => model.parameters.get(name)!.assign(tf.tensor(values, model.parameters.get(name)!.shape)));
});

test("rank-stabilised scaling is α/√r; bad settings and a second adapter are refused by name", async () => {
  assert.equal(loraScaling({ r: 16, loraAlpha: 8, loraDropout: 0, targetModules: LORA_TARGETS, useRslora: true }), 2);
  for (const [config, message] of [[{ r: 0 }, /r is 0/], [{ loraAlpha: -1 }, /loraAlpha/], [{ loraDropout: 1 }, /loraDropout/], [{ targetModules: ["lm_head"] }, /targetModules.*q_proj/], [{ rank: 4 }, /no rank/]] as const) {
    assert.throws(() => addLora(model, config as never), message);
  }
  await withAdapter(() => addLora(model), () => assert.throws(() => addLora(model), /has an adapter already/));
});

test("generation with an adapter gives the tokens of the merged model, however weights are held", async () => {
  const prompts = randomPrompts([4, 6], 32);
  const tokens = async (subject: LlamaForCausalLM, decodeWeights: "float32" | "bfloat16"): Promise<number[][]> =>
    (await generate(subject, prompts, { maxNewTokens: 8, decodeWeights })).sequences;
  const plain = await tokens(model, "float32");
  const lora = sftAdapter(model);
  const merged = await model.clone();
  const adapted = await tokens(model, "float32");
  assert.deepEqual(adapted, await tokens(merged, "float32"));
  assert.notDeepEqual(adapted, plain);
  const narrow = await tokens(model, "bfloat16");
  assert.equal(narrow.flat().filter((id, i) => id === adapted.flat()[i]).length >= 12, true);
  lora.unload();
  assert.deepEqual(await tokens(model, "float32"), plain);
  for (const each of [model, merged]) await disposeGeneration(each);
  merged.dispose();
});

/** How often kernels run in a forward and backward pass. */
async function kernelsOf(loss: () => Scalar, parameters: Variable[]): Promise<Map<string, number>> {
  let result: { value: Scalar; grads: Record<string, Tensor> } | undefined;
  const { kernels } = await tf.profile(() => {
    result = tf.variableGrads(loss, parameters);
    return result.value;
  });
  tf.dispose(result as never);
  const counts = new Map<string, number>();
  for (const { name } of kernels) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

test("no product is computed for the gradient of a frozen matrix", async () => {
  const input = tf.tensor2d([ids], [1, ids.length], "int32");
  const targets = tf.tensor1d([...ids.slice(1), 3], "int32");
  const loss = (): Scalar => {
    const hidden = tf.reshape(model.hiddenStates({ inputIds: input, positions: tf.tensor2d([ids.map((_, i) => i)], [1, ids.length], "int32"), attention: { bias: tf.zeros([1, 1, ids.length, ids.length]) } }), [ids.length, 32]) as Tensor2D;
    return tf.neg(tf.sum(tokenScores(hidden, model.head, targets).logps)) as Scalar;
  };
  const products = (counts: Map<string, number>): number => (counts.get("BatchMatMul") ?? 0) + (counts.get("_FusedMatMul") ?? 0);
  const full = products(await kernelsOf(loss, [...model.parameters.values()]));
  // Per layer 7 products of weights, forward, for x and for W, and 6 of attention; the head's 3.
  assert.equal(full, 2 * (7 * 3 + 6) + 3);
  const lora = addLora(model, { r: 4, targetModules: "all-linear" });
  const adapted = products(await kernelsOf(loss, [...lora.parameters.values()]));
  // Per module three products forward, and five backward: for x through W and through A, for A and B. The head has one less.
  assert.equal(adapted, 2 * (7 * (3 + 5) + 6) + 2);
  lora.unload();
  tf.dispose([input, targets]);
});

test("gradients of A and B through dropout and checkpointing are those of finite differences", async () => {
  const lora = addLora(model, { r: 2, loraAlpha: 4, loraDropout: 0.4, targetModules: ["q_proj", "o_proj", "up_proj", "down_proj"] }, 8);
  for (const [name, parameter] of lora.parameters) if (name.includes("lora_B")) tf.tidy(() => parameter.assign(tf.randomNormal(parameter.shape, 0, 0.3, "float32", 4)));
  const seed = tf.tensor1d([3, 9], "int32");
  const input = tf.tensor2d([ids], [1, ids.length], "int32");
  const positions = tf.tensor2d([ids.map((_, i) => i)], [1, ids.length], "int32");
  const loss = (dropoutSeed = seed): Scalar => {
    const bias = tf.tensor4d(ids.flatMap((_, i) => ids.map((_, j) => (j <= i ? 0 : -1e9))), [1, 1, ids.length, ids.length]);
    const states = model.hiddenStates({ inputIds: input, positions, attention: { bias }, dropoutSeed });
    return sftLoss(tf.reshape(tf.matMul(tf.reshape(states, [-1, 32]) as Tensor2D, model.head, false, true), [1, ids.length, 32]), input);
  };
  const parameters = [...lora.parameters.values()];
  const gradientsOf = (): Record<string, number[]> => tf.tidy(() => Object.fromEntries(Object.entries(tf.variableGrads(() => loss(), parameters).grads).map(([name, gradient]) => [name, Array.from(gradient.dataSync())])));
  const found = gradientsOf();
  model.gradientCheckpointing = true;
  const checkpointed = gradientsOf();
  model.gradientCheckpointing = false;
  const at = (parameter: Variable, place: number, by: number): number => tf.tidy(() => {
    const values = parameter.dataSync().slice();
    const before = values[place]!;
    values[place] = before + by;
    parameter.assign(tf.tensor(values, parameter.shape));
    const value = loss().dataSync()[0]!;
    values[place] = before;
    parameter.assign(tf.tensor(values, parameter.shape));
    return value;
  });
  for (const parameter of parameters) {
    allClose(checkpointed[parameter.name]!, found[parameter.name]!, 1e-6);
    const place = Math.floor(parameter.size / 3);
    const step = 0.02;
    const slope = (8 * (at(parameter, place, step) - at(parameter, place, -step)) - (at(parameter, place, 2 * step) - at(parameter, place, -2 * step))) / (12 * step);
    assert.ok(Math.abs(slope - found[parameter.name]![place]!) < 2e-4, `${parameter.name}: ${slope} and ${found[parameter.name]![place]}`);
  }
  const other = tf.tensor1d([4, 9], "int32");
  assert.notEqual(tf.tidy(() => loss(other).dataSync()[0]), tf.tidy(() => loss().dataSync()[0]));
  lora.unload();
  tf.dispose([seed, input, positions, other]);
});

test("an adapter is saved in PEFT's layout and read back bit for bit; what does not fit is named", async () => {
  const dir = path.join(folder, "adapter");
  const lora = sftAdapter(model);
  const saved = await Promise.all([...lora.parameters].map(async ([name, parameter]) => [name, Array.from(await parameter.data())] as const));
  await saveAdapter(dir, lora, { baseModel: "some/model" });
  lora.unload();
  const config = JSON.parse(readFileSync(path.join(dir, "adapter_config.json"), "utf8")) as Record<string, unknown>;
  assert.deepEqual([config.peft_type, config.r, config.lora_alpha, config.target_modules, config.base_model_name_or_path], ["LORA", 4, 8, [...LORA_TARGETS], "some/model"]);
  await withAdapter(() => loadAdapter(model, dir), async (again) => {
    assert.deepEqual(await Promise.all([...again.parameters].map(async ([name, parameter]) => [name, Array.from(await parameter.data())])), saved);
  });
  const refused = (change: Record<string, unknown>, message: RegExp): void => {
    writeFileSync(path.join(dir, "adapter_config.json"), JSON.stringify({ ...config, ...change }));
    assert.throws(() => loadAdapter(model, dir), (error: Error) => error instanceof UnsupportedModelError && message.test(error.message));
    assert.equal(model.adapter, null);
  };
  refused({ use_dora: true }, /use_dora = true/);
  refused({ rank_pattern: { q_proj: 2 } }, /rank_pattern/);
  refused({ peft_type: "IA3" }, /peft_type/);
  refused({ r: 5 }, /lora_A.weight has shape \[4,32\]/);
  refused({ a_new_way: 3 }, /a_new_way = 3/);
  assert.throws(() => loadAdapter(model, folder), /adapter_config.json is missing/);
});
