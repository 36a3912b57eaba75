import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { openModel } from "../../src/hub/source";
import { writeSafetensors } from "../../src/hub/writeSafetensors";
import { commitOf, serveHub, type HubServer, type ServedRepo } from "./hubServer";
import { inTemporaryFolder } from "./python";

const config = JSON.stringify({ model_type: "llama", hidden_size: 4, intermediate_size: 8, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 10 });
const small = { "config.json": config, "tokenizer.json": '{"version":"1.0"}', "tokenizer_config.json": '{"eos_token":"x"}', "README.md": "not needed" };
const values = new Float32Array(new Uint8Array(randomBytes(400_000)).map((byte) => byte & 63).buffer);

interface Place {
  cache: string;
  hub: HubServer;
}

/** A hub on the loopback with one repository, and a cache of its own, both gone afterwards. */
function withHub(repo: (weights: Buffer) => ServedRepo, work: (place: Place) => Promise<void>): Promise<void> {
  return inTemporaryFolder(async (dir) => {
    const file = path.join(dir, "made.safetensors");
    await writeSafetensors(file, [{ name: "model.norm.weight", shape: [values.length], data: values }]);
    const hub = await serveHub([repo(readFileSync(file))]);
    const former = { ...process.env };
    const cache = path.join(dir, "home", "hub");
    Object.assign(process.env, { HF_ENDPOINT: hub.url, HF_HOME: path.join(dir, "home"), ALIGNLAB_CACHE: dir });
    for (const name of ["HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]) delete process.env[name];
    try {
      await work({ cache, hub });
    } finally {
      for (const name of Object.keys(process.env)) if (!(name in former)) delete process.env[name];
      Object.assign(process.env, former);
      await hub.close();
    }
  });
}

const tiny = (weights: Buffer): ServedRepo => ({ name: "someone/tiny", revisions: { main: { ...small, "model.safetensors": weights }, "v1/beta": { ...small, "model.safetensors": weights } }, large: /\.safetensors$/ });

test("a model is downloaded once, into the layout that Python uses", () =>
  withHub(tiny, async ({ cache, hub }) => {
    const model = await openModel("someone/tiny");
    assert.equal(model.name, "someone/tiny");
    assert.deepEqual(await model.tensors.read("model.norm.weight"), values);
    const repo = path.join(cache, "models--someone--tiny");
    const commit = commitOf("main");
    assert.equal(readFileSync(path.join(repo, "refs/main"), "utf8"), commit);
    const snapshot = path.join(repo, "snapshots", commit);
    assert.deepEqual(readdirSync(snapshot).sort(), ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]);
    const blob = createHash("sha256").update(readFileSync(path.join(snapshot, "model.safetensors"))).digest("hex");
    assert.equal(readlinkSync(path.join(snapshot, "model.safetensors")), `../../blobs/${blob}`);
    assert.ok(lstatSync(path.join(snapshot, "config.json")).isSymbolicLink());
    assert.equal(readdirSync(path.join(repo, "blobs")).length, 4);
    hub.requests.length = 0;
    await openModel("someone/tiny");
    assert.deepEqual(hub.requests.filter(({ url }) => !url.startsWith("/api/")), []);
  }));

test("another revision is another snapshot of the same blobs", () =>
  withHub(tiny, async ({ cache, hub }) => {
    await openModel("someone/tiny");
    hub.requests.length = 0;
    await openModel("someone/tiny", { revision: "v1/beta" });
    assert.equal(readFileSync(path.join(cache, "models--someone--tiny/refs/v1/beta"), "utf8"), commitOf("v1/beta"));
    assert.deepEqual(hub.requests.filter(({ url }) => url.includes("/resolve/")), []);
    await openModel("someone/tiny", { revision: commitOf("main") });
    await assert.rejects(openModel("someone/tiny", { revision: "v2" }), /no model someone\/tiny with a revision v2/);
  }));

test("a broken download goes on where it stopped", () =>
  withHub(tiny, async ({ hub }) => {
    hub.faults.cut = { after: 150_000, times: 2 };
    const model = await openModel("someone/tiny");
    assert.deepEqual(await model.tensors.read("model.norm.weight"), values);
    const ranges = hub.requests.filter(({ url }) => url.startsWith("/cdn/")).map(({ range }) => range);
    assert.equal(ranges[0], undefined);
    assert.equal(ranges.length, 3);
    const starts = ranges.slice(1).map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1]));
    assert.ok(starts[0]! > 0 && starts[0]! <= 150_000 && starts[1]! > starts[0]!, ranges.join());
  }));

test("what an earlier process left is gone on with, even if the server knows no ranges, and even if it is wrong", () =>
  withHub(tiny, async ({ cache, hub }) => {
    const model = await openModel("someone/tiny");
    const repo = path.join(cache, "models--someone--tiny");
    const [name] = readdirSync(path.join(repo, "blobs")).filter((blob) => blob.length === 64);
    const whole = readFileSync(path.join(repo, "blobs", name!));
    for (const [left, ignoreRanges, requests] of [[whole.subarray(0, 1000), false, 1], [whole.subarray(0, 1000), true, 1], [Buffer.alloc(1000, 7), false, 2], [Buffer.alloc(whole.length + 5), false, 1]] as const) {
      rmSync(repo, { recursive: true });
      mkdirSync(path.join(repo, "blobs"), { recursive: true });
      writeFileSync(path.join(repo, "blobs", `${name}.incomplete`), left);
      hub.faults.ignoreRanges = ignoreRanges;
      hub.requests.length = 0;
      assert.equal((await openModel("someone/tiny")).fingerprint, model.fingerprint);
      assert.equal(hub.requests.filter(({ url }) => url.startsWith("/cdn/")).length, requests);
      assert.deepEqual(readdirSync(path.join(repo, "blobs")).filter((blob) => blob.includes(".")), []);
    }
  }));

test("a wrong sum is never kept", () =>
  withHub(tiny, async ({ cache, hub }) => {
    hub.faults.corrupt = true;
    await assert.rejects(openModel("someone/tiny"), /someone\/tiny\/model.safetensors does not match its sum [0-9a-f]{64} after two downloads/);
    assert.ok(readdirSync(path.join(cache, "models--someone--tiny/blobs")).every((blob) => blob.length === 40));
    hub.faults.corrupt = false;
    await openModel("someone/tiny");
  }));

test("several processes' worth of openings at once bring each file once", () =>
  withHub(tiny, async ({ hub }) => {
    await Promise.all([openModel("someone/tiny"), openModel("someone/tiny"), openModel("someone/tiny")]);
    assert.equal(hub.requests.filter(({ url }) => url.startsWith("/cdn/")).length, 1);
  }));

test("shards, and nothing else, are downloaded with their index", () =>
  inTemporaryFolder(async (dir) => {
    const shard = "model-00001-of-00001.safetensors";
    await writeSafetensors(path.join(dir, shard), [{ name: "model.norm.weight", shape: [2], data: Float32Array.of(1, 2) }]);
    const files = { ...small, [shard]: readFileSync(path.join(dir, shard)), "model.safetensors.index.json": JSON.stringify({ weight_map: { "model.norm.weight": shard } }), "pytorch_model.bin": "no", "onnx/model.onnx": "no" };
    await withHub(() => ({ name: "someone/tiny", revisions: { main: files }, large: /\.safetensors$/ }), async ({ cache }) => {
      assert.deepEqual([...(await (await openModel("someone/tiny")).tensors.read("model.norm.weight"))], [1, 2]);
      assert.equal(readdirSync(path.join(cache, "models--someone--tiny/snapshots", commitOf("main"))).length, 5);
    });
  }));

test("a private repository wants a token, from the option, the environment or the file of `hf auth login`", () =>
  withHub((weights) => ({ ...tiny(weights), token: "hf_secret" }), async ({ hub }) => {
    await assert.rejects(openModel("someone/tiny"), /someone\/tiny does not exist, or is private, .*HF_TOKEN/);
    await assert.rejects(openModel("no/such"), /no\/such does not exist, or is private/);
    await openModel("someone/tiny", { token: "hf_secret" });
    process.env.HF_TOKEN = "hf_secret";
    await openModel("someone/tiny");
    delete process.env.HF_TOKEN;
    writeFileSync(path.join(process.env.HF_HOME!, "token"), "hf_secret\n");
    await openModel("someone/tiny");
    assert.ok(hub.requests.length > 5);
  }));

test("without a network the cache serves, and says so", () =>
  withHub(tiny, async ({ hub }) => {
    process.env.HF_HUB_OFFLINE = "1";
    await assert.rejects(openModel("someone/tiny"), /HF_HUB_OFFLINE is set, and someone\/tiny \(main\) is not in the cache/);
    delete process.env.HF_HUB_OFFLINE;
    const { fingerprint } = await openModel("someone/tiny");
    hub.requests.length = 0;
    process.env.HF_HUB_OFFLINE = "1";
    assert.equal((await openModel("someone/tiny")).fingerprint, fingerprint);
    assert.deepEqual(hub.requests, []);
    delete process.env.HF_HUB_OFFLINE;
    await hub.close();
    const warnings: string[] = [];
    const warn = console.warn;
    console.warn = (text: string) => void warnings.push(text);
    try {
      assert.equal((await openModel("someone/tiny")).fingerprint, fingerprint);
    } finally {
      console.warn = warn;
    }
    assert.match(warnings.join(), /cannot be reached: using the copy of someone\/tiny/);
    await assert.rejects(openModel("someone/other"), /cannot be reached, and someone\/other \(main\) is not in the cache/);
  }));

test("a repository without safetensors is refused before anything is downloaded", () =>
  withHub(() => ({ name: "someone/tiny", revisions: { main: { ...small, "pytorch_model.bin": "x" } } }), async ({ cache }) => {
    await assert.rejects(openModel("someone/tiny"), /someone\/tiny has no model.safetensors on the hub/);
    assert.ok(!existsSync(cache));
  }));
