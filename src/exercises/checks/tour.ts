import { exercise } from "../exercise";

/** The function to write in the tour. */
export type ImplicitRewards = (logps: number[], refLogps: number[], beta: number) => number[];
type Input = { logps: number[]; refLogps: number[]; beta: number };

/** One number for each answer. */
const each = ({ logps, refLogps }: Input, reward: (logp: number, refLogp: number) => number): number[] => logps.map((logp, answer) => reward(logp, refLogps[answer]!));

export const implicitRewards = exercise<Input, ImplicitRewards>({
  id: "implicit-rewards",
  title: "A first exercise, implicitRewards",
  minutes: 3,
  returns: "a list with one number for each answer",
  hints: [
    "Each reward is beta times a difference of two log-probabilities. An answer that has become likelier gets a positive one.",
    "logps.map calls a function with each value and its place in the list; the reference's value stands at the same place of refLogps.",
  ],
  trials: [
    { tried: "two answers with beta 0.1, one of which has become likelier", input: { logps: [-20, -31], refLogps: [-24, -30], beta: 0.1 } },
    { tried: "one answer with beta 2", input: { logps: [-3.5], refLogps: [-3], beta: 2 } },
  ],
  hidden: [{ tried: "an answer that is as likely as it was, and a larger beta", input: { logps: [-8, -1.25], refLogps: [-8, -2], beta: 4 } }],
  call: (answer, { logps, refLogps, beta }) => answer(logps, refLogps, beta),
  right: (input) => each(input, (logp, refLogp) => input.beta * (logp - refLogp)),
  mistakes: [
    { name: "sign", says: "The difference is the wrong way round: an answer that has become likelier gets a negative reward.", wrong: (input) => each(input, (logp, refLogp) => input.beta * (refLogp - logp)) },
    { name: "no beta", says: "That is the difference of the log-probabilities; beta is not used.", wrong: (input) => each(input, (logp, refLogp) => logp - refLogp) },
    { name: "ratio", says: "The log-probabilities are divided. A ratio of probabilities is a difference of their logarithms.", wrong: (input) => each(input, (logp, refLogp) => input.beta * (logp / refLogp)) },
    { name: "brackets", says: "beta multiplies the policy's log-probability alone, and the reference is subtracted as it is: brackets are missing around the difference.", wrong: (input) => each(input, (logp, refLogp) => input.beta * logp - refLogp) },
    { name: "reference forgotten", says: "That is beta times the policy's log-probability: the reference is not used.", wrong: (input) => each(input, (logp) => input.beta * logp) },
  ],
});
