/** Predictions of about the same confidence. */
export interface ReliabilityBin {
  /** Confidences in the bin: from `from` to below `to`, the last one's end included. */
  from: number;
  to: number;
  count: number;
  /** Mean confidence, and the share of the predictions that were right; NaN for an empty bin. */
  confidence: number;
  accuracy: number;
}

export interface Reliability {
  bins: ReliabilityBin[];
  /** Expected calibration error: the mean over predictions of |accuracy − confidence| of their bin. */
  expectedCalibrationError: number;
}

/**
 * The reliability table of a model of preferences (Guo et al. 2017, section 2): of the pairs to which it gives a confidence
 * of 0.8, four in five should be right. The prediction is that the answer with the greater reward is the preferred one, and
 * its confidence σ(|r_w − r_l|), from 0.5 to 1 (Bradley and Terry 1952). A tie is half right.
 * @param margins r_w − r_l of each pair, with the chosen answer's reward first @param bins of equal width
 * @throws RangeError for no pairs, a margin that is no number, or bins that are no whole number above 0
 */
export function reliability(margins: ArrayLike<number>, bins = 5): Reliability {
  if (margins.length === 0) throw new RangeError("reliability needs the margin of at least one pair.");
  if (!Number.isInteger(bins) || bins < 1) throw new RangeError(`bins is ${bins}; a whole number above 0 is needed.`);
  const bound = (i: number): number => 0.5 + (0.5 * i) / bins;
  const sums = Array.from({ length: bins }, () => ({ count: 0, confidence: 0, right: 0 }));
  for (const [i, margin] of Array.from(margins).entries()) {
    if (Number.isNaN(margin)) throw new RangeError(`The margin of pair ${i} is no number.`);
    const confidence = 1 / (1 + Math.exp(-Math.abs(margin)));
    const sum = sums[Math.min(bins - 1, Math.floor((confidence - 0.5) * 2 * bins))]!;
    sum.count++;
    sum.confidence += confidence;
    sum.right += margin > 0 ? 1 : margin === 0 ? 0.5 : 0;
  }
  return {
    bins: sums.map(({ count, confidence, right }, i) => ({ from: bound(i), to: bound(i + 1), count, confidence: confidence / count, accuracy: right / count })),
    expectedCalibrationError: sums.reduce((total, { confidence, right }) => total + Math.abs(right - confidence), 0) / margins.length,
  };
}
