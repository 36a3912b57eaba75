import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { globalNorm, jit, tf, tokenLogps, type LlamaForCausalLM, type Precision } from "../../src";
import { attentionBias } from "../../src/model/attention";
import type { StepJob } from "../stepJob";
import { firstLayers } from "./firstLayers";
import { engineReady } from "./engineReady";

// Our side of `npm run bench -- step`: the model, the loss of every next token, and all gradients, as one compiled function.

/** Mean cross-entropy of every token but the first. @param ids int32 [batch, length] */
function causalLoss(model: LlamaForCausalLM, ids: Tensor2D): Scalar {
  const [batch, length] = ids.shape;
  const positions = tf.reshape(tf.range(0, length, 1, "int32"), [1, length]) as Tensor2D;
  const hidden = model.hiddenStates({ inputIds: ids, positions, attention: { bias: attentionBias(tf.onesLike(ids)) } });
  const predicting = tf.reshape(tf.slice(hidden, [0, 0, 0], [batch, length - 1, -1]), [batch * (length - 1), -1]) as Tensor2D;
  const targets = tf.reshape(tf.slice(ids, [0, 1], [batch, length - 1]), [-1]) as Tensor1D;
  return tf.neg(tf.mean(tokenLogps(predicting, model.head, targets)));
}

async function main(): Promise<void> {
  const job = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as StepJob;
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const send = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);

  const model = await firstLayers(job.layers);
  const variables = [...model.parameters.values()];
  const lossAndGradients = jit((ids: Tensor2D) => {
    const { value, grads } = tf.variableGrads(() => causalLoss(model, ids), variables);
    return [value, ...variables.map((variable) => grads[variable.name]!)];
  }, { precision: job.setting as Precision, name: "forward_backward" });

  const ids = tf.tensor2d(job.ids, undefined, "int32");
  let gradients: Tensor[] = [];
  const step = async (): Promise<number> => {
    tf.dispose(gradients);
    const [loss, ...rest] = lossAndGradients(ids) as Tensor[];
    gradients = rest;
    const [value] = await loss!.data();
    loss!.dispose();
    return value!;
  };

  const loss = await step();
  const norm = tf.tidy(() => globalNorm(gradients));
  const [gradientNorm] = await norm.data();
  norm.dispose();
  send({ event: "ready", ...engineReady(), check: { loss, gradientNorm } });
  while ((await lines.next()).value === "step") send({ event: "step", loss: await step() });
  process.exit(0);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
