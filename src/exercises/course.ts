import type { ExerciseId } from "./checks/index";
import type { QuestionId } from "./questions";

/** What a notebook counts for; 0 points are practice, and a notebook with nothing else is not marked. A school that weighs its parts otherwise changes the numbers here. */
export interface CourseNotebook {
  /** Its number, as in its file's name. */
  notebook: string;
  title: string;
  /** Points of each exercise, in the notebook's order; its check gives them, all or none. */
  exercises: Partial<Record<ExerciseId, number>>;
  /** Points of each written answer; only a reader can give them. */
  questions: Partial<Record<QuestionId, number>>;
}

export const course: readonly CourseNotebook[] = [
  {
    notebook: "00",
    title: "A tour",
    exercises: { "implicit-rewards": 0 },
    questions: { "help-desk-likelier": 0 },
  },
  {
    notebook: "01",
    title: "DPO from scratch",
    exercises: { "apply-chat-template": 8, "tokenize-row": 8, pad: 4, "pad-collate": 8, "dpo-loss": 12, "get-log-prob": 16, "train-step": 24 },
    questions: { "prompt-cut-left": 4, "padding-side": 4, "beta-large": 4, "prompt-in-the-sum": 4, "training-data-likelier": 4 },
  },
];
