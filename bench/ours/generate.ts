import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { generate } from "../../src/generate/generate";
import type { DecodeWeights } from "../../src/generate/weights";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { loadModel } from "../../src/model/load";
import type { GenerateJob } from "../generateJob";
import { engineReady } from "./engineReady";

// Our side of `npm run bench -- generate`: one call of the public generate for each step.

async function main(): Promise<void> {
  const job = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as GenerateJob;
  const send = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);
  const { model } = await loadModel(PACKAGED_MODEL);
  send({ event: "ready", ...engineReady() });
  for await (const line of createInterface({ input: process.stdin })) {
    if (line !== "step") break;
    const times: number[] = [];
    await generate(model, job.prompts, {
      maxNewTokens: job.newTokens, minNewTokens: job.newTokens, precision: "auto", decodeWeights: job.setting as DecodeWeights,
      onStep: () => times.push(performance.now()),
    });
    if (times.length !== job.newTokens) throw new Error(`${times.length} tokens were generated, ${job.newTokens} are due`);
    send({ event: "step", decodeSeconds: (times.at(-1)! - times[0]!) / 1000 / (times.length - 1) });
  }
  process.exit(0);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
