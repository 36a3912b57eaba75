import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";
import { tf } from "../../src/engine/backend";
import { engineMemory } from "../../src/engine/info";
import { openSafetensors } from "../../src/hub/safetensors";
import { fromBfloat16, fromFloat16, toBfloat16, toFloat16 } from "../../src/hub/half";
import { writeSafetensors } from "../../src/hub/writeSafetensors";
import type { LlamaForCausalLM } from "../../src/model/llama";
import { loadModel, saveModel } from "../../src/model/load";
import { Tokenizer } from "../../src/tokens/tokenizer";
import { inTemporaryFolder } from "../hub/python";
import { tinyModel } from "../generate/tinyModel";
import { tinyTokenizer } from "../step/tiny";
import { weightsOf, type Weights } from "./reference";

let model: LlamaForCausalLM;
let weights: Weights;
const tokenizer: Tokenizer = tinyTokenizer();
before(async () => {
  model = await tinyModel();
  weights = await weightsOf(model);
});
after(() => model.dispose());

const ROUNDING = {
  float32: (x: Float32Array) => x,
  bfloat16: (x: Float32Array) => fromBfloat16(toBfloat16(x)),
  float16: (x: Float32Array) => fromFloat16(toFloat16(x)),
};

for (const dtype of ["float32", "bfloat16", "float16"] as const) {
  test(`a model saved in ${dtype} and loaded again has the same weights, rounded once`, () => inTemporaryFolder(async (dir) => {
    const folder = path.join(dir, "model");
    const start = engineMemory();
    await saveModel(folder, { model, tokenizer, generationConfig: { max_new_tokens: 9 } }, { dtype, card: "---\nlicense: cc0-1.0\n---\n" });
    const loaded = await loadModel(folder);
    const expected = Object.fromEntries(Object.entries(weights).map(([name, values]) => [name, Array.from(ROUNDING[dtype](Float32Array.from(values)))]));
    assert.deepEqual(await weightsOf(loaded.model), expected);
    assert.deepEqual(loaded.model.config, model.config);
    assert.deepEqual(loaded.generationConfig, { max_new_tokens: 9 });
    assert.deepEqual(loaded.tokenizer.encode("abc ab"), tokenizer.encode("abc ab"));
    assert.match(loaded.model.fingerprint ?? "", /^[0-9a-f]{64}$/);
    assert.equal((JSON.parse(readFileSync(path.join(folder, "config.json"), "utf8")) as { dtype: string }).dtype, dtype);
    loaded.model.dispose();
    assert.deepEqual(engineMemory(), start);
  }));
}

test("the fingerprint is that of the weights: equal for equal files, another after a change", () => inTemporaryFolder(async (dir) => {
  const fingerprint = async (name: string, change: number): Promise<string> => {
    const copy = await model.clone();
    if (change !== 0) tf.tidy(() => copy.parameters.get("model.norm.weight")!.assign(tf.fill([32], change) as never));
    await saveModel(path.join(dir, name), { model: copy, tokenizer }, { card: "" });
    copy.dispose();
    const loaded = await loadModel(path.join(dir, name));
    loaded.model.dispose();
    return loaded.model.fingerprint!;
  };
  const [one, same, other] = [await fingerprint("one", 0), await fingerprint("same", 0), await fingerprint("other", 2)];
  assert.equal(one, same);
  assert.notEqual(one, other);
}));

test("a missing tensor, a wrong shape and a missing config are refused before any weight is loaded", () => inTemporaryFolder(async (dir) => {
  const folder = path.join(dir, "model");
  await saveModel(folder, { model, tokenizer }, { card: "" });
  const start = engineMemory();
  const file = path.join(folder, "model.safetensors");
  const rewrite = async (change: (name: string, shape: number[]) => number[] | null): Promise<void> => {
    const all = openSafetensors(folder);
    const tensors = [...all.tensors].flatMap(([name, { shape }]) => {
      const changed = change(name, shape);
      return changed === null ? [] : [{ name, shape: changed, data: async () => all.read(name), dtype: "F32" as const }];
    });
    await writeSafetensors(`${file}.new`, tensors);
    rmSync(file);
    writeFileSync(file, readFileSync(`${file}.new`));
    rmSync(`${file}.new`);
  };
  await rewrite((name, shape) => (name.includes("layers.1.mlp.down") ? [shape[1]!, shape[0]!] : shape));
  await assert.rejects(loadModel(folder), /model\.layers\.1\.mlp\.down_proj\.weight has shape \[48,32\], its config\.json calls for \[32,48\]/);
  await rewrite((name, shape) => (name.includes("layers.1.mlp.down") ? null : shape));
  await assert.rejects(loadModel(folder), /has no tensor model\.layers\.1\.mlp\.down_proj\.weight, which its config\.json calls for/);
  const empty = path.join(dir, "empty");
  mkdirSync(empty);
  await assert.rejects(loadModel(empty), /config\.json/);
  assert.deepEqual(engineMemory(), start);
}));
