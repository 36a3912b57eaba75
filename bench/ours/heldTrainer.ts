import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { BFLOAT16_VARIABLE } from "../../src/engine/precision";
import type { Precision } from "../../src/engine/recorder";
import type { TrainingArguments } from "../../src/step/arguments";
import type { TrainerCallback } from "../../src/step/callbacks";
import type { MemoryPlan } from "../../src/step/memoryPlan";
import { engineReady } from "./engineReady";

/** What of a public trainer is used here. */
interface HeldTrainer {
  readonly memoryPlan: MemoryPlan | null;
  train(): Promise<unknown>;
  stop(): void;
}

const MANY_STEPS = 100_000;

/** The training arguments of every bench: nothing moves but what is measured. */
function argumentsOf({ setting, learningRate }: { setting: string; learningRate: number }, batch: number) {
  return {
    precision: setting as Precision, perDeviceTrainBatchSize: batch, shuffle: false, groupByLength: false,
    maxSteps: MANY_STEPS, loggingSteps: 1, learningRate, lrSchedulerType: "constant", weightDecay: 0, maxGradNorm: 1,
  } satisfies Partial<TrainingArguments>;
}

/**
 * Our side of a trainer's bench: a public trainer as a notebook uses it, held between steps.
 * @param make builds it from the job, with these arguments and callbacks among its own
 */
export function runHeld<J extends { setting: string; learningRate: number }>(make: (job: J, argsOf: (batch: number) => ReturnType<typeof argumentsOf>, callbacks: readonly TrainerCallback[]) => Promise<HeldTrainer>): void {
  hold(make).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
}

async function hold<J extends { setting: string; learningRate: number }>(make: Parameters<typeof runHeld<J>>[0]): Promise<void> {
  // What the row says is what is measured, whether or not this processor has the instructions.
  process.env[BFLOAT16_VARIABLE] = "1";
  const job = JSON.parse(readFileSync(process.argv[2]!, "utf8")) as J;
  const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const send = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);
  const stopUnlessWanted = async (): Promise<void> => {
    if ((await lines.next()).value !== "step") trainer.stop();
  };
  const trainer: HeldTrainer = await make(job, (batch) => argumentsOf(job, batch), [{
    onTrainBegin: stopUnlessWanted,
    onStepEnd: async ({ logHistory }) => {
      send({ event: "step", loss: logHistory.at(-1)!.loss });
      await stopUnlessWanted();
    },
  }]);
  send({ event: "ready", ...engineReady(), plannedBytes: trainer.memoryPlan!.bytes });
  await trainer.train();
  process.exit(0);
}
