import type { PreferenceRow } from "../../src/data/preference";
import { LlamaForSequenceClassification } from "../../src/model/classification";
import { withFreshHead, withLabels } from "../../src/model/classifierHead";
import type { LlamaForCausalLM } from "../../src/model/llama";
import type { LoraConfig } from "../../src/model/lora";
import type { TrainingArguments } from "../../src/step/arguments";
import type { TrainerCallback } from "../../src/step/callbacks";
import { DPOTrainer } from "../../src/step/dpoTrainer";
import type { MethodTrainer } from "../../src/step/methodTrainer";
import { RewardTrainer } from "../../src/step/rewardTrainer";
import type { SampleOptions } from "../../src/step/run/samples";
import { SFTTrainer } from "../../src/step/sftTrainer";
import { tinyModel } from "../generate/tinyModel";
import { tinyRows, tinyTokenizer } from "./tiny";

// Runs that the tests begin in a process of their own, kill there, and continue here.

export type CaseName = "dpo" | "sft" | "reward";

export interface RunCase {
  outputDir: string;
  args?: Partial<TrainingArguments>;
  /** Rows and model weights other than the case's. */
  rows?: PreferenceRow[];
  seed?: number;
  peftConfig?: Partial<LoraConfig>;
  callbacks?: TrainerCallback[];
}

/** Between them every optimiser, what a float16 run keeps beside it, accumulation, dropout and a warm-up. */
const ARGS: Record<CaseName, Partial<TrainingArguments>> = {
  dpo: { precision: "float16", gradientAccumulationSteps: 2, perDeviceTrainBatchSize: 2, lrSchedulerType: "cosine", warmupSteps: 2, learningRate: 5e-3, evalSteps: 4, weightDecay: 0.1 },
  sft: { optim: "adamw_8bit", perDeviceTrainBatchSize: 3, learningRate: 1e-2, gradientAccumulationSteps: 2, evalSteps: 5 },
  reward: { optim: "sgd", sgdMomentum: 0.9, perDeviceTrainBatchSize: 4, learningRate: 1e-2, lrSchedulerType: "constant_with_warmup", warmupSteps: 3 },
};

const pairs = tinyRows(16);
const held = tinyRows(5, 30);
const chats = (rows: PreferenceRow[]) => rows.map(({ prompt, chosen }) => ({ prompt: [{ role: "user", content: prompt }], completion: [{ role: "assistant", content: chosen }] }));

/** A score head on the tiny model. */
async function classifier(seed?: number): Promise<LlamaForSequenceClassification> {
  const base = await model(seed);
  const config = withLabels(base.hfConfig, { numLabels: 1 });
  try {
    return await LlamaForSequenceClassification.create(config, withFreshHead(config, (name) => base.read(name), 4));
  } finally {
    base.dispose();
  }
}

/** Wide enough for moments of 8 bits in its embedding and, at rank 128, in the matrices of its adapter. */
const model = (seed = 1): Promise<LlamaForCausalLM> => tinyModel({ vocab: 160, scale: 0.2, positions: 64, eos: 3, seed });

const samples: SampleOptions = { prompts: ["abc", "xyz"], steps: 3, generation: { maxNewTokens: 6, doSample: true, seed: 5 } };

/** A trainer of a fresh model of the case. */
export async function caseTrainer(name: CaseName, { outputDir, args, callbacks = [], rows = pairs, seed, peftConfig = { r: 128, loraDropout: 0.2 } }: RunCase): Promise<{ trainer: MethodTrainer; dispose(): void }> {
  const common = { tokenizer: tinyTokenizer(), callbacks, args: { maxSteps: 12, loggingSteps: 3, saveSteps: 2, saveTotalLimit: 3, ...ARGS[name], outputDir, ...args } };
  const trained = name === "reward" ? await classifier(seed) : await model(seed);
  const trainer =
    name === "dpo" ? new DPOTrainer({ ...common, samples, model: trained as LlamaForCausalLM, trainDataset: rows, evalDataset: held })
    : name === "sft" ? new SFTTrainer({ ...common, samples, model: trained as LlamaForCausalLM, trainDataset: chats(rows), evalDataset: chats(held), peftConfig })
    : new RewardTrainer({ ...common, model: trained as LlamaForSequenceClassification, trainDataset: rows, evalDataset: held });
  return {
    trainer,
    dispose() {
      trainer.dispose();
      if (trainer instanceof SFTTrainer) trainer.lora!.unload();
      trained.dispose();
    },
  };
}
