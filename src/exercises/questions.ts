/** A question with a written answer. The rubric is for the writer's own comparison. */
export interface Question {
  ask: string;
  /** What a good answer says, point by point. */
  rubric: readonly string[];
}

export const questions = {
  "help-desk-likelier": {
    ask: "Before any training the model finds the rejected answers likelier than the chosen ones. Where does that come from, and why is it no reason to prefer them?",
    rubric: [
      "The model was tuned on chats in which an assistant answers politely, completely and as a program: texts of that kind got high probabilities.",
      "A probability says how much a text is like what the model was trained on, not how much people like it.",
      "So what people prefer has to come from outside: here, from the pairs.",
    ],
  },
  "prompt-cut-left": {
    ask: "tokenizeRow keeps the end of a long prompt and the beginning of a long answer. Why is a prompt cut from the left?",
    rubric: [
      "The end of a prompt holds the head of the assistant's turn; without it the model is not asked to answer at all.",
      "The latest question usually stands at the end of a prompt; what is furthest away matters least.",
      "An answer is cut at its end because each of its tokens is predicted from what comes before: a beginning is a valid text, a piece from the middle is not.",
    ],
  },
  "padding-side": {
    ask: "Which side is padded for prompts, which for answers, and what would break the other way round?",
    rubric: [
      "Prompts on the left, so that the last token of every prompt stands in the same column and its answer follows without a gap.",
      "Answers on the right, so that they begin right after the prompt; padding after them is hidden by the mask.",
      "With a gap between prompt and answer, positions and attention no longer match what the model saw when it was trained, unless mask and positions are corrected for it.",
      "Generation, too, continues at the right edge of a batch, so prompts are padded on the left there.",
    ],
  },
  "prompt-in-the-sum": {
    ask: "Suppose the prompt's tokens were counted as well. Loss, accuracy and margin of the training would come out the same. Why, and where would it matter?",
    rubric: [
      "Chosen and rejected share the prompt, so its log-probability is in both sums and cancels in their difference.",
      "DPO's loss sees only that difference, so loss, accuracy and margin stay the same.",
      "It matters wherever the sum of one answer is used by itself: logged log-probs, per-token means, losses on single answers (SFT, KTO), and numerical precision.",
    ],
  },
  "beta-large": {
    ask: "Beta multiplies the log-ratios. What does a larger beta do to the loss of a pair that is already in the right order, and to how far the policy moves from the reference?",
    rubric: [
      "The sigmoid saturates sooner: a small lead in log-probability already gives a loss near 0, and with it a small gradient.",
      "So the policy stops moving earlier and stays nearer to the reference; a small beta lets it go further.",
      "Beta is the weight of the KL penalty in the objective that DPO solves.",
    ],
  },
  "training-data-likelier": {
    ask: "Look at the histograms. Does the trained model find the training answers more likely than before? What about the unseen text, and what does the loss have to say on it?",
    rubric: [
      "The answer is read off the means: it says by how many nats per token each distribution moved, and in which direction.",
      "The loss rewards the difference between chosen and rejected; both may fall as long as the rejected ones fall further.",
      "A shift on unseen text of another kind shows how far the change reaches beyond the training data.",
    ],
  },
} as const satisfies Record<string, Question>;

export type QuestionId = keyof typeof questions;
