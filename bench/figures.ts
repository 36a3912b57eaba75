/** What one timed step of one side took. */
export interface Step {
  /** Its number among all rounds after the warm-up, from 0: which batch it was. */
  round: number;
  seconds: number;
  cpuSeconds: number;
  loss: number;
  /** Seconds of one decoding step, where a side measures that itself. */
  decodeSeconds?: number;
}

/** One side's measured steps at one setting. */
export interface Measured {
  /** "alignlab", "trl" or "torch". */
  side: string;
  /** The precision, and for a peer which of its ways to reach it. */
  setting: string;
  steps: Step[];
  /** Highest resident memory of the process, from start to end. */
  peakBytes: number;
}

export interface Figures {
  side: string;
  setting: string;
  pairsPerSecond: number;
  tokensPerSecond: number;
  medianSeconds: number;
  /** Half the distance between the quartiles of the step times, as a part of the median. */
  spread: number;
  cpuSecondsPerStep: number;
  peakBytes: number;
  /** Mean loss of the timed steps: two sides that train alike agree. */
  loss: number;
}

/** The q-quantile, between neighbours linearly. */
export function quantile(values: readonly number[], q: number): number {
  if (values.length === 0) throw new RangeError("quantile of no values");
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (sorted[Math.ceil(at)]! - low) * (at - Math.floor(at));
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

/**
 * @param tokens of each batch in turn: prompt and both answers of every pair, counted once each
 */
export function figuresOf({ side, setting, steps, peakBytes }: Measured, batch: number, tokens: readonly number[]): Figures {
  const seconds = steps.map((step) => step.seconds);
  return {
    side, setting, peakBytes,
    pairsPerSecond: batch / median(seconds),
    tokensPerSecond: median(steps.map((step) => tokens[step.round % tokens.length]! / step.seconds)),
    medianSeconds: median(seconds),
    spread: (quantile(seconds, 0.75) - quantile(seconds, 0.25)) / 2 / median(seconds),
    cpuSecondsPerStep: median(steps.map((step) => step.cpuSeconds)),
    loss: steps.reduce((sum, step) => sum + step.loss, 0) / steps.length,
  };
}

/** Ours and one of the peer's settings, measured in turn. */
export interface Pair {
  ours: Figures;
  /** Null when ours was measured alone. */
  peer: Figures | null;
}

export interface Comparison {
  /** Our pairs per second by the best peer's. */
  ratio: number;
  /** Our peak memory by that peer's. */
  memoryRatio: number;
  best: Figures;
}

/** The pair with the fastest of the peer's settings. */
export function bestPair(pairs: readonly Pair[]): Pair {
  const speed = ({ peer }: Pair): number => peer?.pairsPerSecond ?? 0;
  return pairs.reduce((one, other) => (speed(other) > speed(one) ? other : one));
}

/** Compares ours with the fastest of the peer's settings, by what was measured beside it. */
export function compare(pairs: readonly Pair[]): Comparison | null {
  const { ours, peer } = bestPair(pairs);
  if (!peer) return null;
  return { best: peer, ratio: ours.pairsPerSecond / peer.pairsPerSecond, memoryRatio: ours.peakBytes / peer.peakBytes };
}
