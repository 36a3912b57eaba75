import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Tensor, Tensor2D } from "@tensorflow/tfjs";

// TensorFlow's XLA_CPU device stands in for a GPU: another device than the host's, with kernels of its own for some ops only.
process.env.TF_XLA_FLAGS = "--tf_xla_enable_xla_devices";
const { binding, idOf, rawOp, tf, toResource, updateVariables, type } = require("../../src/engine/backend") as typeof import("../../src/engine/backend");
const { jit } = require("../../src/engine/jit") as typeof import("../../src/engine/jit");
const { status } = require("../../src/engine/capi") as typeof import("../../src/engine/capi");
const { findRuntime } = require("../../src/engine/runtime") as typeof import("../../src/engine/runtime");
const koffi = require("koffi") as typeof import("koffi");

const HOST = "/job:localhost/replica:0/task:0/device:CPU:0";
const DEVICE = "/job:localhost/replica:0/task:0/device:XLA_CPU:0";
const placeOf = koffi.load(findRuntime().cc).func("str TFE_TensorHandleBackingDeviceName(uintptr_t, uintptr_t)");
/** Where TensorFlow holds a tensor. */
const place = (x: Tensor): string => binding.callWith([idOf(x)], ([handle]) => placeOf(handle, status) as string);

before(() => {
  const device = binding.context.devices.find(({ name }) => name === DEVICE);
  assert.ok(device, `TensorFlow lists ${binding.context.devices.map(({ name }) => name).join(", ")}`);
  Object.defineProperty(binding.context, "gpu", { value: device });
});

test("values go to the device, int32 and strings stay with the host", () => {
  const places = { float32: tf.tensor1d([1, 2]), bool: tf.tensor1d([true], "bool"), int32: tf.tensor1d([1, 2], "int32"), string: tf.tensor1d(["a", "b"]) };
  console.log(Object.fromEntries(Object.entries(places).map(([k, v]) => [k, place(v)])));
  const x = tf.tensor2d([[1, 2], [3, 4]]);
  console.log(place(tf.matMul(x, x)), place(tf.add(tf.tensor1d([1], "int32"), 1)));
  console.log(place(rawOp("StringLower", [tf.tensor1d(["AB"])], { encoding: "" })));
  const v = toResource(tf.variable(tf.tensor1d([1, 2])));
  v.assign(tf.tensor1d([3, 4]));
  console.log(v.dataSync(), place(v));
  const f = jit((y: Tensor) => { v.assign(tf.add(v, y)); return tf.mul(v, y); });
  const r = f(tf.tensor1d([1, 1]));
  console.log(r.dataSync(), place(r), v.dataSync());
  const u = tf.unique(tf.tensor1d([1, 1, 2]));
  console.log(u.values.dataSync(), place(u.values));
});
