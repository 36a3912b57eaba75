import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { PACKAGED_ENCODER } from "../../src/hub/cache";
import { openModel } from "../../src/hub/source";
import { inTemporaryFolder } from "./python";

async function withEnvironment(values: Record<string, string>, work: () => Promise<void>): Promise<void> {
  const former = Object.keys(values).map((key) => [key, process.env[key]] as const);
  Object.assign(process.env, values);
  try {
    await work();
  } finally {
    for (const [key, value] of former) value === undefined ? delete process.env[key] : (process.env[key] = value);
  }
}

test("the packaged encoder: where it is missing offline, or damaged, what to do is said", () => inTemporaryFolder((dir) => withEnvironment({ ALIGNLAB_CACHE: dir, HF_HUB_OFFLINE: "1" }, async () => {
  await assert.rejects(openModel(PACKAGED_ENCODER), /The packaged encoder is not at .*all-MiniLM-L6-v2, and HF_HUB_OFFLINE is set\. Run `node scripts\/encoder\.mjs` once with a network/);
  const folder = path.join(dir, "models", PACKAGED_ENCODER);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "config.json"), "{}");
  await assert.rejects(openModel(PACKAGED_ENCODER), /is damaged: its SHA-256 is .* Delete the folder .*all-MiniLM-L6-v2; it is fetched anew/);
})));

test("what is downloaded is recorded once, under the name that is asked for", () => {
  const { name, files } = JSON.parse(readFileSync(path.join(__dirname, "../../requirements/encoder.json"), "utf8")) as { name: string; files: Record<string, { member: string; sha256: string }> };
  assert.equal(name, PACKAGED_ENCODER);
  assert.deepEqual(["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"].filter((file) => !(file in files)), []);
  for (const { sha256 } of Object.values(files)) assert.match(sha256, /^[0-9a-f]{64}$/);
});
