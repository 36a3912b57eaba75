import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Variable } from "@tensorflow/tfjs";
import { openSafetensors, type Safetensors } from "../hub/safetensors";
import { parseConfig } from "../model/encoderConfig";
import { Lora } from "../model/lora";
import type { TrainingArguments } from "./arguments";
import type { LogRow } from "./callbacks";
import { CHECKPOINT_FILES, type RunProgress, type RunState } from "./checkpoint";
import { logRowOf } from "./jsonl";
import { checkpointsIn, readJson, RUN_FILES } from "./run/folder";
import type { RunIdentity } from "./run/identity";
import type { RunSubject } from "./run/subject";
import { differingArguments, namedArguments } from "./run/trainingArgs";
import { misfit, readInto } from "./run/variables";
import type { TrainStep } from "./trainStep";

/** Thrown for a checkpoint that cannot be continued; nothing has been changed then. */
export class CheckpointError extends Error {
  override name = "CheckpointError";
}

/** What a checkpoint must fit. */
export interface RunToContinue {
  subject: RunSubject;
  args: TrainingArguments;
  step: TrainStep;
  identity: RunIdentity;
  /** See RunState. */
  origin: string | null;
  maxSteps: number;
}

/** A checkpoint that fits the run, read so far as the checks needed. */
export interface OpenCheckpoint {
  globalStep: number;
  logHistory: LogRow[];
  progress: RunProgress;
  /** Puts back what the method knew; before it begins. */
  restoreMethod(): void;
  /** Puts back weights and optimiser; once the method has begun. */
  restoreWeights(): void;
}

/**
 * The folder that `resumeFromCheckpoint` names.
 * @throws CheckpointError where there is none
 */
export function checkpointPath(resumeFrom: string | true, outputDir: string | undefined): string {
  if (resumeFrom !== true) {
    if (!existsSync(resumeFrom)) throw new CheckpointError(`resumeFromCheckpoint: there is no ${resumeFrom}.`);
    return resumeFrom;
  }
  if (!outputDir) throw new CheckpointError("resumeFromCheckpoint: true looks for checkpoints in args.outputDir, which is not set. Set it, or give the checkpoint's path.");
  const newest = checkpointsIn(outputDir).at(-1);
  if (!newest) throw new CheckpointError(`resumeFromCheckpoint: ${outputDir} holds no checkpoint. Train without it; args.saveSteps says how often one is written.`);
  return newest.path;
}

/**
 * Opens a checkpoint and makes sure that it is whole and of this run, before anything of the run is changed.
 * @throws CheckpointError that says what is torn or what differs
 */
export function openCheckpoint(path: string, run: RunToContinue): OpenCheckpoint {
  const { subject, step } = run;
  const adapter = subject.parts.model.adapter instanceof Lora ? subject.parts.model.adapter : null;
  const weights = adapter?.parameters ?? subject.parts.model.parameters;
  const files = whole(path, () => ({
    args: readJson(requiredFile(path, RUN_FILES.args)), state: readJson(requiredFile(path, RUN_FILES.state)),
    run: readJson(requiredFile(path, CHECKPOINT_FILES.run)) as unknown as RunState,
    config: readJson(requiredFile(path, adapter ? "adapter_config.json" : "config.json")),
    weights: openSafetensors(requiredFile(path, adapter ? "adapter_model.safetensors" : "model.safetensors")),
    optimizer: openSafetensors(requiredFile(path, CHECKPOINT_FILES.optimizer)),
    method: existsSync(join(path, CHECKPOINT_FILES.method)) ? openSafetensors(join(path, CHECKPOINT_FILES.method)) : null,
  }));
  const differences = [
    ...otherInputs(files.run, run), ...differingArguments(files.args, asInFile(namedArguments(run.args))),
    ...(adapter ? otherAdapter(files.config, adapter) : otherModel(files.config, subject)),
    ...(files.state.max_steps === run.maxSteps ? [] : [`max_steps is ${String(files.state.max_steps)} there and ${run.maxSteps} here`]),
  ];
  const misfits = [[files.weights, weights], [files.optimizer, step.state]].map(([file, variables]) => misfit(file as Safetensors, variables as ReadonlyMap<string, Variable>));
  const all = [...differences, ...misfits.filter((found) => found !== null)];
  if (all.length > 0) throw new CheckpointError(`${path} is of another run: ${all.join("; ")}. Continue it with the model, rows and settings that it was begun with, or begin a new run from its weights.`);
  if (files.run.identity.engine !== run.identity.engine) console.warn(`${path} was written with ${files.run.identity.engine}; this is ${run.identity.engine}. The last digits may differ from those of a run that was not interrupted.`);
  return {
    globalStep: files.state.global_step as number, logHistory: (files.state.log_history as unknown[]).map(logRowOf), progress: files.run.progress,
    restoreMethod: () => files.method && subject.state?.restore(files.method),
    restoreWeights: () => {
      readInto(weights, files.weights);
      readInto(step.state, files.optimizer);
    },
  };
}

/** As a value comes back from a file. */
const asInFile = (value: Record<string, unknown>): Record<string, unknown> => JSON.parse(JSON.stringify(value)) as Record<string, unknown>;

function requiredFile(path: string, name: string): string {
  const file = join(path, name);
  if (!existsSync(file)) throw new Error(`${file} is missing`);
  return file;
}

function whole<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const [folder, step] = [join(path, ".."), Number(/checkpoint-(\d+)\/?$/.exec(path)?.[1])];
    const before = checkpointsIn(folder).filter((checkpoint) => checkpoint.step < step).at(-1);
    const wayOut = before ? ` The one before it is ${before.path}: give resumeFromCheckpoint its path.` : "";
    throw new CheckpointError(`${path} is no whole checkpoint that a run can be continued from: ${(error as Error).message.replace(/\.$/, "")}.${wayOut}`, { cause: error });
  }
}

function otherInputs({ identity: then, origin }: RunState, { identity: now, origin: begun }: RunToContinue): string[] {
  const found: string[] = [];
  if (then.trainer !== now.trainer) found.push(`it was written by ${then.trainer}, this is ${now.trainer}`);
  for (const set of ["trainDataset", "evalDataset"] as const) {
    if (then[set].rows !== now[set].rows) found.push(`${set} has ${then[set].rows} rows there and ${now[set].rows} here`);
    else if (then[set].sha256 !== now[set].sha256) found.push(`${set} has other rows, or another order or tokenizer`);
  }
  if (then.parameterGroups !== now.parameterGroups) found.push("the parameter groups differ");
  if (origin !== begun) found.push("it was begun from other weights (give the trainer the model as it was before the run, not a checkpoint of it)");
  return found;
}

function otherModel(config: Record<string, unknown>, { parts: { model } }: RunSubject): string[] {
  const [then, now] = [parseConfig(config as never), model.config] as unknown as Record<string, unknown>[];
  const names = Object.keys(now!).filter((name) => JSON.stringify(then![name]) !== JSON.stringify(now![name]));
  return names.map((name) => `the model's ${name} is ${JSON.stringify(then![name])} there and ${JSON.stringify(now![name])} here`);
}

function otherAdapter(config: Record<string, unknown>, { config: { r, loraAlpha, loraDropout, useRslora } }: Lora): string[] {
  const here = { r, lora_alpha: loraAlpha, lora_dropout: loraDropout, use_rslora: useRslora };
  return Object.entries(here).filter(([name, value]) => config[name] !== value).map(([name, value]) => `the adapter's ${name} is ${JSON.stringify(config[name])} there and ${JSON.stringify(value)} here`);
}
