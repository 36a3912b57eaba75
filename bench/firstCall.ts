import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../src/engine/backend";
import { jit } from "../src/engine/jit";
import { RandomSource } from "../src/engine/random";
import type { Precision } from "../src/engine/recorder";
import { PACKAGED_MODEL } from "../src/hub/cache";
import { tokenLogps } from "../src/loss/logps";
import { attentionBias } from "../src/model/attention";
import { loadModel } from "../src/model/load";

// What the first step of the packaged model costs beyond its computation:
// node --import tsx bench/firstCall.ts [float32|bfloat16] [batch] [length]

async function main(): Promise<void> {
  const [precision = "bfloat16", batchText = "4", lengthText = "128"] = process.argv.slice(2);
  const [batch, length] = [Number(batchText), Number(lengthText)];
  const { model } = await loadModel(PACKAGED_MODEL);
  const parameters = [...model.parameters.values()];
  const random = new RandomSource(1);
  const ids = tf.tensor2d(Int32Array.from({ length: batch * length }, () => random.integer(model.config.vocabSize)), [batch, length], "int32");
  const places = Int32Array.from({ length: batch * length }, (_, i) => i % length);
  const lossOf = (ids: Tensor2D): Scalar => {
    const positions = tf.tensor2d(places, [batch, length], "int32");
    const hidden = model.hiddenStates({ inputIds: ids, positions, attention: { bias: attentionBias(tf.onesLike(ids)) } });
    const logps = tokenLogps(tf.reshape(hidden, [batch * length, -1]) as Tensor2D, model.head, tf.reshape(ids, [-1]) as Tensor1D);
    return tf.neg(tf.mean(logps)) as Scalar;
  };
  const measure = async (what: string): Promise<void> => {
    const step = jit((ids: Tensor) => {
      const { value, grads } = tf.variableGrads(() => lossOf(ids as Tensor2D), parameters);
      return [value, ...parameters.map((parameter) => grads[parameter.name]!)];
    }, { precision: precision as Precision, name: "first_call" });
    const run = async (): Promise<{ wall: number; cpu: number }> => {
      const [started, cpu] = [performance.now(), process.cpuUsage()];
      const results = step(ids);
      await Promise.all(results.slice(-2).map((result) => result.data()));
      await results[0]!.data();
      tf.dispose(results);
      const { user, system } = process.cpuUsage(cpu);
      return { wall: performance.now() - started, cpu: (user + system) / 1000 };
    };
    const first = await run();
    const later = [await run(), await run(), await run()];
    const least = (of: "wall" | "cpu"): number => Math.min(...later.map((one) => one[of]));
    const { nodes, milliseconds } = step.traces[0]!;
    console.log(`${what}, ${precision}, ${batch} × ${length}: ${nodes} nodes; trace ${milliseconds.toFixed(0)} ms, with the first call ${first.wall.toFixed(0)} ms; a later call ${least("wall").toFixed(0)} ms. CPU time beyond a later call: ${(first.cpu - least("cpu")).toFixed(0)} ms`);
    step.dispose();
  };
  await measure("First trace of the process");
  await measure("The same traced anew");
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
