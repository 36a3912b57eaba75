import { mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { TrainingArguments } from "./arguments";
import type { TrainerCallback, TrainerState } from "./callbacks";
import { saveCheckpoint, trainerStateJson, type RunProgress } from "./checkpoint";
import { jsonlCallback } from "./jsonl";
import { CheckpointError, checkpointPath, openCheckpoint, type OpenCheckpoint } from "./resume";
import { writeDescription } from "./run/description";
import { clearLeftovers, makeWay, removeOldest, RUN_FILES, writeJson } from "./run/folder";
import { identityOf, weightsSum, type RunIdentity } from "./run/identity";
import type { RunSubject } from "./run/subject";
import { namedArguments } from "./run/trainingArgs";
import type { TrainStep } from "./trainStep";

/**
 * Keeps a run on disk, in `args.outputDir`: training_args.json, run.json (seed, versions, model, rows), log.jsonl,
 * trainer_state.json and checkpoints that the run is continued from exactly. Of random numbers nothing is kept: orders,
 * dropout and samples depend on the seed and the number of the epoch, batch or step alone.
 */
export class RunKeeper {
  /** Writes the log as it grows, and the state at the end. */
  readonly callbacks: readonly TrainerCallback[];
  /** The newest checkpoint's step. */
  savedStep = 0;
  private knownIdentity: RunIdentity | null = null;
  /** See RunState; undefined until the run begins. */
  private origin: string | null | undefined;

  constructor(private readonly subject: RunSubject, private readonly args: TrainingArguments, private readonly step: TrainStep) {
    const { outputDir } = args;
    this.callbacks = outputDir ? [jsonlCallback(outputDir), { onTrainEnd: (state) => this.writeState(outputDir, state) }] : [];
  }

  private get identity(): RunIdentity {
    return (this.knownIdentity ??= identityOf(this.subject, this.step.optimizer.groups));
  }

  /** Begins a new run's folder. @throws Error where `outputDir` holds another run */
  async begin(): Promise<void> {
    const { args: { outputDir, overwriteOutputDir, saveSteps } } = this;
    if (!outputDir) return;
    await clearLeftovers(outputDir);
    await makeWay(outputDir, overwriteOutputDir);
    if (saveSteps > 0) this.origin = await weightsSum(this.subject.origin);
    this.beginFolder(outputDir, null);
  }

  private beginFolder(outputDir: string, resumedAt: number | null): void {
    mkdirSync(outputDir, { recursive: true });
    writeJson(join(outputDir, RUN_FILES.args), namedArguments(this.args));
    writeDescription(outputDir, this.subject, this.identity, this.args.seed, resumedAt);
  }

  /** Opens the checkpoint to continue from. @throws CheckpointError before anything is changed */
  async open(resumeFrom: string | true, state: TrainerState): Promise<OpenCheckpoint> {
    const { args: { outputDir, overwriteOutputDir }, subject } = this;
    if (outputDir) await clearLeftovers(outputDir);
    const path = checkpointPath(resumeFrom, outputDir);
    if (this.origin === undefined && state.step > 0 && subject.origin.size > 0) throw new CheckpointError("resumeFromCheckpoint: this trainer has trained already, so the weights that the run began with are gone. Make a new trainer with the model as it was before.");
    this.origin ??= await weightsSum(subject.origin);
    const checkpoint = openCheckpoint(path, { subject, args: this.args, step: this.step, identity: this.identity, origin: this.origin, maxSteps: state.maxSteps });
    this.savedStep = checkpoint.globalStep;
    if (outputDir) {
      if (resolve(dirname(path)) !== resolve(outputDir)) await makeWay(outputDir, overwriteOutputDir);
      this.beginFolder(outputDir, checkpoint.globalStep);
    }
    return checkpoint;
  }

  /** Writes a checkpoint, then removes those beyond `saveTotalLimit`. @returns its path */
  async save(state: TrainerState, progress: RunProgress): Promise<string> {
    const { args, subject, step } = this;
    const outputDir = args.outputDir!;
    const path = join(outputDir, `checkpoint-${state.step}`);
    await saveCheckpoint(path, { parts: subject.parts, args, state, step, method: subject.state, run: { identity: this.identity, origin: this.origin ?? null, progress } });
    this.savedStep = state.step;
    this.writeState(outputDir, state);
    if (args.saveTotalLimit !== null) await removeOldest(outputDir, args.saveTotalLimit, state.step);
    return path;
  }

  private writeState(outputDir: string, state: TrainerState): void {
    writeJson(join(outputDir, RUN_FILES.state), trainerStateJson(state, this.args));
  }
}
