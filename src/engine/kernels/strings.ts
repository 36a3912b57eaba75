import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { kernel } from "./kernel";

interface NGrams {
  separator: string;
  nGramWidths: number[];
  leftPad: string;
  rightPad: string;
  padWidth: number;
  preserveShortSequences: boolean;
}

export const stringNGrams = kernel<{ data: Tensor; dataSplits: Tensor }, NGrams>("StringNGrams", ({ inputs: { data, dataSplits }, attributes, runMany }) =>
  runMany("StringNGrams", [data, dataSplits], {
    separator: attributes.separator, ngram_widths: attributes.nGramWidths, left_pad: attributes.leftPad, right_pad: attributes.rightPad,
    pad_width: attributes.padWidth, preserve_short_sequences: attributes.preserveShortSequences, Tsplits: type("int32"),
  }, 2));

export const stringSplit = kernel<{ input: Tensor; delimiter: Tensor }, { skipEmpty: boolean }>("StringSplit", ({ inputs: { input, delimiter }, attributes: { skipEmpty }, runMany }) =>
  runMany("StringSplit", [input, delimiter], { skip_empty: skipEmpty }, 3));

export const stringToHashBucketFast = kernel<{ input: Tensor }, { numBuckets: number }>("StringToHashBucketFast", ({ inputs: { input }, attributes: { numBuckets }, run }) =>
  run("StringToHashBucketFast", [input], { num_buckets: numBuckets }));
