import { DECODE_WEIGHTS, type DecodeWeights } from "../../generate/weights";
import { checkEstimator, type KlEstimator } from "../../loss/kl";
import type { LlamaForCausalLM } from "../../model/llama";
import type { TokenizedPrompt } from "../../tokens/prompts";
import { TRAINING_DEFAULTS, type TrainingArguments } from "../arguments";

/** What all methods that learn from their own answers have in common. `perDeviceTrainBatchSize` counts the prompts of an iteration. */
export interface RolloutConfig extends TrainingArguments {
  /** A prompt keeps its last so many tokens; null keeps all. */
  maxPromptLength: number | null;
  /** Answers are drawn from softmax(logits / temperature), and trained under it. */
  temperature: number;
  /** Draws among the k likeliest tokens only; null for all. */
  topK: number | null;
  /** Draws among the likeliest tokens whose probabilities first reach this sum. 1: all. */
  topP: number;
  /** How weights are held while answers are drawn, see `DecodeWeights`. What rounding changes is in the log as `sampling/sampling_logp_difference`. */
  decodeWeights: DecodeWeights;
  /** What the score of an answer without end token loses; null for nothing. */
  missingEosPenalty: number | null;
  /** Scores are cut to −scoreClip … scoreClip, before the penalty; null leaves them. */
  scoreClip: number | null;
  klEstimator: KlEstimator;
}

export const ROLLOUT_DEFAULTS: RolloutConfig = {
  ...TRAINING_DEFAULTS, maxPromptLength: 512, temperature: 1, topK: null, topP: 1, decodeWeights: "float32",
  missingEosPenalty: null, scoreClip: null, klEstimator: "k1",
};

/** @throws RangeError that names the argument, its value and what is needed */
export function refuseArgument(name: string, value: unknown, needed: string): never {
  throw new RangeError(`args.${name} is ${typeof value === "string" ? JSON.stringify(value) : String(value)}; ${needed} is needed.`);
}

/** @throws RangeError unless each value is a whole number of at least `least` */
export function checkCounts(values: Record<string, number>, least = 1): void {
  for (const [name, value] of Object.entries(values)) if (!(Number.isInteger(value) && value >= least)) refuseArgument(name, value, `a whole number of ${least} or more`);
}

/** @throws RangeError unless each value is a number of at least 0 */
export function checkNotNegative(values: Record<string, number>): void {
  for (const [name, value] of Object.entries(values)) if (!(Number.isFinite(value) && value >= 0)) refuseArgument(name, value, "a number, 0 or above,");
}

/** @throws RangeError unless each value lies between 0 and 1 */
export function checkShares(values: Record<string, number>): void {
  for (const [name, value] of Object.entries(values)) if (!(value >= 0 && value <= 1)) refuseArgument(name, value, "a number from 0 to 1");
}

export function checkSwitches(values: Record<string, boolean>): void {
  for (const [name, value] of Object.entries(values)) if (typeof value !== "boolean") refuseArgument(name, value, "true or false");
}

export function checkOneOf(name: string, value: string, known: readonly string[]): void {
  if (!known.includes(value)) refuseArgument(name, value, `one of ${known.map((each) => JSON.stringify(each)).join(", ")}`);
}

/** Refuses what none of the methods can run with. */
export function checkRolloutSettings(args: RolloutConfig): void {
  const { temperature, topK, topP, decodeWeights, missingEosPenalty, scoreClip, gradientAccumulationSteps } = args;
  if (gradientAccumulationSteps !== 1) refuseArgument("gradientAccumulationSteps", gradientAccumulationSteps, "1 (answers are drawn for one batch of prompts at a time; make perDeviceTrainBatchSize larger)");
  if (!(temperature > 0 && Number.isFinite(temperature))) refuseArgument("temperature", temperature, "a number above 0");
  if (topK !== null) checkCounts({ topK });
  if (!(topP > 0 && topP <= 1)) refuseArgument("topP", topP, "a number above 0 and at most 1");
  checkOneOf("decodeWeights", decodeWeights, DECODE_WEIGHTS);
  if (missingEosPenalty !== null) checkNotNegative({ missingEosPenalty });
  if (scoreClip !== null && !(scoreClip > 0)) refuseArgument("scoreClip", scoreClip, "a number above 0, or null for none,");
  checkEstimator(args.klEstimator);
}

/** @throws RangeError for a prompt that leaves no room for the longest answer */
export function checkRoom(model: LlamaForCausalLM, prompts: readonly TokenizedPrompt[], set: string, length: { name: string; value: number }): void {
  const { maxPositionEmbeddings } = model.config;
  prompts.forEach(({ prompt_input_ids: { length: taken } }, row) => {
    if (taken + length.value > maxPositionEmbeddings) throw new RangeError(`Row ${row} of ${set}: the prompt takes ${taken} tokens and an answer up to ${length.value}; the model has ${maxPositionEmbeddings} positions. Lower maxPromptLength or ${length.name}.`);
  });
}
