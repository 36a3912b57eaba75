import type { Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import type { LoadAnswer, LoadJob } from "../loadJob";

// Our side of `npm run bench -- load`: from the start of Node to the logits of one text. Modules are required one after
// the other, since imports would all be done before the first line.

const clock = (): number => (performance.timeOrigin + performance.now()) / 1000;
const script = clock();

const { readFileSync, writeSync } = require("node:fs") as typeof import("node:fs");
require("../../src/engine/capi");
const engine = clock();

const { engineInfo, jit, loadModel, PACKAGED_MODEL, tf } = require("../../src") as typeof import("../../src");
const library = clock();

async function main(): Promise<void> {
  const job = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as LoadJob;
  const { model } = await loadModel(PACKAGED_MODEL);
  const weights = clock();
  const forward = jit((ids: Tensor2D) => model.forward(ids), { precision: job.setting as "float32" | "bfloat16", name: "forward" });
  const ids = tf.tensor2d(job.ids, [1, job.ids.length], "int32");
  const logits = async (): Promise<Float32Array> => {
    const all = forward(ids) as Tensor3D;
    const values = (await all.data()) as Float32Array;
    all.dispose();
    return values.subarray(values.length - model.config.vocabSize);
  };
  const last = await logits();
  const forwardAt = clock();
  await logits();
  const again = clock();

  const token = last.reduce((best, value, at) => (value > last[best]! ? at : best), 0);
  const peakBytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) * 1024;
  const answer: LoadAnswer = {
    marks: { script, engine, library, weights, forward: forwardAt, again }, peakBytes,
    versions: { node: process.versions.node, tensorflow: engineInfo().tensorflow ?? "none" }, check: { token, logit: last[token]! },
  };
  writeSync(3, JSON.stringify(answer));
  process.exit(0);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
