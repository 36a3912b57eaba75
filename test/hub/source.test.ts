import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { PACKAGED_MODEL, PACKAGED_WEIGHTS, cacheDir, packagedWeightsPath } from "../../src/hub/cache";
import { readConfig } from "../../src/hub/config";
import { saveModelFolder } from "../../src/hub/save";
import { openModel } from "../../src/hub/source";
import { inTemporaryFolder, python } from "./python";

/** Sets environment variables while a test runs. */
async function withEnvironment(values: Record<string, string | undefined>, work: () => Promise<void>): Promise<void> {
  const former = Object.fromEntries(Object.keys(values).map((key) => [key, process.env[key]]));
  const set = (from: Record<string, string | undefined>) => {
    for (const [key, value] of Object.entries(from)) value === undefined ? delete process.env[key] : (process.env[key] = value);
  };
  set(values);
  try {
    await work();
  } finally {
    set(former);
  }
}

/** SHA-256 of float32 weights as computed in Python: gguf 0.19's dequantize, Q and K unpermuted with numpy's reshape and swapaxes. */
const pythonSums: Record<string, [shape: number[], sum: string]> = {
  "model.embed_tokens.weight": [[49152, 576], "3fd491c8066dd9dc1a2bf6796701526c82817d95c0ecabacdef3013c2b8bbbaa"],
  "model.norm.weight": [[576], "3b87f8e27335e67fc08f159cabfd2d18f205d6c5b225a6f978153552bf01d559"],
  "model.layers.0.self_attn.q_proj.weight": [[576, 576], "54b377bbfa2deab945dfdba7fb59e0ca3eb74329358bd1b53b635b3ff37c1a56"],
  "model.layers.0.self_attn.k_proj.weight": [[192, 576], "814d239237d0643a10d9468d42e617b687ef032f85ad617389de27cf27f6fd34"],
  "model.layers.14.self_attn.v_proj.weight": [[192, 576], "8d82feabd09042eb3f7b92b351218057f2364d0ceada04e08ba6ded4c2cb72af"],
  "model.layers.17.self_attn.o_proj.weight": [[576, 576], "d389c5bb49960e338d8f7932866d9e818c6efe3640de403466ea9436ece1b845"],
  "model.layers.29.mlp.gate_proj.weight": [[1536, 576], "14fed76de256028537833f457757881cb1272dee50c9da22a2d4118c99137ca3"],
  "model.layers.29.mlp.up_proj.weight": [[1536, 576], "f395fcde6e4387e835c50c3ebce13c030a6be52d18edf22dbd7d229d87fdd790"],
  "model.layers.3.mlp.down_proj.weight": [[576, 1536], "4776fb25ee5f67b77cdd0c03f37261069c5dcc3f41d312fe1788f3ca5f825db3"],
  "model.layers.7.input_layernorm.weight": [[576], "46bdac4706acba99dd225f553d6bda9bb8c01729fc3800b2391903f1beedf111"],
  "model.layers.8.post_attention_layernorm.weight": [[576], "98939c1eb10a77300d945247eadd9ad0a16bd3e3dc9346d9a4bd9b44089f74c9"],
  "model.layers.29.self_attn.k_proj.weight": [[192, 576], "8e99b2450d5f3d53731f52790cc82f80b04341e533306bcfee6669ffa3c79921"],
};

test("the packaged weights are, to the bit, what Python's gguf package makes of them", async () => {
  const model = await openModel(PACKAGED_MODEL);
  assert.equal(model.tensors.names().length, 272);
  for (const [name, [shape, sum]] of Object.entries(pythonSums)) {
    const { buffer, byteOffset, byteLength } = await model.tensors.read(name);
    assert.deepEqual(model.tensors.shape(name), shape);
    assert.equal(createHash("sha256").update(new Uint8Array(buffer, byteOffset, byteLength)).digest("hex"), sum, name);
  }
});

test("the packaged model's config.json is the published one's", async () => {
  const { config, fingerprint, name, tensors } = await openModel(PACKAGED_MODEL);
  const { model_type, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim } = config;
  assert.deepEqual({ model_type, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim }, { model_type: "llama", hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30, num_attention_heads: 9, num_key_value_heads: 3, head_dim: 64 });
  const { rms_norm_eps, rope_theta, vocab_size, max_position_embeddings, tie_word_embeddings, bos_token_id, eos_token_id, pad_token_id } = config;
  assert.deepEqual({ rms_norm_eps, rope_theta, vocab_size, max_position_embeddings, tie_word_embeddings, bos_token_id, eos_token_id, pad_token_id }, { rms_norm_eps: 1e-5, rope_theta: 100_000, vocab_size: 49_152, max_position_embeddings: 8192, tie_word_embeddings: true, bos_token_id: 1, eos_token_id: 2, pad_token_id: 2 });
  assert.equal(name, PACKAGED_MODEL);
  assert.equal(fingerprint, PACKAGED_WEIGHTS.sha256);
  assert.throws(() => tensors.shape("lm_head.weight"), /has no tensor lm_head.weight/);
});

test("packaged weights that are missing or damaged are named, with what to do", () =>
  inTemporaryFolder((dir) =>
    withEnvironment({ ALIGNLAB_CACHE: dir }, async () => {
      assert.equal(cacheDir(), dir);
      await assert.rejects(openModel(PACKAGED_MODEL), /packaged weights are not at .*Run `npm start` or `npm test`/);
      mkdirSync(path.join(dir, "models"));
      writeFileSync(path.join(dir, "models", PACKAGED_WEIGHTS.file), "GGUF");
      await assert.rejects(openModel(PACKAGED_MODEL), /is damaged: its SHA-256 is/);
    })));

test("the cache's folder follows the environment", () =>
  withEnvironment({ ALIGNLAB_CACHE: undefined, XDG_CACHE_HOME: "/xdg", HOME: "/home/someone" }, async () => {
    assert.equal(cacheDir(), "/xdg/alignlab");
    delete process.env.XDG_CACHE_HOME;
    assert.equal(cacheDir(), "/home/someone/.cache/alignlab");
  }));

test("a GGUF file is opened by its path, and its fingerprint follows its content", () =>
  inTemporaryFolder(async (dir) => {
    const file = path.join(dir, "copy.gguf");
    copyFileSync(packagedWeightsPath(), file);
    const model = await openModel(file);
    assert.equal(model.fingerprint, PACKAGED_WEIGHTS.sha256);
    const other = path.join(dir, "other.gguf");
    python("make_gguf.py", other, "3", "32");
    await assert.rejects(openModel(other), /architecture "test"; of GGUF files only "llama"/);
  }));

test("what is no model is refused", () =>
  inTemporaryFolder(async (dir) => {
    await assert.rejects(openModel("SmolLM"), /"SmolLM" is no model: neither "SmolLM2-135M-Instruct"/);
    await assert.rejects(openModel(path.join(dir, "absent.gguf")), /is no model/);
    await assert.rejects(openModel(dir), /is no model folder: it has no config.json/);
    writeFileSync(path.join(dir, "config.json"), '{"model_type": "llama", "hidden_size": 1.5}');
    await assert.rejects(openModel(dir), /config.json: hidden_size is 1.5; a positive whole number is needed/);
  }));

test("config.json of transformers 4 and 5 mean the same", () => {
  const sizes = { model_type: "llama", hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2, num_attention_heads: 4, vocab_size: 100 };
  const older = readConfig({ ...sizes, rope_theta: 5e5, rope_scaling: { rope_type: "llama3", factor: 8 } }, "older");
  const newer = readConfig({ ...sizes, rope_parameters: { rope_theta: 5e5, rope_type: "llama3", factor: 8 } }, "newer");
  assert.deepEqual(newer, older);
  assert.deepEqual(readConfig({ ...sizes, rope_parameters: { rope_theta: 5e5, rope_type: "default" } }, "plain").rope_scaling, null);
  const filled = readConfig({ ...sizes, head_dim: null, num_key_value_heads: null }, "nulls");
  assert.deepEqual([filled.head_dim, filled.num_key_value_heads, filled.rope_theta, filled.tie_word_embeddings], [16, 4, 10_000, false]);
});

const tinyConfig = readConfig({ model_type: "llama", hidden_size: 4, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 10, tie_word_embeddings: true }, "tiny");
const weights = (name: string, shape: number[]) => ({ name, shape, data: () => Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, index) => index / 7) });
const tiny = (tokenizer: { save(dir: string): Promise<void> }) => ({
  config: tinyConfig,
  generationConfig: { eos_token_id: 2 },
  tensors: [weights("model.embed_tokens.weight", [10, 4]), weights("model.norm.weight", [4]), weights("lm_head.weight", [10, 4])],
  tokenizer,
  card: "---\nlicense: apache-2.0\n---\n# Tiny\n",
});
const savedTokenizer = {
  save: async (dir: string) => {
    writeFileSync(path.join(dir, "tokenizer.json"), '{"version":"1.0"}');
    writeFileSync(path.join(dir, "tokenizer_config.json"), '{"chat_template":"old"}');
  },
};

for (const [dtype, stored] of [["float32", "F32"], ["bfloat16", "BF16"], ["float16", "F16"]] as const) {
  test(`a saved folder is a Hugging Face folder, and opens again: ${dtype}`, () =>
    inTemporaryFolder(async (parent) => {
      const dir = path.join(parent, "run", "model");
      await saveModelFolder(dir, { ...tiny(savedTokenizer), dtype });
      const inPython = python<{ metadata: object; tensors: Record<string, { dtype: string; shape: number[]; values: number[] }> }>("safetensors.py", "read", path.join(dir, "model.safetensors"));
      assert.deepEqual(inPython.metadata, { format: "pt" });
      assert.deepEqual(Object.keys(inPython.tensors), ["model.embed_tokens.weight", "model.norm.weight"]);
      assert.equal(inPython.tensors["model.norm.weight"]!.dtype, stored);
      const config = JSON.parse(readFileSync(path.join(dir, "config.json"), "utf8")) as Record<string, unknown>;
      assert.deepEqual([config.architectures, config.dtype, config.torch_dtype], [["LlamaForCausalLM"], dtype, dtype]);
      assert.match(readFileSync(path.join(dir, "README.md"), "utf8"), /^---\nlicense/);
      const model = await openModel(dir);
      assert.deepEqual([model.name, model.generationConfig], ["model", { eos_token_id: 2 }]);
      assert.deepEqual(model.tensors.names(), ["model.embed_tokens.weight", "model.norm.weight"]);
      assert.deepEqual([...(await model.tensors.read("model.norm.weight"))], inPython.tensors["model.norm.weight"]!.values.map(Math.fround));
      writeFileSync(path.join(dir, "chat_template.jinja"), "new");
      assert.equal((await openModel(dir)).tokenizer.tokenizerConfig.chat_template, "new");
    }));
}

test("saving replaces a model, keeps what else lies there, and touches no other folder", () =>
  inTemporaryFolder(async (parent) => {
    const dir = path.join(parent, "model");
    await saveModelFolder(dir, tiny(savedTokenizer));
    const first = (await openModel(dir)).fingerprint;
    mkdirSync(path.join(dir, "checkpoint-10"));
    writeFileSync(path.join(dir, "model-00001-of-00002.safetensors"), "stale");
    await saveModelFolder(dir, { ...tiny(savedTokenizer), tensors: [weights("model.norm.weight", [4])] });
    assert.deepEqual(readdirSync(dir).sort(), ["README.md", "checkpoint-10", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]);
    assert.notEqual((await openModel(dir)).fingerprint, first);
    await assert.rejects(saveModelFolder(dir, tiny({ save: () => Promise.reject(new Error("disk")) })), /disk/);
    assert.deepEqual((await openModel(dir)).tensors.names(), ["model.norm.weight"]);
    assert.deepEqual(readdirSync(parent), ["model"]);
    writeFileSync(path.join(parent, "notes.txt"), "mine");
    await assert.rejects(saveModelFolder(parent, tiny(savedTokenizer)), /holds other things than a model/);
    await assert.rejects(saveModelFolder(path.join(parent, "notes.txt"), tiny(savedTokenizer)), /is a file/);
  }));
