import { meanOf, type MeasuredRollouts } from "./objective";

/** What the log says of every method's rollouts, under TRL's names. */
export const ROLLOUT_STATISTICS = ["completions/mean_length", "completions/clipped_ratio", "sampling/sampling_logp_difference/mean", "sampling/sampling_logp_difference/max"] as const;

/**
 * Lengths with the end token; the share of answers that were cut off; and how far log-probabilities as they were drawn are
 * from those recomputed in one pass, in nats. The last should be of the size of rounding: more says that what draws is not
 * what is trained.
 */
export function rolloutStatistics({ rollouts, logps }: Pick<MeasuredRollouts, "rollouts" | "logps">): Record<(typeof ROLLOUT_STATISTICS)[number], number> {
  const differences = rollouts.flatMap(({ samplingLogps }, i) => samplingLogps.map((logp, t) => Math.abs(logp - logps[i]![t]!)));
  return {
    "completions/mean_length": meanOf(rollouts.map(({ ids }) => ids.length)),
    "completions/clipped_ratio": meanOf(rollouts.map(({ ended }) => Number(!ended))),
    "sampling/sampling_logp_difference/mean": meanOf(differences),
    "sampling/sampling_logp_difference/max": differences.reduce((most, value) => Math.max(most, value), 0),
  };
}
