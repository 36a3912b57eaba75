import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { freemem } from "node:os";
import { after, test } from "node:test";
import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { addLora, LlamaForCausalLM, memoryTable, MemoryError, packPairs, parseLlamaConfig, planMemory, type MemoryArguments, type MemoryPlan, type MemoryPlanOptions, type StepShapes } from "../../src/index";
import { MOST_KEPT_KEYS } from "../../src/model/ops";
import { pairLogps, toPairTensors } from "../../src/loss/pairs";
import { layerBytes } from "../../src/step/memoryCounts";
import { availableBytes, memoryLimit } from "../../src/step/memoryAvailable";
import { DPOTrainer } from "../../src/step/dpoTrainer";
import { RandomSource } from "../../src/engine/random";
import { tinyRows, tinyTokenizer } from "./tiny";

const CONFIG = {
  model_type: "llama", vocab_size: 40, hidden_size: 32, intermediate_size: 80, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 8, hidden_act: "silu", num_hidden_layers: 1,
  rms_norm_eps: 1e-5, rope_theta: 10000, max_position_embeddings: 2048, tie_word_embeddings: true, bos_token_id: 1, eos_token_id: 2, pad_token_id: 0,
};

async function modelOf(config: object): Promise<LlamaForCausalLM> {
  const random = new RandomSource(1);
  return LlamaForCausalLM.create({ ...CONFIG, ...config }, (_, shape) => Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.2 * random.normal()));
}

/** Pairs of random tokens. */
function packed(pairs: number, promptTokens: number, answerTokens: number): ReturnType<typeof packPairs> {
  const random = new RandomSource(2);
  const ids = (length: number): number[] => Array.from({ length }, () => 1 + random.integer(39));
  return packPairs(Array.from({ length: pairs }, () => ({ prompt_input_ids: ids(promptTokens), chosen_input_ids: ids(answerTokens), rejected_input_ids: ids(answerTokens) })), { padTokenId: 0 });
}

/** Bytes of what tfjs's tape holds for the backward pass of a packed batch's loss, the model's own weights aside. */
function savedBytes(model: LlamaForCausalLM, batch: ReturnType<typeof packPairs>): number {
  const bytesOf = (tensor: Tensor): Uint8Array => new Uint8Array((tensor.dataSync() as Float32Array).buffer.slice(0));
  const digest = (bytes: Uint8Array): string => createHash("sha1").update(bytes).digest("hex");
  const own = new Set([...model.parameters.values(), ...model.trainableParameters.values()].map((parameter) => digest(bytesOf(parameter))));
  const saved = new Map<string, number>();
  tf.tidy(() => {
    const tensors = toPairTensors(batch);
    tf.variableGrads(() => {
      const { chosen, rejected } = pairLogps(model, tensors, batch.pairs);
      // Of what it saves a reshape's gradient reads the shape alone.
      const nodes = tf.engine().state.activeTape.filter(({ kernelName }) => kernelName !== "Reshape");
      for (const tensor of nodes.flatMap(({ saved }) => (saved ?? []) as Tensor[])) {
        // A tensor in another shape, or a variable that was read, is the same memory, though not the same for tfjs.
        const bytes = bytesOf(tensor);
        if (!own.has(digest(bytes))) saved.set(digest(bytes), bytes.length);
      }
      return tf.sum(tf.sub(chosen, rejected)) as never;
    }, [...model.trainableParameters.values()]);
  });
  return [...saved.values()].reduce((a, b) => a + b, 0);
}

for (const [pairs, prompt, answer] of [[2, 5, 20], [3, 40, 9], [1, 20, MOST_KEPT_KEYS + 40]] as const) {
  test(`what a layer keeps is counted to the byte: ${pairs} pairs of ${prompt} + ${answer} tokens`, async () => {
    const batch = packed(pairs, prompt, answer);
    const saved: number[] = [];
    for (const num_hidden_layers of [1, 2]) {
      const model = await modelOf({ num_hidden_layers });
      saved.push(savedBytes(model, batch));
      model.dispose();
    }
    const { activations, scores } = layerBytes(parseLlamaConfig(CONFIG), batch, "float32");
    assert.equal(saved[1]! - saved[0]!, activations + scores);
    assert.equal(scores > 0, batch.keyWidth <= MOST_KEPT_KEYS);
  });
}

test("what a layer with low-rank updates keeps is counted to the byte", async () => {
  const batch = packed(2, 5, 20);
  const saved: number[] = [];
  let counted = 0;
  for (const num_hidden_layers of [1, 2]) {
    const model = await modelOf({ num_hidden_layers });
    const lora = addLora(model, { r: 3, targetModules: "all-linear" });
    saved.push(savedBytes(model, batch));
    const { activations, scores } = layerBytes(model.config, batch, "float32", lora.layers[0]);
    counted = activations + scores;
    assert.ok(layerBytes(model.config, batch, "bfloat16", lora.layers[0]).activations > layerBytes(model.config, batch, "bfloat16").activations);
    lora.unload();
    model.dispose();
  }
  assert.equal(saved[1]! - saved[0]!, counted);
});

const SHAPES: StepShapes = { length: 1024, rows: 8, queryWidth: 128, keyWidth: 128, predictions: 1024 };

test("a plan's parts add up to its peak; more work never takes less, and half the precision never more", async () => {
  const model = await modelOf({ hidden_size: 64, head_dim: 16, vocab_size: 2048, num_hidden_layers: 6 });
  const plan = (shapes: Partial<StepShapes>, args: MemoryArguments = {}, options: Partial<MemoryPlanOptions> = {}): MemoryPlan => planMemory({ model, shapes: { ...SHAPES, ...shapes }, args, ...options });
  const start = plan({});
  const sum = (plan: MemoryPlan): number => Object.values(plan.parts).reduce((a, b) => a + b, 0);
  const near = (a: number, b: number): void => assert.ok(Math.abs(a - b) < 1e6, `${a} and ${b}`);
  const step = (plan: MemoryPlan): number => plan.bytes - plan.parts.overhead - plan.parts.retained;
  near(sum(start), start.bytes);
  for (const bigger of [{ length: 2048 }, { rows: 16 }, { queryWidth: 256 }, { keyWidth: 192 }, { predictions: 4096 }]) assert.ok(step(plan(bigger)) >= step(start), JSON.stringify(bigger));
  assert.ok(step(plan({}, { precision: "bfloat16" })) < step(start));
  assert.ok(step(plan({}, { gradientCheckpointing: true })) < step(start));
  process.env.ALIGNLAB_XLA = "1";
  assert.ok(Math.abs(step(plan({}, { gradientCheckpointing: true })) - step(start)) < 1, "XLA for a CPU joins what is computed twice");
  process.env.ALIGNLAB_XLA = "much";
  assert.throws(() => plan({}, { gradientCheckpointing: true }), /ALIGNLAB_XLA is "much"; 1 \(XLA compiles each jit function\) or 0 \(none\) is needed/);
  delete process.env.ALIGNLAB_XLA;
  const weights = 4 * model.parameterCount;
  assert.equal(start.parts.weights, weights);
  assert.equal(start.parts.optimizerMoments, 2 * weights);
  assert.ok(plan({}, { optim: "adamw_8bit" }).parts.optimizerMoments < 0.52 * weights);
  assert.equal(plan({}, {}, { copiesReference: true }).parts.referenceCopy, weights);
  near(plan({}, { gradientAccumulationSteps: 2 }).parts.gradients, weights);
  const { activations, scores } = layerBytes(model.config, SHAPES, "float32");
  assert.ok(start.parts.activations + start.parts.attentionScores >= 6 * (activations + scores));
  assert.equal(plan({}, {}, { available: 123 }).available, 123);
  model.dispose();
});

test("the table shows every part, the peak and what can be had", async () => {
  const model = await modelOf({});
  const { text } = memoryTable(planMemory({ model, shapes: SHAPES, available: 5e9 }));
  for (const word of [/weights +0\.000/, /optimiser's moments/, /activations/, /peak +0\.\d{3}/, /available +5\.000/, /1024 tokens, attention 8 × 128 × 128, 1024 predictions/]) assert.match(text, word);
  model.dispose();
});

test("what is available is the least of what the machine and every control group leave", () => {
  const meminfo = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n";
  const from = (files: Record<string, string>): number => availableBytes((file) => files[file] ?? null);
  assert.equal(from({ "/proc/meminfo": meminfo }), 8192e6);
  const group = (folder: string, max: string, current: number): Record<string, string> => ({ [`${folder}/memory.max`]: max, [`${folder}/memory.current`]: String(current), [`${folder}/memory.stat`]: "anon 5\ninactive_file 1000\nactive_file 7\n" });
  const second = { "/proc/meminfo": meminfo, "/proc/self/cgroup": "0::/user.slice/run\n" };
  assert.equal(from({ ...second, ...group("/sys/fs/cgroup/user.slice/run", "max", 5e9) }), 8192e6);
  assert.equal(from({ ...second, ...group("/sys/fs/cgroup/user.slice/run", "max", 5e9), ...group("/sys/fs/cgroup/user.slice", "6000000000", 5e9) }), 1e9 + 1000);
  assert.equal(from({ ...second, ...group("/sys/fs/cgroup", "4000000000", 1e9) }), 3e9 + 1000, "in a container only the root is there");
  assert.equal(from({ ...second, ...group("/sys/fs/cgroup", "4000000000", 5e9) }), 0);
  const first = { "/proc/meminfo": meminfo, "/proc/self/cgroup": "4:cpu,memory:/docker/x\n3:pids:/\n" };
  assert.equal(from({ ...first, "/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": "2000000000", "/sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes": "500000000" }), 1.5e9);
  assert.equal(from({ ...first, "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712", "/sys/fs/cgroup/memory/memory.usage_in_bytes": "5" }), 8192e6);
  assert.ok(Math.abs(from({}) - freemem()) < 2e9);
});

/** Runs with so much memory given, in GB. */
async function within<T>(gigabytes: string, work: () => Promise<T> | T): Promise<T> {
  const given = process.env.ALIGNLAB_MEMORY_GB;
  process.env.ALIGNLAB_MEMORY_GB = gigabytes;
  try {
    return await work();
  } finally {
    if (given === undefined) delete process.env.ALIGNLAB_MEMORY_GB;
    else process.env.ALIGNLAB_MEMORY_GB = given;
  }
}

test("ALIGNLAB_MEMORY_GB is what the process may take", async () => {
  assert.equal(await within("2.5", () => memoryLimit(1e9)), 2.5e9);
  for (const bad of ["much", "-1", "0"]) await within(bad, () => assert.throws(() => memoryLimit(1e9), /ALIGNLAB_MEMORY_GB is "[^"]+"; the memory in GB/));
  assert.ok(memoryLimit(1e9) > 1e9);
});

test("a run that does not fit is refused before its first step, with settings that fit, the least harmful first", async () => {
  const model = await modelOf({ hidden_size: 512, head_dim: 128, intermediate_size: 2048, num_hidden_layers: 2, vocab_size: 30000 });
  const trainDataset = tinyRows(16).map((row) => ({ ...row, chosen: row.chosen.repeat(30).slice(0, 200), rejected: row.rejected.repeat(30).slice(0, 200) }));
  const calls: string[] = [];
  const trainer = new DPOTrainer({ model, tokenizer: tinyTokenizer(), trainDataset, args: { perDeviceTrainBatchSize: 16, maxSteps: 1 }, callbacks: [{ onTrainBegin: () => void calls.push("begin") }] });
  const before = await model.finalNorm.data();
  const { bytes, available } = trainer.memoryPlan;
  assert.ok(available! > 0 && bytes > 0.5e9);
  const refused = async (gigabytes: number): Promise<MemoryError> => within(String(gigabytes), () => trainer.train().then(() => assert.fail("was not refused"), (error: unknown) => (assert.ok(error instanceof MemoryError, String(error)), error)));

  const error = await refused((bytes - 1e6) / 1e9);
  assert.match(error.message, /^Training would take \d\.\d+ GB of memory at its peak; \d\.\d+ GB can be had\. Change one of these settings, the least harmful first:\n {2}await trainer\.precomputeReference\(\) before train\(\) \(\d\.\d+ GB\)\n {2}perDeviceTrainBatchSize: 8, gradientAccumulationSteps: 2 \(\d\.\d+ GB\)\n/);
  const changes = error.advice.map(({ change }) => change.replace(/: .*/, ""));
  assert.deepEqual(changes.filter((name) => ["precision", "maxCompletionLength"].includes(name)), ["precision", "maxCompletionLength"]);
  for (const { change, bytes: with_ } of error.advice) assert.ok(with_ < bytes, change);

  // What is advised is what a trainer with that setting predicts for itself.
  const other = { "perDeviceTrainBatchSize: 8, gradientAccumulationSteps: 2": { perDeviceTrainBatchSize: 8, gradientAccumulationSteps: 2 }, 'precision: "bfloat16"': { precision: "bfloat16" as const } };
  for (const [change, args] of Object.entries(other)) {
    const adviser = new DPOTrainer({ model, tokenizer: tinyTokenizer(), trainDataset, args: { perDeviceTrainBatchSize: 16, maxSteps: 1, ...args } });
    const advised = error.advice.find((advice) => advice.change === change)!.bytes;
    const optimizerOfOther = adviser.memoryPlan.parts.otherVariables;
    assert.ok(Math.abs(adviser.memoryPlan.bytes - optimizerOfOther - advised) < 0.06 * advised, `${change}: ${adviser.memoryPlan.bytes - optimizerOfOther} for ${advised}`);
    adviser.dispose();
  }

  let limit = bytes;
  let several: MemoryError;
  // Lower until no setting is enough by itself.
  do several = await refused((limit *= 0.96) / 1e9);
  while (several.advice.length > 1 || /^\S+: \S+(, gradientAccumulationSteps: \d+)?$/.test(several.advice[0]!.change));
  assert.match(several.advice[0]!.change, /^await trainer\.precomputeReference\(\) before train\(\), perDeviceTrainBatchSize: \d+, gradientAccumulationSteps: \d+/);
  assert.ok(several.advice[0]!.bytes <= limit);
  assert.match((await refused(0.05)).message, /No setting makes it fit/);

  assert.deepEqual([calls, trainer.state.step, model.fingerprint], [[], 0, null]);
  assert.deepEqual(await model.finalNorm.data(), before);
  await within(String((bytes + 1e8) / 1e9), () => trainer.train());
  assert.equal(trainer.state.step, 1);
  trainer.dispose();
  model.dispose();
});

after(() => assert.equal(tf.memory().numTensors, 0));
