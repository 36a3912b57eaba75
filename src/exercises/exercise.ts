import type { Tensor } from "@tensorflow/tfjs";
import type { Plain, Tolerance } from "./values";

/** Marks a tensor as an argument of the function under check, which must leave it as it is. Returns the tensor. */
export type Give = <T extends Tensor>(tensor: T) => T;

/** One trial of a function: what it is given, told in plain words. */
export interface Trial<Input extends Plain> {
  tried: string;
  input: Input;
}

/** A plausible wrong answer: `wrong` computes what it would give, so that a check recognises it by its values. */
export interface Mistake<Input extends Plain> {
  name: string;
  /** What happened and where to look, without the solution. */
  says: string;
  /** The mistake's result; several where the same slip comes in several forms. */
  wrong(input: Input): Plain;
  others?: ((input: Input) => Plain)[];
}

export interface ExerciseDefinition<Input extends Plain, Answer> {
  /** Name for `check(id, …)`. */
  id: string;
  title: string;
  /** Minutes a reader needs who has read the part before. */
  minutes: number;
  /** The shape of the answer in one sentence. */
  returns: string;
  /** From a nudge to nearly the way; never the code. */
  hints: readonly string[];
  trials: readonly Trial<Input>[];
  /** Further cases for whoever marks the work: a function that knows the others by heart fails on them. */
  hidden?: readonly Trial<Input>[];
  /**
   * Calls the answer with a trial's input, tensors among its arguments passed through `give`. Runs inside a tfjs scope:
   * tensors made here are freed after. What it returns may be a promise.
   */
  call(answer: Answer, input: Input, give: Give): unknown;
  /** The right result, computed apart from the library in plain numbers. */
  right(input: Input): Plain;
  mistakes: readonly Mistake<Input>[];
  /**
   * Names of the parts of a list or record result, where a mistake in one leaves the others right:
   * `["loss", "rewardAccuracy", "rewardMargin"]`. Mistakes are then recognised part by part, and messages name them.
   */
  parts?: readonly string[];
  tolerance?: Tolerance;
}

/** An exercise ready for `check`: `Answer` is the type of the function to write. */
export interface Exercise<Answer> extends ExerciseDefinition<never, Answer> {}

/** Defines an exercise for `check`; a notebook may define its own. */
export function exercise<Input extends Plain, Answer>(definition: ExerciseDefinition<Input, Answer>): Exercise<Answer> {
  return definition as unknown as Exercise<Answer>;
}
