import type { Tensor2D } from "@tensorflow/tfjs";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { jit, tf, type Precision } from "../../src";
import type { MatmulJob } from "../stepJob";
import { engineReady } from "./engineReady";

// Our side of the square products that `npm run bench -- step` holds a step against: a chain, so that no product is left out
// for being the same as another, and so that the factors are cast once for all of them.

async function main(): Promise<void> {
  const { setting, size, products } = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as MatmulJob;
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const send = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);

  const chain = jit((x: Tensor2D, w: Tensor2D) => {
    let y = x;
    for (let i = 0; i < products; i++) y = tf.matMul(y, w) as Tensor2D;
    return tf.mean(tf.square(y));
  }, { precision: setting as Precision, name: "chain_of_products" });
  const x = tf.randomNormal([size, size], 0, 1, "float32", 1) as Tensor2D;
  // Of this size a product's values stay as large as its left factor's.
  const w = tf.randomNormal([size, size], 0, 1 / Math.sqrt(size), "float32", 2) as Tensor2D;

  send({ event: "ready", ...engineReady() });
  while ((await lines.next()).value === "step") {
    const result = chain(x, w);
    const [loss] = await result.data();
    result.dispose();
    send({ event: "step", loss });
  }
  process.exit(0);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
