import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { tf } from "../../src/engine/backend";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { loadModel, saveModel, type LoadedModel } from "../../src/model/load";
import { inTemporaryFolder } from "./python";

// What a saved model is worth outside: Python's transformers loads it, splits text alike and computes the same logits.

const PROMPTS = ["What is the capital of France?", "Escribe un haiku sobre el otoño 🍂", "if (x < 10) {\n\treturn `${x}`;\n}"];
const MAKE = "The peers' Python is not there; `npm run bench -- dpo` makes it (.venv-peer, 4.6 GB).";

interface FromPython {
  about: { dtype: string; class: string; parameters: number }[];
  /** Mean of the last norm's weights in each model. */
  norms: number[];
  results: { chat: string; ids: number[] }[];
}

function runPython(python: string, folders: string[], dir: string): FromPython {
  const prompts = path.join(dir, "prompts.json");
  writeFileSync(prompts, JSON.stringify(PROMPTS));
  const output = execFileSync(python, [path.join(__dirname, "transformers.py"), ...folders, prompts, dir], {
    encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, HF_HUB_OFFLINE: "1", HF_HOME: dir, CUDA_VISIBLE_DEVICES: "" },
  });
  return JSON.parse(output.trim().split("\n").at(-1)!) as FromPython;
}

function floats(file: string): Float32Array {
  const bytes = readFileSync(file);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
}

function largestDifference(one: Float32Array, other: Float32Array): number {
  assert.equal(one.length, other.length);
  return one.reduce((most, value, i) => Math.max(most, Math.abs(value - other[i]!)), 0);
}

/** Changes weights as training does, in place, so that saving the packaged file again could not pass. */
function nudge({ model }: LoadedModel): void {
  for (const name of ["model.norm.weight", "model.layers.3.mlp.down_proj.weight"]) {
    const variable = model.parameters.get(name)!;
    tf.tidy(() => variable.assign(tf.mul(variable, 1.05)));
  }
}

async function logitsOf({ model }: LoadedModel, ids: number[]): Promise<Float32Array> {
  const logits = tf.tidy(() => model.forward(tf.tensor2d([ids], [1, ids.length], "int32")));
  const values = (await logits.data()) as Float32Array;
  logits.dispose();
  return values;
}

test("Python's transformers loads a saved model, and gives the same ids and logits", async (context) => {
  const { peerPaths, peerReady } = await import("../../bench/peerVenv.mjs");
  if (!peerReady()) return context.skip(MAKE);
  const { python } = peerPaths();
  const loaded = await loadModel(PACKAGED_MODEL);
  nudge(loaded);
  await inTemporaryFolder(async (dir) => {
    const folders = ["float32", "bfloat16"].map((dtype) => path.join(dir, dtype));
    await saveModel(folders[0]!, loaded, { dtype: "float32", card: "# A test's model\n" });
    await saveModel(folders[1]!, loaded, { dtype: "bfloat16", card: "# A test's model\n" });
    const { about, norms, results } = runPython(python, folders, dir);
    const parameters = loaded.model.parameterCount;
    assert.deepEqual(about, [{ dtype: "torch.float32", class: "LlamaForCausalLM", parameters }, { dtype: "torch.bfloat16", class: "LlamaForCausalLM", parameters }]);
    assert.ok(Math.abs(norms[1]! / norms[0]! - 1) < 2 ** -8, `the bfloat16 file's weights are others: ${norms}`);
    assert.equal(results.length, PROMPTS.length);
    for (const [i, { chat, ids }] of results.entries()) {
      assert.equal(loaded.tokenizer.applyChatTemplate([{ role: "user", content: PROMPTS[i]! }], { addGenerationPrompt: true }), chat);
      assert.deepEqual(loaded.tokenizer.encode(chat), ids);
      const difference = largestDifference(await logitsOf(loaded, ids), floats(path.join(dir, `${i}.f32`)));
      assert.ok(difference < 1e-3, `${JSON.stringify(PROMPTS[i])}: logits differ by ${difference}`);
    }
  });
});
