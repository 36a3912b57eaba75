import type { Tensor, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { LlamaForSequenceClassification } from "../model/classification";
import type { PackedScores } from "../tokens/scoredPairs";
import type { PairRewards } from "./reward";
import { statesAt, toTreeTensors, type TreeTensors } from "./tree";

/** A packed batch of texts to be scored on the device. */
export interface ScoreTensors extends TreeTensors {
  /** The token that each text is scored at, int32 [texts]. */
  scored: Tensor1D;
}

/** A jitted function takes tensors one by one; this is their order. */
const ORDER = ["inputIds", "positions", "queries", "places", "keys", "lasts", "scored"] as const satisfies readonly (keyof ScoreTensors)[];

export function toScoreTensors(packed: PackedScores): ScoreTensors {
  return { ...toTreeTensors(packed), scored: tf.tensor1d(packed.scored, "int32") };
}

export const scoreTensorList = (tensors: ScoreTensors): Tensor[] => ORDER.map((name) => tensors[name]);

export function scoreTensorsFrom(list: readonly Tensor[]): ScoreTensors {
  return Object.fromEntries(ORDER.map((name, i) => [name, list[i]])) as unknown as ScoreTensors;
}

/** Rewards of the pairs of a packed batch under a classifier of one label. @returns chosen and rejected, each [pairs] */
export function pairRewards(model: LlamaForSequenceClassification, tensors: ScoreTensors): Pick<PairRewards, "chosen" | "rejected"> {
  const rewards = tf.reshape(model.scores(statesAt(model, tensors, tensors.scored)), [-1]) as Tensor1D;
  const pairs = rewards.size / 2;
  return { chosen: tf.slice(rewards, [0], [pairs]), rejected: tf.slice(rewards, [pairs], [pairs]) };
}
