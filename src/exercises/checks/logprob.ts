import { tf } from "../../engine/backend";
import type { Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { exercise } from "../exercise";

/** The function to write in part 5. */
export type GetLogProb = (logits: Tensor3D, labels: Tensor2D, mask: Tensor2D) => Tensor1D;

type Input = { logits: number[][][]; labels: number[][]; mask: number[][] };

const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);

function logSoftmax(scores: number[]): number[] {
  const largest = Math.max(...scores);
  const total = Math.log(sum(scores.map((score) => Math.exp(score - largest)))) + largest;
  return scores.map((score) => score - total);
}

interface Reading {
  /** Position of the logits that are read for the label at position t. */
  logitsAt?: (t: number) => number;
  /** Position of the mask that is used for the label at position t. */
  maskAt?: (t: number) => number;
  /** What is made of the scores over the vocabulary at one position. */
  score?: (scores: number[]) => number[];
  weight?: (mask: number) => number;
  from?: number;
  until?: number;
}

/** For each row and each label position, the label's weighted score; the right one when nothing is changed. */
function terms(input: Input, { logitsAt = (t) => t - 1, maskAt = (t) => t, score = logSoftmax, weight = (mask) => mask, from = 1, until = 0 }: Reading = {}): number[][] {
  return input.labels.map((labels, row) => {
    const positions = labels.map((_, t) => t).slice(from, labels.length - until);
    return positions.map((t) => {
      const picked = score(input.logits[row][logitsAt(t)])[labels[t]];
      return picked * weight(input.mask[row][maskAt(t)]);
    });
  });
}

const sums = (input: Input, reading?: Reading): number[] => terms(input, reading).map(sum);

/** Log-softmax over the positions of each row in place of the vocabulary. */
function acrossTime(logits: number[][][]): number[][][] {
  return logits.map((row) => {
    const columns = row[0].map((_, v) => logSoftmax(row.map((scores) => scores[v])));
    return row.map((_, t) => columns.map((column) => column[t]));
  });
}

/** Log-softmax over the rows of the batch in place of the vocabulary. */
function acrossBatch(logits: number[][][]): number[][][] {
  return logits.map((row, b) => row.map((scores, t) => scores.map((_, v) => logSoftmax(logits.map((other) => other[t][v]))[b])));
}

/** Numbers that look drawn at random and are the same everywhere. */
function drawn(rows: number, length: number, vocabulary: number, scale: number): number[][][] {
  return Array.from({ length: rows }, (_, b) =>
    Array.from({ length }, (_, t) => Array.from({ length: vocabulary }, (_, v) => Math.round(100 * scale * Math.sin(12.9 * b + 7.3 * t + 4.7 * v + 1)) / 100)),
  );
}

const identity = (scores: number[]): number[] => scores;
const underflowing = (scores: number[]): number[] => logSoftmax(scores).map((value) => (value < -104 ? -Infinity : value));

export const getLogProb = exercise<Input, GetLogProb>({
  id: "get-log-prob",
  title: "Exercise 5, getLogProb",
  minutes: 25,
  returns: "a Tensor1D [B]: for each row, the sum of its answer tokens' log-probabilities",
  hints: [
    "The logits at position t are the model's guess for position t + 1. The first token is guessed by nobody, and the last logits guess a token that is not there.",
    "So three slices meet: logits without their last position, labels without their first, and the mask cut like the labels. Then log-softmax over the vocabulary, pick each label's entry, multiply by the mask, sum over the positions.",
    "A row of the log-softmax can be picked at a label by multiplying with tf.oneHot(labels, V) and summing over the vocabulary.",
  ],
  trials: [
    {
      tried: "one row of three tokens over a vocabulary of two; the last token is the answer",
      input: { logits: [[[0, 0], [2, 0], [0, 5]]], labels: [[1, 0, 1]], mask: [[0, 0, 1]] },
    },
    {
      tried: "two rows of six tokens: prompt, answer, and padding after the shorter answer",
      input: { logits: drawn(2, 6, 4, 3), labels: [[1, 3, 0, 2, 2, 1], [2, 0, 1, 1, 3, 0]], mask: [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 0, 0]] },
    },
    {
      tried: "three rows, one with padding before its prompt, one whose whole text after the first token counts",
      input: { logits: drawn(3, 5, 3, 2), labels: [[0, 0, 2, 1, 1], [1, 2, 0, 2, 1], [2, 2, 1, 0, 0]], mask: [[0, 0, 0, 1, 1], [0, 1, 1, 1, 1], [0, 0, 1, 0, 0]] },
    },
    {
      tried: "a token that the model finds all but impossible (its probability is smaller than float32 can hold)",
      input: { logits: [[[0, 150], [1, 2], [0, 0]]], labels: [[1, 0, 1]], mask: [[0, 1, 1]] },
    },
  ],
  hidden: [
    {
      tried: "two rows of seven tokens over a vocabulary of five",
      input: { logits: drawn(2, 7, 5, 4), labels: [[4, 2, 0, 3, 1, 2, 4], [0, 4, 4, 1, 2, 0, 0]], mask: [[0, 0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 0, 0]] },
    },
  ],
  call: (answer, { logits, labels, mask }, give) => answer(give(tf.tensor3d(logits)), give(tf.tensor2d(labels, undefined, "int32")), give(tf.tensor2d(mask, undefined, "int32"))),
  right: (input) => sums(input),
  mistakes: [
    {
      name: "no shift",
      says: "The shift by one is missing: the logits at position t are scored against the token at t, which the model has already seen. They predict the token at t + 1.",
      wrong: (input) => sums(input, { logitsAt: (t) => t, from: 0 }),
      others: [(input) => sums(input, { logitsAt: (t) => t }), (input) => sums(input, { logitsAt: (t) => t, maskAt: (t) => t - 1 }), (input) => sums(input, { logitsAt: (t) => t, maskAt: (t) => t + 1, from: 0, until: 1 }), (input) => sums(input, { logitsAt: (t) => t, from: 0, until: 1 })],
    },
    {
      name: "shift in the wrong direction",
      says: "The shift goes the wrong way: logits are scored against the token before them. Cut the last position from the logits and the first from the labels.",
      wrong: (input) => sums(input, { logitsAt: (t) => t + 1, from: 0, until: 1 }),
      others: [(input) => sums(input, { logitsAt: (t) => t - 2, from: 2 }), (input) => sums(input, { logitsAt: (t) => t + 1, maskAt: (t) => t + 1, from: 0, until: 1 })],
    },
    {
      name: "mask not shifted",
      says: "Logits and labels are shifted, the mask is not: each token is counted by its left neighbour's mask, so the first answer token is lost and a token after the answer comes in. Cut the mask as you cut the labels.",
      wrong: (input) => sums(input, { maskAt: (t) => t - 1 }),
    },
    { name: "mask ignored", says: "The mask is not used: prompt and padding are counted along with the answer.", wrong: (input) => sums(input, { weight: () => 1 }) },
    { name: "mask inverted", says: "The mask is upside down: prompt and padding are counted, the answer is not. 1 marks the answer's tokens.", wrong: (input) => sums(input, { weight: (mask) => 1 - mask }) },
    {
      name: "mean in place of sum",
      says: "A mean over the tokens where a sum is wanted: the log-probability of a whole answer is the sum over its tokens.",
      wrong: (input) => sums(input).map((total, row) => total / sum(input.mask[row].slice(1))),
      others: [(input) => sums(input).map((total, row) => total / (input.labels[row].length - 1)), (input) => sums(input).map((total, row) => total / input.labels[row].length)],
    },
    { name: "logits as they are", says: "The logits are summed as they are. They are scores: log-softmax over the vocabulary makes log-probabilities of them.", wrong: (input) => sums(input, { score: identity }) },
    { name: "probabilities", says: "Probabilities are summed, not their logs.", wrong: (input) => sums(input, { score: (scores) => logSoftmax(scores).map(Math.exp) }) },
    {
      name: "softmax over the wrong axis",
      says: "The softmax runs over the positions or the rows, not over the vocabulary: at each position the probabilities of all tokens have to add up to 1. The vocabulary is the last axis.",
      wrong: (input) => sums({ ...input, logits: acrossTime(input.logits) }, { score: identity }),
      others: [(input) => sums({ ...input, logits: acrossTime(input.logits.map((row) => row.slice(0, -1))) }, { score: identity }), (input) => sums({ ...input, logits: acrossBatch(input.logits) }, { score: identity })],
    },
    { name: "sign", says: "The sign is wrong: this is the cross-entropy (minus the log-probability). Log-probabilities are below 0.", wrong: (input) => sums(input).map((total) => -total) },
    {
      name: "sum over the batch",
      says: "The rows are added up: one number for the whole batch. Sum over the positions only, so that each row keeps its own.",
      wrong: (input) => sum(sums(input)),
    },
    {
      name: "mean over the batch",
      says: "The rows are averaged into one number. Each row keeps its own sum; the mean over the batch comes later, in the loss.",
      wrong: (input) => sum(sums(input)) / input.labels.length,
    },
    {
      name: "softmax twice",
      says: "The softmax is applied twice: log-softmax of what is already a probability flattens all differences. One log-softmax of the logits is all.",
      wrong: (input) => sums(input, { score: (scores) => logSoftmax(logSoftmax(scores).map(Math.exp)) }),
    },
    {
      name: "log to another base",
      says: "The logarithm has another base: these are bits or decades, natural logarithms (nats) are wanted.",
      wrong: (input) => sums(input).map((total) => total / Math.LN2),
      others: [(input) => sums(input).map((total) => total / Math.LN10)],
    },
    { name: "not summed", says: "The positions are not summed: one number for each token is returned, one for each row is wanted.", wrong: (input) => terms(input) },
    {
      name: "log of the softmax",
      says: "A very unlikely token gives minus infinity or NaN: the softmax rounds to 0 before the log is taken. tf.logSoftmax does both in one step and stays finite.",
      wrong: (input) => sums(input, { score: underflowing }),
      others: [(input) => terms(input, { score: underflowing }).map((row) => (row.includes(-Infinity) ? NaN : sum(row)))],
    },
  ],
});
