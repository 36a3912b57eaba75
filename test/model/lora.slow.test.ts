import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { tf } from "../../src/engine/backend";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { loadModel, saveModel } from "../../src/model/load";
import { addLora } from "../../src/model/lora";
import { loadAdapter, saveAdapter } from "../../src/model/loraFiles";
import { inTemporaryFolder } from "../hub/python";

// An adapter goes to Python's PEFT and comes back from it with the same logits of the packaged model.

const TEXT = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\nParis, on the Seine.<|im_end|>\n";

function logitsOf(model: LlamaForCausalLM, ids: number[]): Float32Array {
  return tf.tidy(() => model.forward(tf.tensor2d([ids], [1, ids.length], "int32")).dataSync()) as Float32Array;
}

function floats(file: string): Float32Array {
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

const difference = (one: Float32Array, other: Float32Array): number => {
  assert.equal(one.length, other.length);
  return one.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0);
};

/** Within 1e-4 of the largest. */
function equal(one: Float32Array, other: Float32Array, what: string): void {
  const largest = one.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  assert.ok(difference(one, other) < 1e-4 * largest, `${what} differ by ${difference(one, other)}; the largest is ${largest}`);
}

test("PEFT loads a saved adapter, and an adapter of PEFT's loads here, with equal logits", async (context) => {
  const { peerPaths, peerReady } = await import("../../bench/peerVenv.mjs");
  if (!peerReady()) return context.skip("The peers' Python is not there; `npm run bench -- sft-lora` makes it (.venv-peer, 4.6 GB).");
  const { model, tokenizer } = await loadModel(PACKAGED_MODEL);
  const ids = tokenizer.encode(TEXT);
  const plain = logitsOf(model, ids);
  await inTemporaryFolder(async (dir) => {
    const at = (name: string): string => path.join(dir, name);
    await saveModel(at("model"), { model, tokenizer }, { card: "# A test's model\n" });
    const lora = addLora(model, { r: 16, loraAlpha: 32, targetModules: "all-linear", useRslora: true });
    for (const [name, parameter] of lora.parameters) if (name.includes("lora_B")) tf.tidy(() => parameter.assign(tf.randomNormal(parameter.shape, 0, 0.003, "float32", 7)));
    await saveAdapter(at("ours"), lora, { baseModel: at("model") });
    const adapted = logitsOf(model, ids);
    assert.ok(difference(adapted, plain) > 0.1, "the adapter has an effect");
    lora.unload();
    writeFileSync(at("ids.json"), JSON.stringify(ids));
    execFileSync(peerPaths().python, [path.join(__dirname, "lora.py"), dir], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, HF_HUB_OFFLINE: "1", HF_HOME: dir, CUDA_VISIBLE_DEVICES: "" } });
    equal(adapted, floats(at("ours.f32")), "PEFT's logits");
    const theirs = loadAdapter(model, at("peft"));
    assert.deepEqual([theirs.config.r, theirs.config.loraAlpha, theirs.config.useRslora, theirs.modules.length], [4, 8, false, 2 * 2]);
    const loaded = logitsOf(model, ids);
    assert.ok(difference(loaded, plain) > 0.1, "PEFT's adapter has an effect");
    equal(loaded, floats(at("peft.f32")), "logits under PEFT's adapter");
    theirs.unload();
  });
  model.dispose();
});
