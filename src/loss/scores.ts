import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { LlamaForSequenceClassification } from "../model/classification";
import type { PackedTexts } from "../tokens/scoredPairs";
import type { PairRewards } from "./reward";
import { inOrder, statesAt, toTreeTensors, TREE_ORDER, type TreeTensors } from "./tree";

/** A packed batch of texts to be scored on the device. */
export interface ScoreTensors extends TreeTensors {
  /** The token that each text is scored at, int32 [texts]. */
  scored: Tensor1D;
}

const { list: scoreTensorList, from: scoreTensorsFrom } = inOrder<ScoreTensors>([...TREE_ORDER, "scored"]);
export { scoreTensorList, scoreTensorsFrom };

export function toScoreTensors(packed: PackedTexts): ScoreTensors {
  return { ...toTreeTensors(packed), scored: tf.tensor1d(packed.scored, "int32") };
}

/** Scores of the texts of a packed batch. @returns [texts, labels] */
export function textScores(model: LlamaForSequenceClassification, tensors: ScoreTensors): Tensor2D {
  return model.scores(statesAt(model, tensors, tensors.scored));
}

/** Rewards of the pairs of a packed batch under a classifier of one label. @returns chosen and rejected, each [pairs] */
export function pairRewards(model: LlamaForSequenceClassification, tensors: ScoreTensors): Pick<PairRewards, "chosen" | "rejected"> {
  const rewards = tf.reshape(textScores(model, tensors), [-1]) as Tensor1D;
  const pairs = rewards.size / 2;
  return { chosen: tf.slice(rewards, [0], [pairs]), rejected: tf.slice(rewards, [pairs], [pairs]) };
}
