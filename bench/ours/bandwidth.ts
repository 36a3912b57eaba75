import { createInterface } from "node:readline";
import type { Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { STREAMED_BYTES, STREAMS } from "../generateJob";
import { engineReady } from "./engineReady";

// The machine's memory bandwidth: a sum over a buffer larger than the caches that weights of this size could stay in,
// on all threads.

async function main(): Promise<void> {
  const buffer = tf.keep(tf.ones([STREAMED_BYTES / 4])) as Tensor1D;
  const sum = jit((x: Tensor1D) => tf.sum(x), { name: "stream" });
  process.stdout.write(`${JSON.stringify({ event: "ready", ...engineReady() })}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line !== "step") break;
    for (let i = 0; i < STREAMS; i++) {
      const result = sum(buffer);
      await result.data();
      result.dispose();
    }
    process.stdout.write(`${JSON.stringify({ event: "step" })}\n`);
  }
  process.exit(0);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
