import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import { generate } from "../../src/generate/generate";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { answerScores, rolloutTensorList, rolloutTensorsFrom, toRolloutTensors } from "../../src/loss/rollouts";
import { loadModel } from "../../src/model/load";
import { packRollouts } from "../../src/tokens/packRollouts";
import type { GenerateJob } from "../generateJob";
import { engineReady } from "./engineReady";

// Our side of `npm run bench -- rollout`: for each step answers are drawn, then scored under policy and reference.

const TEMPERATURE = 0.7;

async function main(): Promise<void> {
  const job = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as GenerateJob & { setting: "float32" | "bfloat16" };
  const send = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);
  const { model, tokenizer } = await loadModel(PACKAGED_MODEL);
  const reference = await model.clone();
  const scores = [model, reference].map((each) => jit((...tensors: Tensor[]) => answerScores(each, rolloutTensorsFrom(tensors), TEMPERATURE).logps, { precision: job.setting }));
  send({ event: "ready", ...engineReady() });
  let seed = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    if (line !== "step") break;
    const { sequences } = await generate(model, job.prompts, {
      maxNewTokens: job.newTokens, minNewTokens: job.newTokens, doSample: true, temperature: TEMPERATURE, seed: seed++, returnLogps: true, precision: "auto", decodeWeights: job.setting,
    });
    if (sequences.some(({ length }) => length !== job.newTokens)) throw new Error(`an answer has not the ${job.newTokens} tokens that are due`);
    const answers = sequences.map((ids, i) => ({ promptIds: job.prompts[i]!, ids }));
    const tensors = rolloutTensorList(toRolloutTensors(packRollouts(answers, job.newTokens, 1, { padTokenId: tokenizer.padTokenId ?? 0 })));
    const results = scores.map((score) => score(...tensors));
    await Promise.all(results.map((result) => result.data()));
    tf.dispose([results, tensors]);
    send({ event: "step" });
  }
  process.exit(0);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
