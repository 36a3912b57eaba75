import assert from "node:assert/strict";
import { test } from "node:test";
import type { HfConfig } from "../../src/hub/config";
import { parseLlamaConfig, UnsupportedModelError } from "../../src/model/config";
import { parameterShapes } from "../../src/model/llama";

const smol = {
  model_type: "llama", vocab_size: 49152, hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30, num_attention_heads: 9, num_key_value_heads: 3, head_dim: 64,
  hidden_act: "silu", rms_norm_eps: 1e-5, rope_theta: 100000, max_position_embeddings: 8192, tie_word_embeddings: true, bos_token_id: 1, eos_token_id: 2, pad_token_id: 2,
} satisfies HfConfig;

test("SmolLM2-135M: 134,515,008 parameters in 272 tensors", () => {
  const config = parseLlamaConfig(smol);
  const shapes = parameterShapes(config);
  assert.equal(shapes.size, 272);
  assert.equal([...shapes.values()].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b), 0), 134_515_008);
  assert.deepEqual(shapes.get("model.layers.29.self_attn.k_proj.weight"), [192, 576]);
  assert.deepEqual({ theta: config.ropeTheta, eps: config.rmsNormEps, eos: config.eosTokenId, pad: config.padTokenId }, { theta: 100000, eps: 1e-5, eos: 2, pad: 2 });
});

test("what transformers fills in, and the two ways of writing RoPE's base", () => {
  const { head_dim: _, num_key_value_heads: __, rope_theta: ___, ...bare } = smol;
  const config = parseLlamaConfig({ ...bare, rope_parameters: { rope_type: "default", rope_theta: 5e5 } } as unknown as HfConfig);
  assert.deepEqual([config.headDim, config.numKeyValueHeads, config.ropeTheta], [64, 9, 5e5]);
  assert.equal(parseLlamaConfig({ ...smol, eos_token_id: [7, 8] }).eosTokenId, 7);
  assert.ok(parameterShapes(parseLlamaConfig({ ...smol, tie_word_embeddings: false })).has("lm_head.weight"));
  for (const scaling of [null, undefined, { rope_type: "default" }, { type: "default" }]) parseLlamaConfig({ ...smol, rope_scaling: scaling });
});

test("what the model cannot do is refused by name", () => {
  const refused = (change: object, message: RegExp): void =>
    assert.throws(() => parseLlamaConfig({ ...smol, ...change } as HfConfig), (error) => error instanceof UnsupportedModelError && message.test(error.message));
  refused({ model_type: "gpt2" }, /model_type is "gpt2"\. Supported: "llama"/);
  refused({ hidden_act: "gelu" }, /hidden_act = "gelu" is not supported/);
  refused({ attention_bias: true }, /attention_bias = true/);
  refused({ mlp_bias: true }, /mlp_bias = true/);
  refused({ rope_scaling: { rope_type: "llama3", factor: 8 } }, /rope_scaling = \{"rope_type":"llama3"/);
  refused({ rope_scaling: { type: "linear", factor: 2 } }, /rope_scaling/);
  refused({ rope_parameters: { rope_type: "yarn" } }, /rope_parameters/);
  refused({ hidden_size: undefined }, /hidden_size is undefined, a number is needed/);
  refused({ vocab_size: "many" }, /vocab_size is "many"/);
  refused({ num_key_value_heads: 2 }, /num_attention_heads 9 is not a multiple of num_key_value_heads 2/);
  refused({ head_dim: 63 }, /head_dim is 63.*even/);
});
