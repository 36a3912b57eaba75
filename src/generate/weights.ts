/** How weights are held while single tokens are computed. */
export const DECODE_WEIGHTS = ["float32", "bfloat16", "int8"] as const;
export type DecodeWeights = (typeof DECODE_WEIGHTS)[number];
