import { packAnswers, type PackedTokens, type PackingOptions } from "./packing";

/** A sampled answer behind its prompt, as ids. */
export interface AnswerIds {
  promptIds: readonly number[];
  /** With the end token, where the answer has one. */
  ids: readonly number[];
}

/**
 * Sampled answers packed for what is computed of each of their tokens. Arrays over predictions have `predictions` places, one
 * for each token of each answer, in order, and filler behind; those over answers are tables of `answers` × `width`, row by row.
 */
export interface PackedRollouts extends PackedTokens {
  answers: number;
  /** Places for an answer's tokens. */
  width: number;
  predictions: number;
  /** The token whose hidden state predicts, and the one predicted. */
  sources: Int32Array;
  targets: Int32Array;
  /** The prediction of each answer's tokens; 0 behind its last one. */
  table: Int32Array;
}

/**
 * Packs sampled answers into one batch: a prompt that several share stands in it once.
 * @param width places for an answer's tokens, the same for all batches of a run, so that few shapes are compiled
 * @param groupSize answers to each prompt, which stand next to each other
 * @throws RangeError for no answers, an empty prompt, and an answer that is empty or does not fit the width
 */
export function packRollouts(answers: readonly AnswerIds[], width: number, groupSize: number, options: PackingOptions): PackedRollouts {
  if (answers.length === 0) throw new RangeError("packRollouts got no answers.");
  answers.forEach(({ promptIds, ids }, i) => {
    if (promptIds.length === 0) throw new RangeError(`Answer ${i} of the batch has an empty prompt: nothing predicts its first token.`);
    if (ids.length === 0 || ids.length > width) throw new RangeError(`Answer ${i} of the batch has ${ids.length} tokens; between 1 and ${width} are needed.`);
  });
  const { owners: _owners, weights: _weights, ...packed } = packAnswers(answers.map(({ promptIds, ids }, owner) => ({ prompt: promptIds, ids, owner })), groupSize, options);
  const table = new Int32Array(answers.length * width);
  let prediction = 0;
  answers.forEach(({ ids }, i) => ids.forEach((_, t) => (table[i * width + t] = prediction++)));
  return { ...packed, answers: answers.length, width, table };
}

/** Values of each prediction as those of each answer's tokens. */
export function byAnswer(values: ArrayLike<number>, answers: readonly AnswerIds[]): number[][] {
  let next = 0;
  return answers.map(({ ids }) => ids.map(() => values[next++]!));
}
