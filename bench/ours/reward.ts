import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { engineInfo } from "../../src/engine/info";
import { BFLOAT16_VARIABLE } from "../../src/engine/precision";
import type { Precision } from "../../src/engine/recorder";
import { PACKAGED_MODEL } from "../../src/hub/cache";
import { loadSequenceClassifier } from "../../src/model/loadClassifier";
import { RewardTrainer } from "../../src/step/rewardTrainer";
import type { RewardJob } from "../job";

// Our side of `npm run bench -- reward`: the public RewardTrainer as a notebook uses it, held between steps.

const MANY_STEPS = 100_000;

async function main(): Promise<void> {
  // What the row says is what is measured, whether or not this processor has the instructions.
  process.env[BFLOAT16_VARIABLE] = "1";
  const job = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as RewardJob;
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const wanted = async (): Promise<boolean> => (await lines.next()).value === "step";
  const send = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);

  const { model, tokenizer } = await loadSequenceClassifier(PACKAGED_MODEL, { seed: job.seed });
  const trainer: RewardTrainer = new RewardTrainer({
    model, tokenizer, trainDataset: job.batches.flat().map(({ chosen, rejected }) => ({ chosen_ids: chosen, rejected_ids: rejected })),
    args: {
      precision: job.setting as Precision, perDeviceTrainBatchSize: job.batches[0]!.length, shuffle: false, groupByLength: false, maxLength: null,
      maxSteps: MANY_STEPS, loggingSteps: 1, learningRate: job.learningRate, lrSchedulerType: "constant", weightDecay: 0, maxGradNorm: 1,
    },
    callbacks: [{
      onTrainBegin: async () => {
        if (!(await wanted())) trainer.stop();
      },
      onStepEnd: async ({ logHistory }) => {
        send({ event: "step", loss: logHistory.at(-1)!.loss });
        if (!(await wanted())) trainer.stop();
      },
    }],
  });
  const { threads, tensorflow } = engineInfo();
  send({ event: "ready", threads: threads.intraOp, versions: { tensorflow }, plannedBytes: trainer.memoryPlan!.bytes });
  await trainer.train();
  process.exit(0);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
