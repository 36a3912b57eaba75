import { RandomSource } from "../engine/random";
import type { TrainingArguments } from "./arguments";

/** Batches whose rows are sorted by length together: enough for even lengths, few enough to keep an epoch random. */
const BATCHES_PER_GROUP = 16;

/**
 * The batches of one epoch as row numbers, every row once; the last batch may be smaller.
 * @param lengths tokens of each row @param epoch its number, from 0: each has an order of its own
 */
export function epochBatches(lengths: readonly number[], epoch: number, args: Pick<TrainingArguments, "perDeviceTrainBatchSize" | "shuffle" | "groupByLength" | "seed">): number[][] {
  const size = args.perDeviceTrainBatchSize;
  const random = new RandomSource(args.seed + epoch);
  let order = lengths.map((_, row) => row);
  if (args.shuffle) order = random.shuffled(order);
  if (args.groupByLength) {
    const groups = chunks(order, size * BATCHES_PER_GROUP);
    order = groups.flatMap((group) => group.sort((a, b) => lengths[a]! - lengths[b]! || a - b));
  }
  const batches = chunks(order, size);
  return args.shuffle && args.groupByLength ? random.shuffled(batches) : batches;
}

/** A list in parts of `size`, the last one maybe smaller. */
export function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
