import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { BFLOAT16_VARIABLE } from "../../src/engine/precision";
import type { HfConfig } from "../../src/hub/config";
import { saveModelFolder } from "../../src/hub/save";
import { parseEncoderConfig } from "../../src/model/encoderConfig";
import { gelu, layerNorm } from "../../src/model/encoderOps";
import { loadModel, saveModel } from "../../src/model/load";
import { loadSequenceClassifier } from "../../src/model/loadClassifier";
import { allClose } from "../engine/close";
import { inTemporaryFolder } from "../hub/python";
import { FAMILIES, fixture, fixtureConfig, fixtureEncoder, fixtureTokenizer } from "./encoderFixture";
import { weightsOf } from "./reference";

// bfloat16 is tested on processors without its instructions too.
process.env[BFLOAT16_VARIABLE] = "1";

const int = (rows: number[][]): Tensor2D => tf.tensor2d(rows, undefined, "int32");

for (const family of FAMILIES) {
  test(`${family}: logits of padded texts and gradients are PyTorch's`, async () => {
    const start = engineMemory();
    const { input_ids: ids, attention_mask: mask, token_type_ids: types, logits, loss, gradients } = fixture[family].figures;
    const model = await fixtureEncoder(family);
    assert.deepEqual(new Set(model.parameters.keys()), new Set(Object.keys(gradients)));
    const inputs = [int(ids), int(mask), int(types ?? ids.map((row) => row.map(() => 0)))] as const;
    const variables = [...model.parameters.values()];
    const withGradients = (...[ids, mask, types]: Tensor[]): Tensor[] => {
      const forward = () => model.forward(ids as Tensor2D, mask as Tensor2D, types as Tensor2D);
      const { value, grads } = tf.variableGrads(() => tf.mean(tf.square(forward())), variables);
      return [forward(), value, ...variables.map(({ name }) => grads[name]!)];
    };
    const compiled = jit(withGradients);
    model.gradientCheckpointing = false;
    const runs: [string, Tensor[]][] = [["compiled", compiled(...inputs)], ["op by op", tf.tidy(() => withGradients(...inputs))]];
    model.gradientCheckpointing = true;
    runs.push(["checkpointed", tf.tidy(() => withGradients(...inputs))]);
    for (const [how, [scores, value, ...found]] of runs) {
      assert.deepEqual(scores!.shape, [ids.length, model.numLabels]);
      allClose(await scores!.data(), logits.flat(), 1e-5, `logits, ${how}`);
      allClose(await value!.data(), [loss], 1e-5, `loss, ${how}`);
      for (const [i, name] of [...model.parameters.keys()].entries()) {
        const values = (await found[i]!.data()) as Float32Array;
        const { norm, every, values: some } = gradients[name]!;
        allClose([Math.hypot(...values)], [norm], 2e-5, `norm of ${name}, ${how}`);
        allClose(values.filter((_, at) => at % every === 0), some, 2e-5, `${name}, ${how}`);
      }
      tf.dispose([scores!, value!, ...found]);
    }
    compiled.dispose();
    tf.dispose([...inputs]);
    model.dispose();
    assert.deepEqual(engineMemory(), start);
  });

  test(`${family}: the tokenizer's ids are Python's`, () => {
    const tokenizer = fixtureTokenizer(family);
    for (const { text, ids } of fixture[family].encodings) assert.deepEqual(tokenizer.encode(text, { addSpecialTokens: true }), ids, text);
    const { text, text_pair, input_ids, token_type_ids: types } = fixture[family].pairEncoding;
    const pair = tokenizer.encodePair(text, text_pair);
    assert.deepEqual(pair.ids, input_ids);
    if (types) assert.deepEqual(pair.tokenTypeIds, types);
  });

  test(`${family}: saved in transformers' layout and loaded again; more padding, and other texts beside it, change nothing`, () => inTemporaryFolder(async (dir) => {
    const start = engineMemory();
    const model = await fixtureEncoder(family);
    const folder = path.join(dir, "classifier");
    await saveModel(folder, { model, tokenizer: fixtureTokenizer(family) }, { card: "" });
    const config = JSON.parse(readFileSync(path.join(folder, "config.json"), "utf8")) as Record<string, unknown>;
    for (const [key, value] of Object.entries(fixture[family].config)) if (!/dtype/.test(key)) assert.deepEqual(config[key], value, key);
    assert.deepEqual([config.rms_norm_eps, config.rope_theta], [undefined, undefined]);
    const again = await loadSequenceClassifier(folder);
    assert.deepEqual(await weightsOf(again.model), await weightsOf(model));
    assert.deepEqual([again.model.labels, again.hasFreshHead, again.model.padTokenId], [model.labels, false, fixture[family].config.pad_token_id]);
    assert.match(again.model.fingerprint ?? "", /^[0-9a-f]{64}$/);
    await assert.rejects(loadSequenceClassifier(folder, { numLabels: 7 }), /has a head for \d+ labels?, numLabels is 7/);
    await assert.rejects(loadModel(folder), /is an encoder \(\w+\): it reads texts and generates none\. Load it as a classifier with loadSequenceClassifier/);
    const [first] = fixture[family].encodings.map(({ ids }) => ids);
    const padded = [...first!, ...Array<number>(5).fill(model.padTokenId!)];
    const alone = tf.tidy(() => again.model.forward(int([first!])).dataSync());
    const filled = tf.tidy(() => again.model.forward(int([padded]), int([padded.map((_, i) => (i < first!.length ? 1 : 0))])).dataSync());
    allClose(filled, alone, 1e-6);
    for (const each of [model, again.model]) each.dispose();
    assert.deepEqual(engineMemory(), start);
  }));

  test(`${family}: a body alone gets a fresh head, whether its file names the family or not`, () => inTemporaryFolder(async (dir) => {
    const whole = await fixtureEncoder(family);
    const weights = await weightsOf(whole);
    const prefix = `${family}.`;
    const body = Object.keys(weights).filter((name) => name.startsWith(prefix));
    const { id2label: _, label2id: __, ...config } = fixtureConfig(family);
    const folders = await Promise.all([(name: string) => name, (name: string) => name.slice(prefix.length).replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")].map(async (rename, i) => {
      const folder = path.join(dir, `body${i}`);
      const tensors = body.map((name) => ({ name: rename(name), shape: whole.parameters.get(name)!.shape, data: Float32Array.from(weights[name]!) }));
      await saveModelFolder(folder, { config: config as HfConfig, tensors, tokenizer: fixtureTokenizer(family), card: "" });
      return folder;
    }));
    for (const folder of folders) {
      const { model, hasFreshHead } = await loadSequenceClassifier(folder, { numLabels: 4, seed: 3 });
      const { model: same } = await loadSequenceClassifier(folder, { numLabels: 4, seed: 3 });
      const found = await weightsOf(model);
      for (const name of body) assert.deepEqual(found[name], weights[name], name);
      assert.deepEqual(await weightsOf(same), found);
      assert.deepEqual([model.numLabels, model.labels[3], hasFreshHead, model.fingerprint], [4, "LABEL_3", true, null]);
      assert.equal((model.hfConfig.architectures as string[])[0], { bert: "BertForSequenceClassification", distilbert: "DistilBertForSequenceClassification", roberta: "RobertaForSequenceClassification" }[family]);
      for (const name of model.headParameters) {
        const deviation = Math.hypot(...found[name]!) / Math.sqrt(found[name]!.length);
        if (name.endsWith(".bias")) assert.equal(deviation, 0, name);
        else assert.ok(Math.abs(deviation / 0.02 - 1) < 0.25, `${name}: ${deviation}`);
      }
      model.dispose();
      same.dispose();
    }
    whole.dispose();
  }));
}

test("bert: the pooler is the body's; where a body lacks it, it is fresh too", () => inTemporaryFolder(async (dir) => {
  const whole = await fixtureEncoder("bert");
  assert.deepEqual(whole.headParameters, ["classifier.weight", "classifier.bias"]);
  const names = [...whole.parameters.keys()].filter((name) => name.startsWith("bert.") && !name.includes("pooler"));
  const folder = path.join(dir, "body");
  const tensors = await Promise.all(names.map(async (name) => ({ name, shape: whole.parameters.get(name)!.shape, data: await whole.read(name) })));
  await saveModelFolder(folder, { config: fixtureConfig("bert"), tensors, tokenizer: fixtureTokenizer("bert"), card: "" });
  const { model } = await loadSequenceClassifier(folder);
  const { "bert.pooler.dense.weight": pooler } = await weightsOf(model);
  assert.ok(Math.abs(Math.hypot(...pooler!) / Math.sqrt(pooler!.length) / 0.02 - 1) < 0.2);
  model.dispose();
  whole.dispose();
}));

test("bfloat16 is near float32, and other numbers", async () => {
  const model = await fixtureEncoder("bert");
  const { input_ids: ids, attention_mask: mask, token_type_ids: types, logits } = fixture.bert.figures;
  const inputs = [ids, mask, types!].map(int) as [Tensor2D, Tensor2D, Tensor2D];
  const narrow = jit((...inputs: Tensor2D[]) => model.forward(inputs[0]!, inputs[1], inputs[2]), { precision: "bfloat16" });
  const result = narrow(...inputs);
  const values = await result.data();
  allClose(values, logits.flat(), 0.05);
  assert.notDeepEqual([...values].map((value) => value.toFixed(4)), logits.flat().map((value) => value.toFixed(4)));
  narrow.dispose();
  tf.dispose([result, ...inputs]);
  model.dispose();
});

/** Central differences of Σ f(x)·w in float64. */
function differences(f: (x: number[]) => number[], x: number[], w: number[]): number[] {
  const sum = (x: number[]): number => f(x).reduce((total, y, i) => total + y * w[i]!, 0);
  return x.map((value, i) => (sum(x.with(i, value + 1e-5)) - sum(x.with(i, value - 1e-5))) / 2e-5);
}

test("GELU and layer normalisation, and their gradients, are those of their formulas in float64", async () => {
  const x = Array.from({ length: 12 }, (_, i) => Math.sin(7 * i + 1) * (i % 4 === 3 ? 4 : 1));
  const w = x.map((_, i) => Math.cos(3 * i));
  const [scale, shift] = [[0.5, 1.5, -1, 2], [0.1, -0.2, 0.3, 0]];
  // Φ(x) by its series: (1 + erf(x/√2))/2, erf(z) = 2/√π Σ (−1)ⁿ z²ⁿ⁺¹ / (n!(2n+1)), which 60 terms settle for |z| ≤ 3.
  const cumulative = (x: number): number => {
    const z = x / Math.SQRT2;
    let [term, sum] = [z, z];
    for (let n = 1; n < 60; n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    return 0.5 + sum / Math.sqrt(Math.PI);
  };
  const geluOf = (x: number[]): number[] => x.map((value) => value * cumulative(value));
  const normOf = (x: number[]): number[] => [0, 4, 8].flatMap((row) => {
    const part = x.slice(row, row + 4);
    const mean = part.reduce((a, b) => a + b) / 4;
    const deviation = Math.sqrt(part.reduce((total, value) => total + (value - mean) ** 2, 0) / 4 + 1e-5);
    return part.map((value, i) => ((value - mean) / deviation) * scale[i]! + shift[i]!);
  });
  const [input, weights, norm] = [tf.tensor2d(x, [3, 4]), tf.tensor2d(w, [3, 4]), { weight: tf.tensor1d(scale), bias: tf.tensor1d(shift) }];
  for (const [name, f, ours] of [["gelu", geluOf, gelu], ["layer norm", normOf, (x: Tensor2D) => layerNorm(x, norm, 1e-5)]] as const) {
    const result = ours(input);
    const gradient = tf.grad((x: Tensor) => tf.sum(tf.mul(ours(x as Tensor2D), weights)))(input);
    allClose(await result.data(), f(x), 1e-6, name);
    allClose(await gradient.data(), differences(f, x, w), 1e-5, `gradient of ${name}`);
    tf.dispose([result, gradient]);
  }
  tf.dispose([input, weights, norm.weight, norm.bias]);
});

test("compiled for many values, where each is one pass over memory, they and their gradients are what they are op by op", async () => {
  const shape = [300, 256] as const;
  const [x, w] = [1, 2].map((seed) => tf.randomNormal([...shape], 0, 1, "float32", seed)) as [Tensor2D, Tensor2D];
  const norm = { weight: tf.randomNormal([256], 1, 0.1, "float32", 3) as Tensor1D, bias: tf.randomNormal([256], 0, 0.1, "float32", 4) as Tensor1D };
  const both = (x: Tensor2D, w: Tensor2D, weight: Tensor1D, bias: Tensor1D): Tensor[] => {
    const { value, grads } = tf.valueAndGrads((...[x, weight, bias]: Tensor[]) => tf.sum(tf.mul(gelu(layerNorm(x as Tensor2D, { weight: weight as Tensor1D, bias: bias as Tensor1D }, 1e-5)), w)))([x, weight, bias]);
    return [value, ...grads];
  };
  const compiled = jit(both as never) as unknown as typeof both & { dispose(): void };
  const [found, expected] = [compiled(x, w, norm.weight, norm.bias), tf.tidy(() => both(x, w, norm.weight, norm.bias))];
  // Sums over 76,800 values in another order.
  for (const [i, tensor] of expected.entries()) allClose(await found[i]!.data(), await tensor.data(), 1e-4, `result ${i}`);
  compiled.dispose();
  tf.dispose([...found, ...expected, x, w, norm.weight, norm.bias]);
});

test("a config that asks for something else, and texts that are too long, are refused", async () => {
  const refuses = (changes: object, message: RegExp, family: "bert" | "roberta" | "distilbert" = "bert") => assert.throws(() => parseEncoderConfig({ ...fixture[family].config, ...changes } as HfConfig), message);
  refuses({ model_type: "llama" }, /model_type is "llama"; "bert", "distilbert" and "roberta" are encoders/);
  refuses({ hidden_size: undefined }, /hidden_size is undefined; a positive whole number/);
  refuses({ dim: 30 }, /dim 30 is not a multiple of n_heads 4/, "distilbert");
  refuses({ hidden_act: "silu" }, /hidden_act is "silu"; "gelu" and "relu" are supported/);
  refuses({ position_embedding_type: "relative_key" }, /position_embedding_type is "relative_key"/);
  refuses({ is_decoder: true }, /is_decoder is true; only encoders/);
  refuses({ pad_token_id: null }, /pad_token_id is null; RoBERTa counts positions from it/, "roberta");
  const model = await fixtureEncoder("roberta");
  assert.equal(model.maxTokens, 118);
  tf.tidy(() => assert.throws(() => model.forward(tf.ones([1, 119], "int32")), /The texts take 119 tokens, the model has 118 positions/));
  model.dispose();
});
