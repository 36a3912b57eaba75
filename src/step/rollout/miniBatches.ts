import { RandomSource } from "../../engine/random";
import { chunks } from "../batches";

/** How often an iteration goes over its prompts, and in how many parts each time. */
export interface Passes {
  epochs: number;
  miniBatches: number;
}

/**
 * The prompts of each step's minibatch, by their places in the iteration: in each epoch all of them, where there are several
 * parts in a new order.
 */
export function miniBatches(prompts: number, iteration: number, { epochs, miniBatches: parts }: Passes, seed: number): number[][] {
  const order = Array.from({ length: prompts }, (_, prompt) => prompt);
  const shuffled = (epoch: number): number[] => new RandomSource((seed % 2 ** 21) * 2 ** 32 + ((iteration * epochs + epoch) % 2 ** 32)).shuffled(order);
  return Array.from({ length: epochs }, (_, epoch) => chunks(parts === 1 ? order : shuffled(epoch), prompts / parts)).flat();
}

/** @throws RangeError where a batch of prompts does not make as many parts of one size */
export function checkMiniBatches(prompts: number, batch: number, parts: number): void {
  if (batch % parts !== 0) throw new RangeError(`args.perDeviceTrainBatchSize is ${batch}, which does not make ${parts} minibatches of as many prompts each.`);
  const last = prompts % batch;
  if (last % parts !== 0) throw new RangeError(`trainDataset has ${prompts} prompts: the last batch of an epoch has ${last}, which do not make ${parts} minibatches of as many each. Leave out ${last % parts}, or choose another perDeviceTrainBatchSize.`);
}
