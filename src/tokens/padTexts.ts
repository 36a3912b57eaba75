import type { EncodedText } from "./tokenizer";

/** Texts side by side, shorter ones filled up on the right; all [texts · length], row by row. */
export interface PaddedTexts {
  texts: number;
  length: number;
  inputIds: Int32Array;
  /** 1 for tokens, 0 for padding. */
  attentionMask: Int32Array;
  tokenTypeIds: Int32Array;
}

/** @param length places for each text, at least as many as the longest has tokens @throws RangeError for a longer text */
export function padTexts(texts: readonly EncodedText[], padTokenId: number, length: number): PaddedTexts {
  const filled = (value: number): Int32Array => new Int32Array(texts.length * length).fill(value);
  const [inputIds, attentionMask, tokenTypeIds] = [filled(padTokenId), filled(0), filled(0)];
  texts.forEach(({ ids, tokenTypeIds: types }, i) => {
    if (ids.length > length) throw new RangeError(`Text ${i} has ${ids.length} tokens, there are ${length} places.`);
    inputIds.set(ids, i * length);
    tokenTypeIds.set(types, i * length);
    attentionMask.fill(1, i * length, i * length + ids.length);
  });
  return { texts: texts.length, length, inputIds, attentionMask, tokenTypeIds };
}
