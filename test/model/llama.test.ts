import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { dpoLoss } from "../../src/loss/dpo";
import { getLogProb, tokenLogps } from "../../src/loss/logps";
import { pairLogps, pairTensorList, pairTensorsFrom, toPairTensors } from "../../src/loss/pairs";
import { LlamaForCausalLM, parameterShapes } from "../../src/model/llama";
import { packPairs } from "../../src/tokens/packing";
import { allClose } from "../engine/close";
import { randomPrompts, tinyModel } from "../generate/tinyModel";
import { referenceDpoLoss, referenceLogits, referenceLogp, weightsOf, type Weights } from "./reference";

const VOCABULARY = 40;
// Two layers of width 32 in float32 with weights of 0.35: logits of size 10 are off by a few 1e-5.
const LOGIT_TOLERANCE = 2e-4;

let model: LlamaForCausalLM;
let weights: Weights;
before(async () => {
  model = await tinyModel({ vocab: VOCABULARY });
  weights = await weightsOf(model);
});
after(() => model.dispose());

const sequences = randomPrompts([7, 3, 5], VOCABULARY);
const expected = (): number[][][] => sequences.map((ids) => referenceLogits(ids, weights, model.config));

/** Logits of each sequence's own tokens from one padded batch. */
function padded(side: "left" | "right"): number[][][] {
  const length = 9;
  const start = (ids: number[]): number => (side === "left" ? length - ids.length : 0);
  const place = (value: (ids: number[], t: number) => number, filler: number): Tensor2D =>
    tf.tensor2d(sequences.map((ids) => Array.from({ length }, (_, i) => (i >= start(ids) && i < start(ids) + ids.length ? value(ids, i - start(ids)) : filler))), undefined, "int32");
  return tf.tidy(() => {
    const logits = model.forward(place((ids, t) => ids[t]!, 33), place(() => 1, 0)).arraySync();
    return sequences.map((ids, i) => logits[i]!.slice(start(ids), start(ids) + ids.length));
  });
}

test("logits are those of the architecture written in float64, alone and padded on either side", () => {
  const right = expected();
  assert.ok(right.flat(2).some((logit) => Math.abs(logit) > 3), "logits must be far from 0 for this test to mean anything");
  const alone = sequences.map((ids) => tf.tidy(() => model.forward(tf.tensor2d([ids], undefined, "int32")).arraySync()[0]!));
  for (const [name, logits] of Object.entries({ alone, right: padded("right"), left: padded("left") })) {
    logits.forEach((rows, i) => allClose(rows.flat(), right[i]!.flat(), LOGIT_TOLERANCE, `${name}, sequence ${i}`));
  }
});

test("a head of its own, heads without groups and a head size other than hidden ÷ heads", async () => {
  const config = { ...model.hfConfig, vocab_size: 12, hidden_size: 12, intermediate_size: 10, num_attention_heads: 2, num_key_value_heads: 2, head_dim: 4, tie_word_embeddings: false, rope_theta: 500 };
  let seed = 0;
  const other = await LlamaForCausalLM.create(config, (_, shape) => Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => Math.sin(++seed * 1.7)));
  const ids = [3, 11, 0, 5];
  const logits = tf.tidy(() => other.forward(tf.tensor2d([ids], undefined, "int32")).arraySync()[0]!);
  allClose(logits.flat(), referenceLogits(ids, await weightsOf(other), other.config).flat(), LOGIT_TOLERANCE);
  assert.equal(other.parameterCount, [...parameterShapes(other.config).values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b), 0));
  assert.ok(other.parameters.has("lm_head.weight") && other.head !== other.embedTokens);
  other.dispose();
});

// The first and the last begin alike, as prompts with one system message do.
const prompts = randomPrompts([6, 2, 9], VOCABULARY, 21).map((prompt, i) => (i === 1 ? prompt : [11, 12, 13, ...prompt]));
const chosen = randomPrompts([3, 8, 1], VOCABULARY, 22);
const rejected = randomPrompts([5, 1, 4], VOCABULARY, 23);
const rows = prompts.map((prompt, i) => ({ prompt_input_ids: prompt, chosen_input_ids: chosen[i]!, rejected_input_ids: rejected[i]! }));

test("log-probabilities of packed pairs are those of plain sequences, by getLogProb and in float64", async () => {
  // Small multiples leave little padding, large ones much.
  for (const [lengthMultiple, widthMultiple] of [[4, 4], [64, 4], [4, 64]]) {
    const packed = packPairs(rows, { padTokenId: 0, lengthMultiple, widthMultiple, predictionMultiple: 8 });
    const tensors = toPairTensors(packed);
    const results = jit((...list: Tensor[]) => {
      const { chosen, rejected } = pairLogps(model, pairTensorsFrom(list), 3);
      return [chosen, rejected];
    })(...pairTensorList(tensors));
    for (const [side, answers] of [[results[0]!, chosen], [results[1]!, rejected]] as const) {
      const values = (await side.data()) as Float32Array;
      allClose(values, prompts.map((prompt, i) => referenceLogp(prompt, answers[i]!, weights, model.config)), 1e-4, `multiples ${lengthMultiple}, ${widthMultiple}`);
      const plain = prompts.map((prompt, i) => tf.tidy(() => {
        const ids = tf.tensor2d([[...prompt, ...answers[i]!]], undefined, "int32");
        const mask = tf.tensor2d([[...prompt.map(() => 0), ...answers[i]!.map(() => 1)]], undefined, "int32");
        return getLogProb(model.forward(ids), ids, mask).dataSync()[0]!;
      }));
      allClose(values, plain, 1e-4, "getLogProb");
    }
  }
});

test("log-probabilities by chunks of the head are those of the whole product, with its gradients", () => {
  const count = 1700;
  const hidden = tf.randomNormal([count, 4], 0, 1, "float32", 3) as Tensor2D;
  const head = tf.randomNormal([6, 4], 0, 1, "float32", 4) as Tensor2D;
  const targets = tf.tensor1d(Array.from({ length: count }, (_, i) => i % 6), "int32");
  const weight = tf.cos(tf.range(0, count));
  const whole = (h: Tensor, w: Tensor): Tensor => tf.sum(tf.mul(tf.logSoftmax(tf.matMul(h as Tensor2D, w as Tensor2D, false, true)), tf.oneHot(targets, 6)), 1);
  allClose(tokenLogps(hidden, head, targets).dataSync(), whole(hidden, head).dataSync(), 1e-5);
  const gradients = (f: (h: Tensor, w: Tensor) => Tensor): Tensor[] => tf.grads((h, w) => tf.sum(tf.mul(f(h!, w!), weight)))([hidden, head]);
  const [ours, theirs] = [gradients((h, w) => tokenLogps(h as Tensor2D, w as Tensor2D, targets)), gradients(whole)];
  ours.forEach((gradient, i) => allClose(gradient.dataSync(), theirs[i]!.dataSync(), 1e-5, `gradient ${i}`));
});

test("gradients of the packed DPO loss are central differences of the float64 loss", async () => {
  const margins = [0.4, -1.5, 2];
  const beta = 0.3;
  const lossOf = (w: Weights): number => referenceDpoLoss(prompts.map((prompt, i) => ({ prompt, chosen: chosen[i]!, rejected: rejected[i]!, margin: margins[i]! })), beta, w, model.config);
  const tensors = toPairTensors(packPairs(rows, { padTokenId: 0, lengthMultiple: 4, widthMultiple: 4, predictionMultiple: 8 }));
  const variables = [...model.parameters.values()];
  const [loss, ...gradients] = jit(() => {
    const { value, grads } = tf.variableGrads(() => {
      const { chosen, rejected } = pairLogps(model, tensors, 3);
      return dpoLoss(chosen, rejected, tf.tensor1d(margins), tf.zeros([3]) as Tensor1D, beta)[0];
    }, variables);
    return [value, ...variables.map(({ name }) => grads[name]!)];
  })();
  allClose(await loss!.data() as Float32Array, [lossOf(weights)], 1e-5, "loss");
  const names = [...model.parameters.keys()];
  // With a step of 1e-4 a central difference errs by about 1e-8; the gradient's float32 rounding through two layers is what is left.
  const step = 1e-4;
  for (const [i, name] of names.entries()) {
    const values = (await gradients[i]!.data()) as Float32Array;
    const largest = values.reduce((best, value, at) => (Math.abs(value) > Math.abs(values[best]!) ? at : best), 0);
    for (const at of [largest, 1]) {
      const moved = (by: number): number => lossOf({ ...weights, [name]: weights[name]!.with(at, weights[name]![at]! + by) });
      const difference = (moved(step) - moved(-step)) / (2 * step);
      assert.ok(Math.abs(values[at]! - difference) < 2e-5 + 2e-4 * Math.abs(difference), `${name}[${at}]: ${values[at]}, by differences ${difference}`);
    }
    assert.ok(Math.abs(values[largest]!) > 1e-4, `${name} has a gradient`);
  }
});

test("a clone has weights of its own; weights are copied in place", async () => {
  const start = engineMemory();
  const copy = await model.clone();
  tf.tidy(() => copy.parameters.get("model.norm.weight")!.assign(tf.zeros([32]) as never));
  assert.equal((await model.finalNorm.data())[0], Math.fround(weights["model.norm.weight"]![0]!));
  copy.copyWeightsFrom(model);
  assert.deepEqual(await weightsOf(copy), weights);
  const other = await LlamaForCausalLM.create({ ...model.hfConfig, num_hidden_layers: 1 }, (_, shape) => new Float32Array(shape.reduce((a, b) => a * b)));
  assert.throws(() => copy.copyWeightsFrom(other), /the other model has no model\.layers\.1/);
  copy.dispose();
  other.dispose();
  assert.deepEqual(engineMemory(), start);
});

test("making, running and disposing models leaves no tensor and no handle", async () => {
  const start = engineMemory();
  for (let i = 0; i < 3; i++) {
    const copy = await model.clone();
    tf.tidy(() => copy.forward(tf.tensor2d([[1, 2, 3]], undefined, "int32")).dataSync());
    copy.dispose();
    assert.deepEqual(engineMemory(), start);
  }
  await assert.rejects(LlamaForCausalLM.create(model.hfConfig, (name, shape) => {
    if (name === "model.layers.1.mlp.up_proj.weight") throw new Error("cut short");
    return new Float32Array(shape.reduce((a, b) => a * b));
  }), /cut short/);
  await assert.rejects(LlamaForCausalLM.create(model.hfConfig, () => new Float32Array(3)), /model\.embed_tokens\.weight has 3 values, the config's shape \[40,32\] needs 1280/);
  assert.deepEqual(engineMemory(), start);
});
