import { RandomSource } from "../engine/random";
import type { Interval } from "./interval";
import { quantile } from "./quantile";

export interface BootstrapOptions {
  /**
   * What each value belongs to, such as its prompt. Values of one cluster are drawn together: several answers to one prompt
   * are alike, and say less than as many answers to different prompts. Default: each value is a cluster of its own.
   */
  clusters?: ArrayLike<string | number>;
  /** Share of such intervals that should hold the true mean. Default 0.95. */
  level?: number;
  /** Samples that are drawn. Default 10,000. */
  resamples?: number;
  /** Of the draws. Default 0. */
  seed?: number;
}

interface Clusters {
  sums: number[];
  counts: number[];
}

/**
 * A mean with its percentile bootstrap interval (Efron 1979; Davison and Hinkley 1997, section 5.3): clusters are drawn
 * with replacement, as many as there are, again and again, and the interval holds the middle of the means.
 * @throws RangeError for fewer than two clusters, a value that is no number, or settings that make no interval
 */
export function bootstrapMean(values: ArrayLike<number>, options: BootstrapOptions = {}): Interval {
  const { level = 0.95, resamples = 10_000, seed = 0 } = options;
  if (!(level > 0 && level < 1)) throw new RangeError(`level is ${level}; a share between 0 and 1 is needed.`);
  if (!(Number.isInteger(resamples) && resamples >= 2)) throw new RangeError(`resamples is ${resamples}; a whole number of at least 2 is needed.`);
  const { sums, counts } = clustersOf(values, options.clusters);
  if (sums.length < 2) throw new RangeError(`A bootstrap needs at least two ${options.clusters ? "clusters" : "values"} to tell how much they differ; there ${sums.length === 1 ? "is one" : "are none"}.`);
  const random = new RandomSource(seed);
  const means = Float64Array.from({ length: resamples }, () => {
    let [sum, count] = [0, 0];
    for (let drawn = 0; drawn < sums.length; drawn++) {
      const cluster = random.integer(sums.length);
      sum += sums[cluster]!;
      count += counts[cluster]!;
    }
    return sum / count;
  }).sort();
  const total = (of: readonly number[]): number => of.reduce((a, b) => a + b);
  return { mean: total(sums) / total(counts), low: quantile(means, (1 - level) / 2), high: quantile(means, (1 + level) / 2) };
}

/**
 * The mean of after − before of values that belong together by their place, such as two models' scores for the same
 * prompts, with its interval as `bootstrapMean`'s. What is hard for both cancels, so it is narrower than that of two means.
 * @throws RangeError as `bootstrapMean`, and unless there are as many values before as after
 */
export function bootstrapDifference(before: ArrayLike<number>, after: ArrayLike<number>, options: BootstrapOptions = {}): Interval {
  if (before.length !== after.length) throw new RangeError(`There are ${before.length} values before and ${after.length} after; each needs its partner at the same place.`);
  return bootstrapMean(Array.from(after, (value, i) => value - before[i]!), options);
}

function clustersOf(values: ArrayLike<number>, keys: ArrayLike<string | number> | undefined): Clusters {
  if (keys && keys.length !== values.length) throw new RangeError(`There are ${values.length} values and ${keys.length} clusters; each value needs the name of its cluster.`);
  const clusters: Clusters = { sums: [], counts: [] };
  const numbers = new Map<string | number, number>();
  for (const [i, value] of Array.from(values).entries()) {
    if (!Number.isFinite(value)) throw new RangeError(`Value ${i} is ${value}; a number is needed.`);
    const key = keys ? keys[i]! : i;
    const cluster = numbers.get(key) ?? numbers.size;
    numbers.set(key, cluster);
    clusters.sums[cluster] = (clusters.sums[cluster] ?? 0) + value;
    clusters.counts[cluster] = (clusters.counts[cluster] ?? 0) + 1;
  }
  return clusters;
}
