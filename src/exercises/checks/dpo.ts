import { tf } from "../../engine/backend";
import type { Scalar, Tensor1D } from "@tensorflow/tfjs";
import { exercise } from "../exercise";

/** The function to write in part 4. */
export type DpoLoss = (
  chosenLogps: Tensor1D,
  rejectedLogps: Tensor1D,
  refChosenLogps: Tensor1D,
  refRejectedLogps: Tensor1D,
  beta?: number,
) => [Scalar, Scalar, Scalar];

type Input = { chosen: number[]; rejected: number[]; refChosen: number[]; refRejected: number[]; beta: number | null };

const defaultBeta = 0.1;
const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
const logSigmoid = (x: number): number => (x >= 0 ? -Math.log1p(Math.exp(-x)) : x - Math.log1p(Math.exp(x)));
const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** How far the policy moved from the reference, for each answer: log π(y|x) − log π_ref(y|x). */
function ratios(input: Input): { chosen: number[]; rejected: number[] } {
  return {
    chosen: input.chosen.map((logp, i) => logp - input.refChosen[i]),
    rejected: input.rejected.map((logp, i) => logp - input.refRejected[i]),
  };
}

const betaOf = (input: Input): number => input.beta ?? defaultBeta;

/** Equation 7 of Rafailov et al. 2023, with the share of pairs in the right order and the mean difference of rewards. */
function dpo(input: Input, beta = betaOf(input)): [number, number, number] {
  const { chosen, rejected } = ratios(input);
  const margins = chosen.map((value, i) => beta * (value - rejected[i]));
  return [-mean(margins.map(logSigmoid)), mean(margins.map((margin) => (margin > 0 ? 1 : 0))), mean(margins)];
}

/** The right results with some of them replaced. */
function but(input: Input, change: Partial<Record<"loss" | "accuracy" | "margin", number>>): [number, number, number] {
  const [loss, accuracy, margin] = dpo(input);
  return [change.loss ?? loss, change.accuracy ?? accuracy, change.margin ?? margin];
}

function margins(input: Input): number[] {
  const { chosen, rejected } = ratios(input);
  return chosen.map((value, i) => betaOf(input) * (value - rejected[i]));
}

const zeros = (values: number[]): number[] => values.map(() => 0);

export const dpoLoss = exercise<Input, DpoLoss>({
  id: "dpo-loss",
  title: "Exercise 4, dpoLoss",
  minutes: 20,
  returns: "a list of three scalars: the loss, the share of pairs with the higher reward for the chosen answer, and the mean difference of the rewards",
  hints: [
    "Begin with two log-ratios per pair: how much more likely the policy makes an answer than the reference does, in log space a subtraction. Their difference, times beta, is all that the loss looks at.",
    "The loss of a pair is minus the log of the sigmoid of that difference; tf.logSigmoid does both steps without overflow. A reward is beta times a log-ratio; the other two results compare rewards.",
    "Before any training the policy equals the reference, all log-ratios are 0 and the loss is ln 2 = 0.6931. Try that by hand.",
  ],
  parts: ["loss", "rewardAccuracy", "rewardMargin"],
  trials: [
    { tried: "one pair, beta 0.5: policy log-probs -10 and -14, reference -12 and -13", input: { chosen: [-10], rejected: [-14], refChosen: [-12], refRejected: [-13], beta: 0.5 } },
    {
      tried: "four pairs, beta 0.3, one of them in the wrong order",
      input: { chosen: [-20, -31.5, -8, -44], rejected: [-25, -30, -17, -41], refChosen: [-21, -30, -8.5, -47], refRejected: [-22, -33, -13, -42], beta: 0.3 },
    },
    { tried: "three pairs with beta left out (0.1)", input: { chosen: [-3, -60, -12], rejected: [-9, -45, -15], refChosen: [-5, -65, -15], refRejected: [-4, -55, -11], beta: null } },
    { tried: "log-ratios in the hundreds, as long answers have them", input: { chosen: [-900, -100], rejected: [-90, -1100], refChosen: [-100, -850], refRejected: [-890, -300], beta: 1 } },
  ],
  hidden: [
    {
      tried: "five pairs, beta 0.2",
      input: { chosen: [-17.5, -40.25, -8, -12, -99], rejected: [-19, -38, -15.5, -11, -97.5], refChosen: [-18, -41, -9.5, -11.25, -96], refRejected: [-17.25, -39, -14, -13, -99.5], beta: 0.2 },
    },
    { tried: "two pairs with beta left out", input: { chosen: [-70, -33], rejected: [-64, -30], refChosen: [-78, -31], refRejected: [-60, -35], beta: null } },
  ],
  call(answer, { chosen, rejected, refChosen, refRejected, beta }, give) {
    const tensors = [chosen, rejected, refChosen, refRejected].map((values) => give(tf.tensor1d(values))) as [Tensor1D, Tensor1D, Tensor1D, Tensor1D];
    return beta === null ? answer(...tensors) : answer(...tensors, beta);
  },
  right: (input) => dpo(input),
  mistakes: [
    { name: "sign of the loss", says: "The loss has the wrong sign: it falls when the rejected answer wins. Training would unlearn what people prefer.", wrong: (input) => but(input, { loss: mean(margins(input).map(logSigmoid)) }) },
    {
      name: "sides exchanged",
      says: "Two of the sides have changed places: chosen with rejected, or policy with reference. The rewards come out with the opposite sign.",
      wrong: (input) => [-mean(margins(input).map((m) => logSigmoid(-m))), mean(margins(input).map((m) => (m < 0 ? 1 : 0))), -mean(margins(input))],
      others: [(input) => but(input, { loss: -mean(margins(input).map((m) => logSigmoid(-m))) })],
    },
    {
      name: "sign of one reward",
      says: "One of the two rewards has the wrong sign: for chosen and rejected alike it is beta times (policy minus reference), and the margin is the one minus the other.",
      wrong: (input) => dpo({ ...input, rejected: input.refRejected, refRejected: input.rejected }),
      others: [(input) => dpo({ ...input, chosen: input.refChosen, refChosen: input.chosen })],
    },
    { name: "beta missing", says: "beta is missing: the log-ratios go in as they are.", wrong: (input) => dpo(input, 1) },
    { name: "beta twice", says: "beta is multiplied in twice. Apply it once, either to the rewards or to their difference.", wrong: (input) => dpo(input, betaOf(input) ** 2) },
    { name: "beta fixed", says: "beta is always the default 0.1: the parameter is not used.", wrong: (input) => dpo(input, defaultBeta) },
    {
      name: "sum in place of mean",
      says: "A sum where a mean over the batch belongs: the result grows with the batch size.",
      wrong: (input) => dpo(input).map((value) => value * input.chosen.length),
    },
    { name: "reference ignored", says: "The reference has no say: it is not used, or one of its log-probs is taken for both answers, so that it cancels. A reward is how far the policy moved away from the reference.", wrong: (input) => dpo({ ...input, refChosen: zeros(input.chosen), refRejected: zeros(input.chosen) }) },
    {
      name: "reference upside down",
      says: "The reference comes in the wrong way round: its log-probs are added where they should be subtracted, or each answer is compared with the reference's log-prob of the other one. A reward is beta times (policy minus reference), both of the same answer.",
      wrong: (input) => dpo({ ...input, refChosen: input.refRejected, refRejected: input.refChosen }),
    },
    {
      name: "chosen log-probs taken twice",
      says: "One answer is used for both sides: the chosen log-probs are taken twice where once the rejected ones belong, or the other way round.",
      wrong: (input) => dpo({ ...input, rejected: input.chosen }),
      others: [
        (input) => dpo({ ...input, rejected: input.chosen, refRejected: input.refChosen }),
        (input) => dpo({ ...input, chosen: input.rejected }),
      ],
    },
    {
      name: "policy taken for the reference",
      says: "The policy's log-probs are used where the reference's belong: the reference is a model of its own, which does not change.",
      wrong: (input) => dpo({ ...input, refChosen: input.chosen }),
      others: [(input) => dpo({ ...input, refRejected: input.rejected })],
    },
    { name: "log missing", says: "The log is missing: this is minus the sigmoid, not minus the log of the sigmoid.", wrong: (input) => but(input, { loss: -mean(margins(input).map(sigmoid)) }) },
    { name: "mean before the sigmoid", says: "The mean is taken before the log-sigmoid. Every pair has its own loss; the mean comes last.", wrong: (input) => but(input, { loss: -logSigmoid(mean(margins(input))) }) },
    {
      name: "overflow",
      says: "The loss is infinite for a pair that the policy gets badly wrong: the sigmoid rounds to 0 before the log is taken. tf.logSigmoid computes both in one step and stays finite.",
      wrong: (input) => but(input, { loss: margins(input).some((m) => m < -105) ? Infinity : dpo(input)[0] }),
    },
    { name: "accuracy sign", says: "The accuracy counts the pairs in the wrong order: it should count those where the chosen answer has the higher reward.", wrong: (input) => but(input, { accuracy: mean(margins(input).map((m) => (m < 0 ? 1 : 0))) }) },
    {
      name: "accuracy without reference",
      says: "The accuracy compares the policy's log-probs. It should compare rewards, that is, log-probs relative to the reference.",
      wrong: (input) => but(input, { accuracy: mean(input.chosen.map((logp, i) => (logp > input.rejected[i] ? 1 : 0))) }),
    },
    { name: "accuracy in per cent", says: "The accuracy is in per cent; a share between 0 and 1 is wanted.", wrong: (input) => but(input, { accuracy: 100 * dpo(input)[1] }) },
    {
      name: "accuracy as a count",
      says: "The accuracy is how many pairs are in the right order; the share of them is wanted, between 0 and 1.",
      wrong: (input) => but(input, { accuracy: dpo(input)[1] * input.chosen.length }),
    },
    {
      name: "sigmoid twice",
      says: "The sigmoid is applied twice. tf.logSigmoid of the margin is all that the loss of a pair needs.",
      wrong: (input) => but(input, { loss: -mean(margins(input).map((m) => logSigmoid(sigmoid(m)))) }),
      others: [(input) => but(input, { loss: -mean(margins(input).map((m) => logSigmoid(logSigmoid(m)))) })],
    },
    { name: "margin without beta", says: "The margin is the difference of the log-ratios; a difference of rewards is wanted, and a reward has beta in it.", wrong: (input) => but(input, { margin: mean(margins(input)) / betaOf(input) }) },
    { name: "margin sign", says: "The margin has the wrong sign: it is the chosen reward minus the rejected one.", wrong: (input) => but(input, { margin: -mean(margins(input)) }) },
    { name: "chosen reward for margin", says: "The third result is the chosen reward alone; the margin is its lead over the rejected one.", wrong: (input) => but(input, { margin: betaOf(input) * mean(ratios(input).chosen) }) },
    {
      name: "order of the results",
      says: "The three results are right, but in another order: loss, accuracy, margin is wanted.",
      wrong: (input) => [0, 2, 1].map((at) => dpo(input)[at]),
      others: [(input) => [2, 1, 0].map((at) => dpo(input)[at]), (input) => [1, 0, 2].map((at) => dpo(input)[at])],
    },
  ],
});
