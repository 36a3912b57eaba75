import type { Scalar, Tensor, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { tf } from "../../engine/backend";
import { exercise, type Give } from "../exercise";
import { resultsAndGradients, type BatchTensors, type LanguageModel, type StepOptimizer, type StepResults } from "../handTraining";

/** The function to write in part 6. */
export type TrainStep = (policy: LanguageModel, reference: LanguageModel, optimizer: StepOptimizer, batch: BatchTensors, beta: number) => [Scalar, Scalar, Scalar];

type Columns = Record<keyof BatchTensors, number[][]>;
type Input = { policy: number[][]; reference: number[][]; batch: Columns; beta: number; learningRate: number };

interface Flaw {
  /** Which positions count towards an answer's log-probability. */
  counted?: "answer" | "all" | "tokens" | "answer with padding";
  attention?: "tokens" | "all" | "counted";
  /** The results are those after the weights have moved. */
  measuredAfter?: boolean;
  /** "policy": the policy stands in for the reference, gradient and all; "frozen policy": without its gradient. */
  reference?: "policy" | "frozen policy" | "none";
  order?: "answer first" | "answer only";
  rejected?: "chosen";
  beta?: number;
  /** How far against the gradient the weights go; 1 is right. */
  direction?: number;
  swapModels?: boolean;
}

/** One answer joined to its prompt: ids, attention mask, and what counts. */
function joined({ batch }: Input, answer: "chosen" | "rejected", row: number, flaw: Flaw): { ids: number[]; attention: number[]; counted: number[] } {
  const [promptIds, promptMask] = [batch.prompt_input_ids[row], batch.prompt_attn_mask[row]];
  const [answerIds, answerMask] = [batch[`${answer}_input_ids`][row], batch[`${answer}_attn_mask`][row]];
  const join = (prompt: number[], completion: number[]): number[] => {
    if (flaw.order === "answer only") return completion;
    return flaw.order === "answer first" ? [...completion, ...prompt] : [...prompt, ...completion];
  };
  const tokens = join(promptMask, answerMask);
  const ones = tokens.map(() => 1);
  const nothing = promptMask.map(() => 0);
  const counted = { answer: join(nothing, answerMask), all: ones, tokens, "answer with padding": join(nothing, answerMask.map(() => 1)) }[flaw.counted ?? "answer"];
  return { ids: join(promptIds, answerIds), attention: { all: ones, counted, tokens }[flaw.attention ?? "tokens"], counted };
}

/**
 * The check's little model: a token's scores are its row of the table, plus the mean row of what came before, plus the
 * mean row of the whole text, all of what is attended. Since it sees the answer from the prompt on, a prompt that is
 * counted does not cancel between two answers, as it would in a model that reads from left to right.
 */
function logProbability(table: number[][], { ids, attention, counted }: ReturnType<typeof joined>): number {
  let total = 0;
  let seen = 0;
  const context = table.map(() => 0);
  const attended = Math.max(attention.reduce((a, b) => a + b, 0), 1);
  const whole = table.map((_, v) => ids.reduce((sum, id, t) => sum + attention[t] * table[id][v], 0) / attended);
  ids.slice(0, -1).forEach((id, t) => {
    seen += attention[t];
    table[id].forEach((score, v) => (context[v] += attention[t] * score));
    const scores = table[id].map((score, v) => score + context[v] / Math.max(seen, 1) + whole[v]);
    const largest = Math.max(...scores);
    const logSum = largest + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - largest), 0));
    total += counted[t + 1] * (scores[ids[t + 1]] - logSum);
  });
  return total;
}

function results(input: Input, flaw: Flaw, policy = input.policy): [number, number, number] {
  const beta = flaw.beta ?? input.beta;
  const reference = flaw.reference === "policy" ? policy : flaw.reference === "frozen policy" ? input.policy : input.reference;
  const rewards = input.batch.prompt_input_ids.map((_, row) => {
    const [chosen, rejected] = (["chosen", flaw.rejected ?? "rejected"] as const).map((answer) => {
      const text = joined(input, answer, row, flaw);
      const start = flaw.reference === "none" ? 0 : logProbability(reference, text);
      return (flaw.swapModels ? -1 : 1) * beta * (logProbability(policy, text) - start);
    });
    return { chosen, rejected, margin: chosen - rejected };
  });
  const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  return [
    mean(rewards.map(({ margin }) => Math.log1p(Math.exp(-margin)))),
    mean(rewards.map(({ chosen, rejected }) => (chosen > rejected ? 1 : 0))),
    mean(rewards.map(({ margin }) => margin)),
  ];
}

/** One step of gradient descent with the gradient from central differences: nothing of the code under check is used. */
function stepped(input: Input, flaw: Flaw = {}): Record<string, number | number[][]> {
  const [loss, rewardAccuracy, rewardMargin] = results(input, flaw);
  const h = 1e-5;
  const lossWith = (i: number, j: number, change: number): number =>
    results(input, flaw, input.policy.map((row, at) => (at === i ? row.map((value, to) => (to === j ? value + change : value)) : row)))[0];
  const weights = input.policy.map((row, i) =>
    row.map((value, j) => value - (flaw.direction ?? 1) * input.learningRate * ((lossWith(i, j, h) - lossWith(i, j, -h)) / (2 * h))),
  );
  if (!flaw.measuredAfter) return { loss, rewardAccuracy, rewardMargin, weights };
  const [lossAfter, accuracyAfter, marginAfter] = results(input, flaw, weights);
  return { loss: lossAfter, rewardAccuracy: accuracyAfter, rewardMargin: marginAfter, weights };
}

const table = (seed: number): number[][] => Array.from({ length: 6 }, (_, i) => Array.from({ length: 6 }, (_, j) => Math.round(100 * Math.sin(3.1 * i + 7.7 * j + seed)) / 100));

const batches: Record<"even" | "padded", Columns> = {
  even: {
    prompt_input_ids: [[1, 2, 3]], prompt_attn_mask: [[1, 1, 1]],
    chosen_input_ids: [[4, 5]], chosen_attn_mask: [[1, 1]],
    rejected_input_ids: [[3, 0]], rejected_attn_mask: [[1, 1]],
  },
  padded: {
    prompt_input_ids: [[1, 2, 3], [0, 4, 1], [0, 0, 2]], prompt_attn_mask: [[1, 1, 1], [0, 1, 1], [0, 0, 1]],
    chosen_input_ids: [[4, 5, 0], [2, 3, 5], [3, 0, 0]], chosen_attn_mask: [[1, 1, 0], [1, 1, 1], [1, 0, 0]],
    rejected_input_ids: [[5, 0], [1, 4], [2, 5]], rejected_attn_mask: [[1, 0], [1, 1], [1, 1]],
  },
};

/** The little model in tfjs ops; `weights` is [6, 6]. */
function littleModel(weights: Tensor2D): LanguageModel {
  return {
    forward(inputIds, attentionMask) {
      const [batch, length] = inputIds.shape;
      if (attentionMask && (attentionMask.shape[0] !== batch || attentionMask.shape[1] !== length)) {
        throw new RangeError(`The attention mask is [${attentionMask.shape}], the ids are [${inputIds.shape}]: both must be joined alike.`);
      }
      const rows = tf.gather(weights, tf.cast(inputIds, "int32")) as unknown as Tensor3D;
      const mask = tf.expandDims(tf.cast(attentionMask ?? tf.onesLike(inputIds), "float32"), 2);
      // Running sums as a product with a triangle of ones: tfjs's gradient of cumsum is wrong for three axes.
      const triangle = tf.tile(tf.expandDims(tf.linalg.bandPart(tf.ones([length, length]), -1, 0), 0), [batch, 1, 1]) as Tensor3D;
      const runningSum = (values: Tensor): Tensor => tf.matMul(triangle, values as Tensor3D);
      const attended = tf.mul(rows, mask);
      const context = tf.div(runningSum(attended), tf.maximum(runningSum(mask), 1));
      const whole = tf.div(tf.sum(attended, 1, true), tf.maximum(tf.sum(mask, 1, true), 1));
      return tf.add(tf.add(rows, context), whole) as Tensor3D;
    },
  };
}

/** Says what is wrong with what a step wants minimised, before tfjs says it in its own words. */
function minimised(compute: () => StepResults): StepResults {
  const results: unknown = compute();
  if (typeof (results as { then?: unknown } | null)?.then === "function") throw new Error("optimizer.minimize was given an async function: the loss has to be computed without await, so that the gradient can follow each operation.");
  if (!Array.isArray(results)) throw new Error("The function given to optimizer.minimize has to return the list of dpoLoss's three results, the loss first.");
  if (results.some((result) => !(result instanceof tf.Tensor))) throw new Error("The function given to optimizer.minimize returns numbers, not tensors: a gradient needs the operations themselves, so values must not be read with dataSync or arraySync.");
  return results as StepResults;
}

const noGradient = "The loss does not depend on the policy's weights by way of tensor operations, so there is no gradient. Call policy.forward inside the function that is given to optimizer.minimize, and read no values (dataSync, arraySync, data) between there and the loss; getLogProb and dpoLoss count, too.";

async function runStep(answer: TrainStep, input: Input, give: Give): Promise<Record<string, unknown>> {
  const weights = tf.variable(tf.tensor2d(input.policy));
  const optimizer: StepOptimizer = {
    minimize<Results extends StepResults>(compute: () => Results): Results {
      if (typeof compute !== "function") throw new Error("optimizer.minimize takes the function that computes the loss, not the loss: minimize(computeLoss), without a call.");
      let inside = false;
      try {
        const { results: values, gradients } = resultsAndGradients(() => {
          inside = true;
          const results = minimised(compute) as Results;
          inside = false;
          return results;
        }, [weights]);
        weights.assign(tf.sub(weights, tf.mul(gradients[0], input.learningRate)) as never);
        return values;
      } catch (error) {
        // Outside of compute only tfjs can throw, and only for want of a path from the weights to the loss.
        throw inside || !/gradient|variable/i.test(String(error)) ? error : new Error(noGradient);
      }
    },
  };
  const batch = Object.fromEntries(Object.entries(input.batch).map(([key, rows]) => [key, give(tf.tensor2d(rows, undefined, "int32"))])) as BatchTensors;
  try {
    const returned: unknown = await answer(littleModel(weights as never), littleModel(tf.tensor2d(input.reference)), optimizer, batch, input.beta);
    if (!Array.isArray(returned)) return { returned };
    const [loss, rewardAccuracy, rewardMargin] = returned as unknown[];
    return { loss, rewardAccuracy, rewardMargin, weights: weights.clone() };
  } finally {
    weights.dispose();
  }
}

export const trainStep = exercise<Input, TrainStep>({
  id: "train-step",
  title: "Exercise 6, trainStep",
  minutes: 40,
  returns: "a list of three scalars, as dpoLoss returns them; the policy's weights have moved",
  hints: [
    "Step 1: tf.concat([prompt, answer], 1) joins along the length. Do it for the ids and for the attention masks. What counts is a third joint: zeros over the prompt, then the answer's own mask.",
    "Steps 2 and 3: each model sees prompt + chosen and prompt + rejected, each with its attention mask. getLogProb takes the logits, the joined ids and the mask of what counts.",
    "Steps 4 and 5: dpoLoss with the policy's log-probs first, then the reference's; optimizer.minimize(computeLoss) returns its three results.",
  ],
  tolerance: { absolute: 3e-4, relative: 3e-4 },
  trials: [
    { tried: "one pair without padding on a model of six words", input: { policy: table(1), reference: table(2), batch: batches.even, beta: 0.5, learningRate: 1 } },
    { tried: "three pairs of different lengths, prompts padded on the left and answers on the right", input: { policy: table(3), reference: table(4), batch: batches.padded, beta: 0.7, learningRate: 1 } },
  ],
  hidden: [{ tried: "three pairs on another model, beta 0.3", input: { policy: table(5), reference: table(6), batch: batches.padded, beta: 0.3, learningRate: 2 } }],
  call: runStep,
  right: (input) => stepped(input),
  mistakes: [
    {
      name: "padding not masked",
      says: "The padding counts towards the log-probabilities. What counts is a third joint: zeros over the prompt, then the answer's own mask.",
      wrong: (input) => stepped(input, { counted: "answer with padding" }),
      others: [(input) => stepped(input, { counted: "all" })],
    },
    {
      name: "prompt not masked",
      says: "The prompt's tokens count along with the answer's. What counts is a third joint: zeros over the prompt, then the answer's own mask.",
      wrong: (input) => stepped(input, { counted: "tokens" }),
    },
    { name: "attention mask missing", says: "The models look at the padding: the joined attention mask is not passed to forward, or it is 1 everywhere.", wrong: (input) => stepped(input, { attention: "all" }) },
    {
      name: "attention on the answer alone",
      says: "The models see the answer alone: the mask of what counts is passed to forward, where the joined attention mask belongs. An answer is judged after its prompt, so the prompt has to be seen.",
      wrong: (input) => stepped(input, { attention: "counted" }),
    },
    {
      name: "measured after the step",
      says: "The weights have moved as they should, but the three results were computed after that. Return what optimizer.minimize returns: they belong to the weights before the step.",
      wrong: (input) => stepped(input, { measuredAfter: true }),
    },
    {
      name: "compared with itself",
      says: "Something is compared with itself, so every reward margin is 0, the loss stays at ln 2 and nothing is learnt. Either the policy stands in for the reference, or both sides are computed from the same answer.",
      wrong: (input) => stepped(input, { reference: "policy" }),
      others: [(input) => stepped(input, { rejected: "chosen" }), (input) => stepped(input, { reference: "frozen policy" })],
    },
    {
      name: "reference not used",
      says: "The reference has no say: only the policy's own log-probabilities are compared. dpoLoss takes the reference's as its third and fourth argument.",
      wrong: (input) => stepped(input, { reference: "none" }),
    },
    {
      name: "sides exchanged",
      says: "Two of the sides have changed places in the loss: policy with reference, or chosen with rejected. The rewards have the opposite sign, and the step makes the answers likelier that people did not want.",
      wrong: (input) => stepped(input, { swapModels: true }),
    },
    {
      name: "prompt not before the answer",
      says: "The models do not read the prompt before the answer: it is left out, or joined after the answer.",
      wrong: (input) => stepped(input, { order: "answer first" }),
      others: [(input) => stepped(input, { order: "answer only" })],
    },
    {
      name: "beta not passed on",
      says: "beta is always 0.1: pass it on to dpoLoss.",
      wrong: (input) => stepped(input, { beta: 0.1 }),
    },
    { name: "beta twice", says: "beta is multiplied in twice: dpoLoss has it already.", wrong: (input) => stepped(input, { beta: input.beta ** 2 }) },
    { name: "beta missing", says: "beta is 1 wherever it is used: pass it on to dpoLoss.", wrong: (input) => stepped(input, { beta: 1 }) },
    { name: "no optimiser step", says: "The three results are right, but the weights have not moved: step 5 is missing. optimizer.minimize takes the function that computes the loss.", wrong: (input) => stepped(input, { direction: 0 }) },
    { name: "two optimiser steps", says: "The weights move twice as far as one step goes: minimize is called twice, or the gradient is counted twice.", wrong: (input) => stepped(input, { direction: 2 }) },
    { name: "wrong direction", says: "The weights move along the gradient, not against it: the loss would grow.", wrong: (input) => stepped(input, { direction: -1 }) },
  ],
});
