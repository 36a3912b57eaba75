import { existsSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { writeWholeSync } from "../../hub/whole";
import { jsonText } from "../jsonl";

/** Names of what a run's folder holds; each checkpoint holds the first two as well. */
export const RUN_FILES = { args: "training_args.json", state: "trainer_state.json", description: "run.json", log: "log.jsonl", samples: "samples.jsonl" } as const;

export interface CheckpointFolder {
  step: number;
  path: string;
}

/** Writes JSON under another name first, so that a file is the old one or the new one at any time. */
export function writeJson(file: string, value: unknown): void {
  writeWholeSync(file, `${jsonText(value, 2)}\n`);
}

/** @throws Error that names a file that is no JSON */
export function readJson(file: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>;
  } catch (error) {
    throw new Error(`${file} cannot be read as JSON: ${(error as Error).message}`);
  }
}

/** The checkpoints of a run's folder, oldest first. */
export function checkpointsIn(folder: string): CheckpointFolder[] {
  if (!existsSync(folder)) return [];
  const steps = readdirSync(folder).flatMap((name) => /^checkpoint-(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  return steps.sort((a, b) => a - b).map((step) => ({ step, path: join(folder, `checkpoint-${step}`) }));
}

/** Removes checkpoints up to a step beyond the newest so many; those of later steps are of what is being done anew. */
export async function removeOldest(folder: string, keep: number, step: number): Promise<void> {
  const done = checkpointsIn(folder).filter((checkpoint) => checkpoint.step <= step);
  for (const { path } of done.slice(0, -keep)) await rm(path, { recursive: true });
}

/** Removes what a process that was killed left half written; a checkpoint that was being replaced is put back. */
export async function clearLeftovers(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  const halves = readdirSync(folder).filter((name) => /^(checkpoint-\d+|[a-z_]+\.jsonl?)\.\d+\.(part|former)(\.\d+\.part)?$/.test(name));
  for (const name of halves) {
    const replaced = /^(checkpoint-\d+)\.\d+\.former$/.exec(name)?.[1];
    if (replaced && !existsSync(join(folder, replaced))) renameSync(join(folder, name), join(folder, replaced));
    else await rm(join(folder, name), { recursive: true });
  }
}

/**
 * Makes way for a new run.
 * @throws Error where the folder holds one that can be continued or has come to its end, unless it may be overwritten
 */
export async function makeWay(folder: string, overwrite: boolean): Promise<void> {
  const found = overwrite ? null : earlierRun(folder);
  if (found) {
    throw new Error(`${folder} holds a run already: ${found.what}. ${found.wayOn} For a new run choose another outputDir, or give args.overwriteOutputDir: true, which removes what is there.`);
  }
  for (const { path } of checkpointsIn(folder)) await rm(path, { recursive: true });
  for (const name of Object.values(RUN_FILES)) await rm(join(folder, name), { force: true });
}

function earlierRun(folder: string): { what: string; wayOn: string } | null {
  const newest = checkpointsIn(folder).at(-1);
  const file = join(folder, RUN_FILES.state);
  const { global_step: step = 0, max_steps: maxSteps = Infinity } = existsSync(file) ? (readJson(file) as { global_step?: number; max_steps?: number }) : {};
  if (step >= maxSteps) return { what: `it ended at step ${step}`, wayOn: "" };
  if (newest) return { what: `its newest checkpoint is of step ${newest.step}`, wayOn: "train({ resumeFromCheckpoint: true }) continues it." };
  return null;
}
