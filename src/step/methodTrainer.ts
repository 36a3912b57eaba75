import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { JitFunction } from "../engine/jit";
import type { Tokenizer } from "../tokens/tokenizer";
import type { LogRow, TrainerCallback, TrainerState } from "./callbacks";
import type { ParameterGroup } from "./optimizer";
import type { TrainingLoop, TrainOptions, TrainOutput } from "./trainer";

/** What every trainer takes. */
export interface MethodTrainerOptions<Row, Config> {
  tokenizer: Tokenizer;
  trainDataset: readonly Row[];
  evalDataset?: readonly Row[];
  args?: Partial<Config>;
  /** Parameters with a weight decay or learning rate of their own. Default: norms and biases do not decay. */
  parameterGroups?: readonly ParameterGroup[];
  callbacks?: readonly TrainerCallback[];
}

/** What the trainers of all methods have in common: the shared loop's outside, and the way over held-out rows. */
export abstract class MethodTrainer {
  protected abstract readonly loop: TrainingLoop;
  /** The numbers of one held-out batch. */
  protected abstract readonly evaluation: JitFunction<Tensor[], Tensor>;
  abstract readonly evalRows: readonly unknown[];

  /** What the run has logged so far, under TRL's names. */
  get state(): TrainerState {
    return this.loop.state;
  }

  /**
   * Trains to the end or until Stop, or goes on where Stop ended it. Rows of the log are in `state.logHistory`; with
   * `args.outputDir` the run is kept there, and a run that was killed is continued from its last checkpoint with
   * `train({ resumeFromCheckpoint: true })`, to the same numbers bit for bit.
   * @throws CheckpointError, before anything is changed, for a checkpoint that is torn or of another run; Error while the
   * model's adapter is merged into it
   */
  async train(options: TrainOptions = {}): Promise<TrainOutput> {
    return this.loop.run(options);
  }

  /** Ends training after the current step. */
  stop(): void {
    this.loop.stop();
  }

  /** Measures the evaluation rows, logged under `eval_…`; null when stopped before the end. @throws when the trainer has no evalDataset */
  async evaluate(): Promise<LogRow | null> {
    this.requireEvalRows("evaluate");
    return this.loop.evaluate();
  }

  protected requireEvalRows(method: string): void {
    if (this.evalRows.length === 0) throw new Error(`${method}: the trainer was made without evalDataset.`);
  }

  /**
   * Evaluates batch after batch.
   * @param tensorsOf what `evaluation` takes of a batch; disposed here @param take gets its numbers
   * @returns whether all batches were: false when `signal` was aborted before the end
   */
  protected async evaluateBatches<R>(batches: readonly R[][], tensorsOf: (batch: R[]) => Tensor[] | Promise<Tensor[]>, take: (values: Float32Array, batch: R[]) => void, signal?: AbortSignal): Promise<boolean> {
    for (const batch of batches) {
      if (signal?.aborted) return false;
      const tensors = await tensorsOf(batch);
      const result = this.evaluation(...tensors);
      take((await result.data()) as Float32Array, batch);
      tf.dispose([result, ...tensors]);
    }
    return true;
  }

  /** Frees the optimiser's state and the compiled functions. The model, with its adapter, stays. */
  dispose(): void {
    this.loop.dispose();
    this.evaluation.dispose();
  }
}
