import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Tensor, Variable } from "@tensorflow/tfjs";
import { firstGpu, staysOnHost } from "../../src/engine/devices";
import { TF } from "../../src/engine/dtypes";

// TensorFlow's XLA_CPU device stands in for a GPU: another device than the host's, that has kernels for some ops only.
process.env.TF_XLA_FLAGS = "--tf_xla_enable_xla_devices";
const { binding, idOf, rawOp, tf, toResource, type } = require("../../src/engine/backend") as typeof import("../../src/engine/backend");
const { jit } = require("../../src/engine/jit") as typeof import("../../src/engine/jit");
const { engineMemory } = require("../../src/engine/info") as typeof import("../../src/engine/info");
const { status } = require("../../src/engine/capi") as typeof import("../../src/engine/capi");
const { findRuntime } = require("../../src/engine/runtime") as typeof import("../../src/engine/runtime");
const { generate } = require("../../src/generate/generate") as typeof import("../../src/generate/generate");
const { disposeGeneration } = require("../../src/generate/session") as typeof import("../../src/generate/session");
const { randomPrompts, tinyModel } = require("../generate/tinyModel") as typeof import("../generate/tinyModel");
const koffi = require("koffi") as typeof import("koffi");

const LOCAL = "/job:localhost/replica:0/task:0/device:";
const HOST = `${LOCAL}CPU:0`;
const DEVICE = `${LOCAL}XLA_CPU:0`;
const placeOf = koffi.load(findRuntime().cc).func("str TFE_TensorHandleBackingDeviceName(uintptr_t, uintptr_t)");
/** Where TensorFlow holds a tensor. */
const place = (x: Tensor): string => binding.callWith([idOf(x)], ([handle]) => placeOf(handle, status) as string);

const useHost = (): void => void Object.defineProperty(binding.context, "gpu", { value: null, configurable: true });
function useDevice(): void {
  const device = binding.context.devices.find(({ name }) => name === DEVICE);
  assert.ok(device, `TensorFlow lists ${binding.context.devices.map(({ name }) => name).join(", ")}`);
  Object.defineProperty(binding.context, "gpu", { value: device, configurable: true });
}
before(useDevice);

test("the first GPU computes, by TensorFlow's full name of it", () => {
  const cpu = { name: HOST, type: "CPU" };
  const gpus = [0, 1].map((i) => ({ name: `${LOCAL}GPU:${i}`, type: "GPU" }));
  assert.equal(firstGpu([cpu]), null);
  assert.deepEqual(firstGpu([cpu, ...gpus]), { name: "/job:localhost/replica:0/task:0/device:GPU:0", type: "GPU" });
  assert.deepEqual([TF.INT32, TF.STRING, TF.FLOAT, TF.BFLOAT16, TF.BOOL, TF.INT64, TF.UINT8, TF.COMPLEX64].map(staysOnHost), [true, true, false, false, false, false, false, false]);
});

test("values, results and variables are on the device; int32, strings and ops that it lacks on the host", () => {
  const x = tf.tensor2d([[1, 2], [3, 4]]);
  for (const one of [x, tf.tensor1d([true], "bool"), tf.matMul(x, x), tf.transpose(x)]) assert.equal(place(one), DEVICE);
  for (const one of [tf.tensor1d([1, 2], "int32"), tf.tensor1d(["a", "b"])]) assert.equal(place(one), HOST);
  const lower = rawOp("StringLower", [tf.tensor1d(["AB"])], { encoding: "" });
  assert.deepEqual([place(lower), lower.dataSync()], [HOST, ["ab"]]);
  const variable = toResource(tf.variable(tf.tensor1d([1, 2])));
  variable.assign(tf.tensor1d([3, 4]));
  assert.deepEqual([place(variable), [...variable.dataSync()]], [DEVICE, [3, 4]]);
  variable.dispose();
});

test("XLA compiles a jit function there by default, which xla: false leaves out", async () => {
  const variable: Variable = tf.variable(tf.tensor1d([1, 2]));
  const step = jit((y: Tensor) => {
    variable.assign(tf.add(variable, y));
    return tf.mul(variable, y);
  });
  const result = step(tf.tensor1d([1, 1])) as Tensor;
  assert.deepEqual([[...(await result.data())], place(result), [...variable.dataSync()]], [[2, 3], DEVICE, [2, 3]]);
  // A function of an op that XLA does not have shows who compiles it.
  const upper = (x: Tensor): Tensor => tf.add(tf.cast(rawOp("StringLength", [rawOp("AsString", [x], { T: type("float32"), precision: -1, scientific: false, shortest: false, width: -1, fill: "" })], { unit: "BYTE" }), "float32"), 0);
  await assert.rejects(async () => (jit(upper, { name: "lengths" })(tf.tensor1d([1])) as Tensor).data(), /XLA does not compile the op AsString\. Give jit the option xla: false/);
  useHost();
  assert.deepEqual([...(await (jit(upper)(tf.tensor1d([1])) as Tensor).data())], [8], "on a CPU XLA is not the default");
  assert.equal([...(await (jit(upper, { xla: false })(tf.tensor1d([1])) as Tensor).data())][0], 8);
  useDevice();
  step.dispose();
  variable.dispose();
});

test("generation compiled by XLA gives the tokens that it gives op by op, its caches growing and moving, and nothing stays behind", async () => {
  const prompts = randomPrompts([3, 9], 32);
  const options = { eosTokenId: null } as const;
  const run = async (): Promise<number[][]> => {
    const model = await tinyModel({ vocab: 32, scale: 0.2, positions: 64 });
    try {
      const greedy = await generate(model, prompts, { ...options, maxNewTokens: 30 });
      const beams = await generate(model, prompts.slice(0, 1), { ...options, maxNewTokens: 4, numBeams: 2 });
      return [...greedy.sequences, ...beams.sequences];
    } finally {
      await disposeGeneration(model);
      model.dispose();
    }
  };
  useHost();
  const expected = await run();
  // The CPU itself in the GPU's place: short ops there need not be compiled one by one.
  Object.defineProperty(binding.context, "gpu", { value: { name: HOST, type: "GPU" }, configurable: true });
  const before = engineMemory();
  assert.deepEqual(await run(), expected);
  assert.deepEqual(engineMemory(), before);
  const model = await tinyModel({ vocab: 32, scale: 0.2, positions: 64 });
  await assert.rejects(async () => generate(model, prompts, { ...options, maxNewTokens: 4, decodeWeights: "int8" }), /decodeWeights is "int8", which only a CPU computes with so far/);
  await disposeGeneration(model);
  model.dispose();
});
