import type { Tensor, Tensor2D, Variable } from "@tensorflow/tfjs";
import { tf, toResource } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { RandomSource } from "../../src/engine/random";
import { checkpointed } from "../../src/model/checkpointing";

// Run as a process of its own: node --import tsx checkpointingPeak.ts plain|checkpointed float32|bfloat16
// Prints by how much one gradient of a deep chain raises the process's peak memory, in MiB, and the loss.

const [LAYERS, ROWS, WIDTH] = [12, 4096, 256];
const [how, precision] = process.argv.slice(2);
const random = new RandomSource(3);
const draw = (rows: number, columns: number, scale: number): Tensor2D => tf.tensor2d(Float32Array.from({ length: rows * columns }, () => scale * random.normal()), [rows, columns]);

/** Four rounds that each leave several values for the backward pass. */
const part = (weight: Variable) => (x: Tensor): Tensor => {
  let y = x;
  for (let round = 0; round < 4; round++) y = tf.add(tf.tanh(tf.matMul(y as Tensor2D, weight as unknown as Tensor2D)), tf.sin(y));
  return y;
};

async function main(): Promise<void> {
  const weights = Array.from({ length: LAYERS }, (_, i) => toResource(tf.variable(draw(WIDTH, WIDTH, 0.06), true, `chain_${i}`)));
  const input = draw(ROWS, WIDTH, 1);
  const gradient = jit((x: Tensor) => {
    const layer = (y: Tensor, weight: Variable): Tensor => (how === "checkpointed" ? checkpointed(part(weight), y, {}, [weight]) : part(weight)(y));
    const { value, grads } = tf.variableGrads(() => tf.mean(weights.reduce(layer, x)), weights);
    return [value, ...weights.map(({ name }) => grads[name]!)];
  }, { precision: precision as "float32" | "bfloat16" });
  const before = process.resourceUsage().maxRSS;
  const values = await Promise.all(gradient(input).map((result) => result.data()));
  console.log(JSON.stringify({ raised: (process.resourceUsage().maxRSS - before) / 1024, loss: values[0]![0], first: values[1]![0] }));
}

void main();
