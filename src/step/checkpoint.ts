import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { writeWholeFolder } from "../hub/whole";
import { writeSafetensors } from "../hub/writeSafetensors";
import { saveModel, type ModelParts } from "../model/load";
import { Lora } from "../model/lora";
import { saveAdapter } from "../model/loraFiles";
import type { TrainingArguments } from "./arguments";
import type { TrainerState } from "./callbacks";
import type { WindowState } from "./logWindow";
import { RUN_FILES, writeJson } from "./run/folder";
import type { RunIdentity } from "./run/identity";
import type { MethodState } from "./run/subject";
import { namedArguments } from "./run/trainingArgs";
import { tensorsOf } from "./run/variables";
import type { TrainStep } from "./trainStep";

/** What a checkpoint holds beside what a run's folder does. */
export const CHECKPOINT_FILES = { run: "run_state.json", optimizer: "optimizer.safetensors", method: "method_state.safetensors" } as const;

/** What the loop counts from step to step beside transformers' state. */
export interface RunProgress {
  /** Steps left out because a gradient overflowed. */
  skippedSteps: number;
  numTokens: number;
  /** Of all steps. */
  lossSum: number;
  /** What was measured since the last row of the log. */
  window: WindowState;
}

/** run_state.json: what a run must have in common with the one that wrote it, and the loop's counts. */
export interface RunState {
  identity: RunIdentity;
  /** SHA-256 of the weights that the run began with, where its numbers depend on them. */
  origin: string | null;
  progress: RunProgress;
}

export interface CheckpointContent {
  parts: ModelParts;
  args: TrainingArguments;
  state: TrainerState;
  run: RunState;
  step: TrainStep;
  method: MethodState | undefined;
}

/** A model card with the front matter of Hugging Face, for a checkpoint of a run. */
export function checkpointCard(name: string, args: object, state: TrainerState): string {
  const settings = Object.entries(args).map(([key, value]) => `| ${key} | ${JSON.stringify(value)} |`);
  return ["---", "library_name: transformers", "tags:", "- alignlab", "---", "", `# ${name}`, "", `Step ${state.step} of ${state.maxSteps}.`, "", "| setting | value |", "|---|---|", ...settings, ""].join("\n");
}

/** trainer_state.json under transformers' names. */
export function trainerStateJson(state: TrainerState, args: TrainingArguments): Record<string, unknown> {
  return {
    epoch: state.epoch, global_step: state.step, max_steps: state.maxSteps, num_train_epochs: state.numTrainEpochs,
    logging_steps: args.loggingSteps, eval_steps: args.evalSteps, save_steps: args.saveSteps, train_batch_size: args.perDeviceTrainBatchSize, log_history: state.logHistory,
  };
}

/**
 * Writes a checkpoint: a model folder, or of a model under an adapter the adapter's, and with it all that the run needs
 * to be continued. It is written beside and then renamed: a folder of this name is whole.
 */
export async function saveCheckpoint(path: string, content: CheckpointContent): Promise<void> {
  await writeWholeFolder(path, (folder) => writeContent(folder, content));
}

async function writeContent(path: string, { parts, args, state, run, step, method }: CheckpointContent): Promise<void> {
  const card = checkpointCard(`Checkpoint at step ${state.step}`, args, state);
  if (parts.model.adapter instanceof Lora) {
    await mkdir(path, { recursive: true });
    await saveAdapter(path, parts.model.adapter, { card });
    await parts.tokenizer.save(path);
  } else {
    await saveModel(path, parts, { card });
  }
  await writeSafetensors(join(path, CHECKPOINT_FILES.optimizer), tensorsOf(step.state));
  const tensors = method?.tensors() ?? [];
  if (tensors.length > 0) await writeSafetensors(join(path, CHECKPOINT_FILES.method), tensors);
  writeJson(join(path, RUN_FILES.args), namedArguments(args));
  writeJson(join(path, CHECKPOINT_FILES.run), run);
  writeJson(join(path, RUN_FILES.state), trainerStateJson(state, args));
}
