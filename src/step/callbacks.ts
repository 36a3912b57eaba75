/**
 * What a training run tells its listeners. Types only: `step` calls callbacks, `log` and `chart` write them.
 */

/**
 * One row of a run's log, under TRL's names: `loss`, `learning_rate`, `grad_norm`, `rewards/chosen`,
 * `rewards/rejected`, `rewards/accuracies`, `rewards/margins`, `logps/chosen`, `logps/rejected` of DPO, `entropy`,
 * `mean_token_accuracy`, `num_tokens` of SFT, `reward`, `kl`, `completions/mean_length` of GRPO, RLOO and REINFORCE,
 * `objective/kl`, `objective/scores`, `policy/approxkl_avg` of PPO, and in float16 `loss_scale`; what an evaluation measured carries the prefix `eval_`. Every value is a number; a row holds only what was measured at its step.
 */
export type LogRow = { step: number; epoch: number } & Record<string, number>;

/** Where a run stands. The trainer owns it; callbacks read it. */
export interface TrainerState {
  /** Optimiser steps done so far. */
  step: number;
  /** Optimiser steps of the whole run. */
  maxSteps: number;
  /** Passes over the data so far, with a fraction. */
  epoch: number;
  numTrainEpochs: number;
  /** Every row logged so far, training and evaluation rows in the order they came. */
  logHistory: LogRow[];
  /** When the run began, in milliseconds since 1970. */
  startedAt: number;
  /** True once the run ended before its last step because it was asked to. */
  stopped: boolean;
}

/** A listener of a training run. Every method is optional; a promise is awaited before the run goes on. */
export interface TrainerCallback {
  onTrainBegin?(state: TrainerState): void | Promise<void>;
  onStepBegin?(state: TrainerState): void | Promise<void>;
  onStepEnd?(state: TrainerState): void | Promise<void>;
  onLog?(state: TrainerState, row: LogRow): void | Promise<void>;
  onEvaluate?(state: TrainerState, metrics: LogRow): void | Promise<void>;
  onSave?(state: TrainerState, path: string): void | Promise<void>;
  /** The run ends by an error, which is thrown on; `onTrainEnd` follows. */
  onTrainError?(state: TrainerState, error: unknown): void | Promise<void>;
  onTrainEnd?(state: TrainerState): void | Promise<void>;
}
