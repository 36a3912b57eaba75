import type { Tensor2D } from "@tensorflow/tfjs";
import type { LossAndMetrics } from "../trainStep";
import type { Rollout } from "./sample";

/** Rollouts with all that was computed of them; lists are in the order of `rollouts`, those of tokens have one number for each token of each answer. */
export interface MeasuredRollouts {
  rollouts: readonly Rollout[];
  /** Answers to each prompt, which stand next to each other. */
  groupSize: number;
  /** As the reward function or model gave them. */
  scores: readonly number[];
  /** Scores of the likeliest answer to each prompt, and whether it ends; null where no method asked for them. */
  greedy: { scores: readonly number[]; ended: readonly boolean[] } | null;
  /** log π of each token, recomputed in one pass with the weights that drew it. */
  logps: readonly (readonly number[])[];
  entropies: readonly (readonly number[])[];
  /** log π_ref; null without a reference. */
  refLogps: readonly (readonly number[])[] | null;
  /** V; null without a value function. */
  values: readonly (readonly number[])[] | null;
}

/** Numbers that a method carries from one iteration to the next, which checkpoints keep as float32; NaN where one is not known yet. */
export type Control = Readonly<Record<string, number>>;

/** What an iteration trains on. */
export interface Targets {
  /** Under the method's column names one number for each token of each answer. */
  columns: Readonly<Record<string, readonly (readonly number[])[]>>;
  /** Which answers are learnt from. */
  counts: readonly boolean[];
  /** The advantage of each answer, for tables; of an answer whose tokens differ, their mean. */
  advantages: readonly number[];
  /** Under the method's names, for the log. */
  statistics: Readonly<Record<string, number>>;
  control: Control;
}

/** Tokens of a minibatch inside a trace, every tensor [answers, width] and 0 where nothing counts. */
export interface LossTerms {
  logps: Tensor2D;
  entropies: Tensor2D;
  /** null without a value function. */
  values: Tensor2D | null;
  /** 1 for tokens that are learnt from, else 0. */
  mask: Tensor2D;
  /** The method's columns. */
  columns: Readonly<Record<string, Tensor2D>>;
}

/** What a policy-gradient method makes of rollouts: targets on the host, then a loss on the device. */
export interface Objective {
  /** What the log calls the mean score. */
  scoreName: string;
  /** Names in the log of what the targets' statistics and the loss's metrics measure. */
  statisticNames: readonly string[];
  metricNames: readonly string[];
  columnNames: readonly string[];
  /** At the run's beginning. */
  control: Control;
  targets(measured: MeasuredRollouts, control: Control): Targets;
  loss(terms: LossTerms): LossAndMetrics;
}

export const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
export const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** One number of each answer as one of each of its tokens. */
export const perToken = (values: readonly number[], rollouts: readonly Rollout[]): number[][] => rollouts.map(({ ids }, i) => ids.map(() => values[i]!));
