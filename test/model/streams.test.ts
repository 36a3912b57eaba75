import "./twoStreams";
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { jit } from "../../src/engine/jit";
import { RandomSource } from "../../src/engine/random";
import { tokenLogps } from "../../src/loss/logps";
import { pairLogps, toPairTensors } from "../../src/loss/pairs";
import { LlamaForCausalLM } from "../../src/model/llama";
import { partSizes, streamCount } from "../../src/model/streams";
import { packPairs } from "../../src/tokens/packing";
import { randomPrompts } from "../generate/tinyModel";

// Batches large enough to be computed in two parts, beside the same computed whole, op by op.

const VOCABULARY = 300;
const HIDDEN = 256;
const CONFIG = {
  model_type: "llama", vocab_size: VOCABULARY, hidden_size: HIDDEN, intermediate_size: 192, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 16, hidden_act: "silu",
  rms_norm_eps: 1e-5, rope_theta: 10000, max_position_embeddings: 4096, tie_word_embeddings: true, bos_token_id: 1, eos_token_id: 3, pad_token_id: 0,
};

const model = (): Promise<LlamaForCausalLM> => LlamaForCausalLM.create(CONFIG, (name, shape) => {
  const random = new RandomSource(name.length);
  const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.normal() * 0.08);
  return name.includes("norm") ? values.map((x) => 1 + x) : values;
});

const lengths = [[180, 120, 97], [60, 75, 101], [88, 41, 53]] as const;
const [prompts, chosen, rejected] = lengths.map((each, i) => randomPrompts([...each], VOCABULARY, 30 + i));
const pairs = prompts!.map((prompt, i) => ({ prompt_input_ids: [11, 12, ...prompt], chosen_input_ids: chosen![i]!, rejected_input_ids: rejected![i]! }));

const LOSSES: Record<string, (model: LlamaForCausalLM) => Scalar> = {
  "packed pairs, three rows of attention and more": (model) => {
    const { chosen, rejected } = pairLogps(model, toPairTensors(packPairs(pairs, { padTokenId: 0 })), 3);
    return tf.mean(tf.sub(rejected, tf.mul(chosen, 2)));
  },
  "a padded batch of four": (model) => {
    const ids = tf.tensor2d(randomPrompts([150, 150, 150, 150], VOCABULARY, 5), undefined, "int32");
    const mask = tf.tensor2d([150, 20, 149, 77].map((length) => Array.from({ length: 150 }, (_, t) => (t < length ? 1 : 0))), undefined, "int32") as Tensor2D;
    const logits = model.forward(ids as Tensor2D, mask);
    return tf.mean(tf.mul(tf.logSumExp(logits, 2), tf.cast(mask, "float32")));
  },
  "the head alone": (model) => tf.mean(tokenLogps(tf.slice(model.embedTokens, [0, 0], [299, HIDDEN]), model.head, tf.range(1, 300, 1, "int32") as Tensor1D)),
};

test("parts have like sizes", () => {
  assert.deepEqual([partSizes(7, 2), partSizes(6, 3), partSizes(1, 1)], [[4, 3], [2, 2, 2], [1]]);
  assert.equal(streamCount(1 << 20), 1, "outside of a trace");
});

for (const [what, lossOf] of Object.entries(LOSSES)) {
  test(`loss and gradients of a batch in two parts are those of the whole: ${what}`, async () => {
    const own = await model();
    const variables = [...own.parameters.values()];
    const before = engineMemory();
    const work = (): Tensor[] => {
      const { value, grads } = tf.variableGrads(() => lossOf(own), variables);
      return [value, ...variables.flatMap(({ name }) => grads[name] ?? [])];
    };
    const parts: number[] = [];
    for (const [precision, tolerance] of [["float32", 5e-6], ["bfloat16", 5e-2]] as const) {
      const compiled = jit(() => {
        parts.push(streamCount(1 << 20));
        return work();
      }, { precision });
      const [whole, inParts] = [tf.tidy(work), compiled()];
      for (const [i, result] of inParts.entries()) {
        const [wanted, got] = [Array.from(await whole[i]!.data()), Array.from(await result.data())];
        const apart = Math.sqrt(wanted.reduce((sum, value, at) => sum + (value - got[at]!) ** 2, 0));
        assert.ok(apart <= tolerance * Math.hypot(...wanted), `${precision}, result ${i}: ${apart} apart, of ${Math.hypot(...wanted)}`);
      }
      tf.dispose([whole, inParts]);
      compiled.dispose();
    }
    assert.deepEqual(parts, [2, 2], "the traces were in parts");
    assert.deepEqual(engineMemory(), before);
    own.dispose();
  });
}
