import { dpoLoss } from "./dpo";
import { getLogProb } from "./logprob";
import { pad, padCollate } from "./pad";
import { applyChatTemplate, tokenizeRow } from "./preference";
import { implicitRewards } from "./tour";
import { trainStep } from "./trainStep";

/** Every exercise that `check` knows by name. */
export const exercises = {
  "implicit-rewards": implicitRewards,
  "apply-chat-template": applyChatTemplate,
  "tokenize-row": tokenizeRow,
  pad,
  "pad-collate": padCollate,
  "dpo-loss": dpoLoss,
  "get-log-prob": getLogProb,
  "train-step": trainStep,
} as const;

export type ExerciseId = keyof typeof exercises;
