import { exercise } from "../exercise";
import type { PreferenceBatch } from "../../tokens/collate";
import type { TokenizedRow } from "../../tokens/preference";

/** The functions to write in part 3. */
export type Pad = (sequences: number[][], value: number, side: "left" | "right") => number[][];
export type PadCollate = (batch: TokenizedRow[], padTokenId: number) => PreferenceBatch;

type Side = "left" | "right";
type PadInput = { sequences: number[][]; value: number; side: Side };
type Row = { prompt_input_ids: number[]; chosen_input_ids: number[]; rejected_input_ids: number[] };
type CollateInput = { batch: Row[]; padTokenId: number };

const other = (side: Side): Side => (side === "left" ? "right" : "left");
const longestOf = (sequences: number[][]): number => Math.max(...sequences.map(({ length }) => length));

function padded({ sequences, value, side }: PadInput, length = longestOf(sequences)): number[][] {
  return sequences.map((sequence) => {
    const filling = Array.from({ length: Math.max(0, length - sequence.length) }, () => value);
    return joinedOn(side, sequence, filling);
  });
}

const joinedOn = (side: Side, sequence: number[], filling: number[]): number[] => (side === "left" ? [...filling, ...sequence] : [...sequence, ...filling]);

const wrongSide = "The padding is on the wrong side.";

export const pad = exercise<PadInput, Pad>({
  id: "pad",
  title: "Exercise 3a, pad",
  minutes: 10,
  returns: "new lists, all as long as the longest of the given ones",
  hints: [
    "Find the longest length first. Each sequence lacks the difference to it: that many copies of the value go before or after.",
    "Array(n).fill(value) makes n copies; a list is joined from parts with [...a, ...b].",
  ],
  trials: [
    { tried: "three sequences of lengths 3, 1, 2, padded with 0 on the right", input: { sequences: [[5, 6, 7], [8], [9, 4]], value: 0, side: "right" } },
    { tried: "two sequences padded with 2 on the left", input: { sequences: [[11], [12, 13, 14, 15]], value: 2, side: "left" } },
    { tried: "sequences of one length, which need nothing", input: { sequences: [[1, 2], [3, 4]], value: 9, side: "left" } },
    { tried: "an empty sequence beside one of two tokens", input: { sequences: [[], [1, 2]], value: 7, side: "right" } },
  ],
  hidden: [
    { tried: "four sequences padded with 5 on the left", input: { sequences: [[1], [2, 3, 4], [6, 7], [8, 9, 1, 2, 3]], value: 5, side: "left" } },
    { tried: "one sequence alone", input: { sequences: [[4, 4]], value: 1, side: "right" } },
  ],
  call: (answer, { sequences, value, side }) => answer(sequences, value, side),
  right: (input) => padded(input),
  mistakes: [
    { name: "sides exchanged", says: `${wrongSide} "left" means that the filling comes before the sequence.`, wrong: (input) => padded({ ...input, side: other(input.side) }) },
    {
      name: "side ignored",
      says: `${wrongSide} The parameter side is not used: the filling always goes to the same end.`,
      wrong: (input) => padded({ ...input, side: "right" }),
      others: [(input) => padded({ ...input, side: "left" })],
    },
    { name: "value ignored", says: "The filling is always 0: the parameter value is not used.", wrong: (input) => padded({ ...input, value: 0 }) },
    { name: "not padded", says: "The sequences come back as they were.", wrong: ({ sequences }) => sequences },
    {
      name: "one too few",
      says: "The filling is one short: the rows do not come out at the longest sequence's length.",
      wrong: (input) => padded(input, longestOf(input.sequences) - 1),
      others: [(input) => padded(input, longestOf(input.sequences) - 1).map((row) => row.slice(0, longestOf(input.sequences) - 1))],
    },
    {
      name: "filled with the wrong number of copies",
      says: "Each row gets as many copies as its own length says, or as the longest has, not as many as it lacks.",
      wrong: ({ sequences, value, side }) => sequences.map((sequence) => joinedOn(side, sequence, sequence.map(() => value))),
      others: [({ sequences, value, side }) => sequences.map((sequence) => joinedOn(side, sequence, Array.from({ length: longestOf(sequences) }, () => value)))],
    },
    { name: "reversed", says: "The tokens of a sequence come back in another order: the filling goes before or after them, they stay as they are.", wrong: (input) => padded({ ...input, sequences: input.sequences.map((sequence) => [...sequence].reverse()) }), others: [(input) => padded({ ...input, side: other(input.side) }).map((row) => [...row].reverse())] },
    { name: "one too many", says: "The rows are one longer than the longest sequence.", wrong: (input) => padded(input, longestOf(input.sequences) + 1) },
    {
      name: "length of the first",
      says: "The first sequence's length is taken in place of the longest one's.",
      wrong: (input) => padded(input, input.sequences[0].length),
      others: [(input) => padded(input, input.sequences[0].length).map((row) => row.slice(0, input.sequences[0].length))],
    },
    {
      name: "cut to the shortest",
      says: "The sequences are cut to the shortest one: tokens are lost. Padding brings the short ones up to the longest.",
      wrong: ({ sequences }) => sequences.map((sequence) => sequence.slice(0, Math.min(...sequences.map(({ length }) => length)))),
    },
  ],
});

interface Collating {
  sides?: Partial<Record<"prompt" | "chosen" | "rejected", Side>>;
  /** Of the masks alone, where they do not go with the ids. */
  maskSides?: Partial<Record<"prompt" | "chosen" | "rejected", Side>>;
  fill?: number;
  maskFill?: number;
  mask?: (ids: number[], padTokenId: number) => number[];
  longest?: (batch: Row[], name: "prompt" | "chosen" | "rejected") => number;
}

/** The right batch, or with one thing done differently. */
function collated({ batch, padTokenId }: CollateInput, { sides = {}, maskSides = sides, fill = padTokenId, maskFill = 0, mask, longest }: Collating = {}): Record<string, number[][]> {
  const result: Record<string, number[][]> = {};
  for (const name of ["prompt", "chosen", "rejected"] as const) {
    const usual = name === "prompt" ? "left" : "right";
    const side = sides[name] ?? usual;
    const sequences = batch.map((row) => row[`${name}_input_ids`]);
    const length = longest?.(batch, name) ?? longestOf(sequences);
    const ids = padded({ sequences, value: fill, side }, length);
    result[`${name}_input_ids`] = ids;
    const ones = sequences.map((sequence) => sequence.map(() => 1));
    result[`${name}_attn_mask`] = mask ? ids.map((row) => mask(row, padTokenId)) : padded({ sequences: ones, value: maskFill, side: maskSides[name] ?? usual }, length);
  }
  return result;
}

function inverted(input: CollateInput): Record<string, number[][]> {
  const right = collated(input);
  return Object.fromEntries(Object.entries(right).map(([key, rows]) => [key, key.endsWith("mask") ? rows.map((row) => row.map((value) => 1 - value)) : rows]));
}

const longestOfAll = (batch: Row[]): number => longestOf(batch.flatMap((row) => [row.prompt_input_ids, row.chosen_input_ids, row.rejected_input_ids]));
const longestAnswer = (batch: Row[], name: "prompt" | "chosen" | "rejected"): number =>
  longestOf(batch.flatMap((row) => (name === "prompt" ? [row.prompt_input_ids] : [row.chosen_input_ids, row.rejected_input_ids])));

export const padCollate = exercise<CollateInput, PadCollate>({
  id: "pad-collate",
  title: "Exercise 3b, padCollate",
  minutes: 15,
  returns: "a record with prompt_, chosen_ and rejected_input_ids and the same with _attn_mask, each a list of equally long rows",
  hints: [
    "For each of the three columns, collect that column of every row and give it to pad; then do the same with lists of ones for the mask.",
    "A prompt must end where its answer begins, so its filling goes before it. An answer begins right after the prompt, so its filling goes after it.",
    "Make the masks from the lengths, not from the ids: in this model the padding token is also the token that ends an answer.",
  ],
  trials: [
    {
      tried: "two rows with prompts of 3 and 1 tokens and answers of different lengths, padded with 2",
      input: {
        batch: [
          { prompt_input_ids: [10, 11, 12], chosen_input_ids: [20, 21], rejected_input_ids: [30] },
          { prompt_input_ids: [13], chosen_input_ids: [22, 23, 24, 25], rejected_input_ids: [31, 32] },
        ],
        padTokenId: 2,
      },
    },
    {
      tried: "answers that end with token 2, which is also the padding",
      input: {
        batch: [
          { prompt_input_ids: [1, 10, 2], chosen_input_ids: [20, 2], rejected_input_ids: [30, 31, 2] },
          { prompt_input_ids: [1, 11, 12, 2], chosen_input_ids: [21, 22, 23, 2], rejected_input_ids: [32, 2] },
        ],
        padTokenId: 2,
      },
    },
    { tried: "a batch of one row", input: { batch: [{ prompt_input_ids: [5, 6], chosen_input_ids: [7], rejected_input_ids: [8, 9, 10] }], padTokenId: 0 } },
  ],
  parts: ["prompt_input_ids", "prompt_attn_mask", "chosen_input_ids", "chosen_attn_mask", "rejected_input_ids", "rejected_attn_mask"],
  hidden: [
    {
      tried: "three rows of different lengths, padded with 9",
      input: {
        batch: [
          { prompt_input_ids: [3], chosen_input_ids: [4, 5, 6], rejected_input_ids: [7, 9] },
          { prompt_input_ids: [8, 1, 2, 3], chosen_input_ids: [9], rejected_input_ids: [5, 5, 5, 9] },
          { prompt_input_ids: [6, 7], chosen_input_ids: [1, 9], rejected_input_ids: [2] },
        ],
        padTokenId: 9,
      },
    },
  ],
  call: (answer, { batch, padTokenId }) => answer(batch, padTokenId),
  right: (input) => collated(input),
  mistakes: [
    { name: "prompt padded on the right", says: `${wrongSide} The prompts are padded on the right: a gap comes to lie between a prompt and its answer.`, wrong: (input) => collated(input, { sides: { prompt: "right" } }) },
    { name: "answers padded on the left", says: `${wrongSide} The answers are padded on the left: a gap comes to lie between the prompt and its answer.`, wrong: (input) => collated(input, { sides: { chosen: "left", rejected: "left" } }) },
    { name: "sides exchanged", says: `${wrongSide} Prompts and answers have each other's side.`, wrong: (input) => collated(input, { sides: { prompt: "right", chosen: "left", rejected: "left" } }) },
    {
      name: "mask on the other side",
      says: "The ids are padded where they should be, but their masks on the opposite side: a mask goes with its ids, place by place.",
      wrong: (input) => collated(input, { sides: {}, maskSides: { prompt: "right" } }),
      others: [
        (input) => collated(input, { sides: {}, maskSides: { chosen: "left", rejected: "left" } }),
        (input) => collated(input, { sides: {}, maskSides: { prompt: "right", chosen: "left", rejected: "left" } }),
      ],
    },
    {
      name: "one answer twice",
      says: "Both answers are the same one: one of chosen and rejected is used twice.",
      wrong: (input) => collated({ ...input, batch: input.batch.map((row) => ({ ...row, rejected_input_ids: row.chosen_input_ids })) }),
      others: [(input) => collated({ ...input, batch: input.batch.map((row) => ({ ...row, chosen_input_ids: row.rejected_input_ids })) })],
    },
    {
      name: "chosen and rejected exchanged",
      says: "chosen and rejected are exchanged: the model would learn the answers that people did not want.",
      wrong: (input) => collated({ ...input, batch: input.batch.map((row) => ({ ...row, chosen_input_ids: row.rejected_input_ids, rejected_input_ids: row.chosen_input_ids })) }),
    },
    { name: "one row lost", says: "A row of the batch is missing: the result has fewer rows than the batch.", wrong: (input) => collated({ ...input, batch: input.batch.slice(0, -1) }), others: [(input) => collated({ ...input, batch: input.batch.slice(1) }), (input) => collated({ ...input, batch: input.batch.slice(0, 1) })] },
    {
      name: "mask made from the ids",
      says: "The mask is 0 wherever the padding token's id stands, also where an answer really ends with it. Then the model never learns to stop. Make the mask from the lengths.",
      wrong: (input) => collated(input, { mask: (ids, padTokenId) => ids.map((id) => (id === padTokenId ? 0 : 1)) }),
    },
    { name: "mask inverted", says: "The masks are upside down: 1 marks tokens, 0 marks padding.", wrong: inverted },
    { name: "mask all ones", says: "The masks are 1 everywhere: the padding is not marked.", wrong: (input) => collated(input, { mask: (ids) => ids.map(() => 1) }) },
    { name: "mask padded with the token", says: "The masks are filled up with the padding token's id; padding has mask 0.", wrong: (input) => collated(input, { maskFill: input.padTokenId }) },
    { name: "padded with 0", says: "The ids are filled up with 0, not with padTokenId.", wrong: (input) => collated(input, { fill: 0 }) },
    {
      name: "one length for all",
      says: "All columns are padded to one common length. Each has its own longest row; more padding is computing for nothing.",
      wrong: (input) => collated(input, { longest: longestOfAll }),
      others: [(input) => collated(input, { longest: longestAnswer })],
    },
  ],
});
