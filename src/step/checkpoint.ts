import { existsSync, readdirSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { saveModel, type ModelParts } from "../model/load";
import { Lora } from "../model/lora";
import { saveAdapter } from "../model/loraFiles";
import type { TrainingArguments } from "./arguments";
import type { TrainerState } from "./callbacks";

/** A model card with the front matter of Hugging Face, for a checkpoint of a run. */
export function checkpointCard(name: string, args: object, state: TrainerState): string {
  const settings = Object.entries(args).map(([key, value]) => `| ${key} | ${JSON.stringify(value)} |`);
  return ["---", "library_name: transformers", "tags:", "- alignlab", "---", "", `# ${name}`, "", `Step ${state.step} of ${state.maxSteps}.`, "", "| setting | value |", "|---|---|", ...settings, ""].join("\n");
}

/**
 * Writes a model folder, or of a model under an adapter the adapter's, with trainer_state.json (transformers' names) in
 * it, and removes checkpoints beyond `saveTotalLimit`, oldest first.
 */
export async function saveCheckpoint(path: string, parts: ModelParts, args: TrainingArguments, state: TrainerState): Promise<void> {
  const card = checkpointCard(`Checkpoint at step ${state.step}`, args, state);
  if (parts.model.adapter instanceof Lora) {
    await saveAdapter(path, parts.model.adapter, { card });
    await parts.tokenizer.save(path);
  } else {
    await saveModel(path, parts, { card });
  }
  const trainerState = { epoch: state.epoch, global_step: state.step, max_steps: state.maxSteps, num_train_epochs: state.numTrainEpochs, log_history: state.logHistory };
  await writeFile(join(path, "trainer_state.json"), `${JSON.stringify(trainerState, null, 2)}\n`);
  if (args.saveTotalLimit !== null) await removeOldest(dirname(path), args.saveTotalLimit);
}

async function removeOldest(folder: string, keep: number): Promise<void> {
  if (!existsSync(folder)) return;
  const steps = readdirSync(folder).flatMap((name) => /^checkpoint-(\d+)$/.exec(name)?.[1] ?? []).map(Number).sort((a, b) => b - a);
  for (const step of steps.slice(keep)) await rm(join(folder, `checkpoint-${step}`), { recursive: true });
}
