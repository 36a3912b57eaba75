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

/** Scores of a batch of pairs under a classifier. */
export interface PairScores {
  /** Of the chosen texts, [pairs, labels]. */
  chosen: Tensor2D;
  rejected: Tensor2D;
  /** By how much the chosen text should win, [pairs]; only where the rows say it. */
  margin?: Tensor1D | undefined;
}

/** The scores of texts, the chosen ones first, as those of pairs. @param scores [2 · pairs, labels] */
export function halves(scores: Tensor2D): Pick<PairScores, "chosen" | "rejected"> {
  const [pairs, labels] = [scores.shape[0] / 2, scores.shape[1]];
  return { chosen: tf.slice(scores, [0, 0], [pairs, labels]), rejected: tf.slice(scores, [pairs, 0], [pairs, labels]) };
}

/** Scores of the pairs of a packed batch. */
export function pairScores(model: LlamaForSequenceClassification, tensors: ScoreTensors): Pick<PairScores, "chosen" | "rejected"> {
  return halves(textScores(model, tensors));
}

/** The scores of a classifier of one label as rewards. */
export function asRewards({ chosen, rejected, margin }: PairScores): PairRewards {
  const vector = (scores: Tensor2D): Tensor1D => tf.reshape(scores, [-1]) as Tensor1D;
  return { chosen: vector(chosen), rejected: vector(rejected), ...(margin ? { margin } : {}) };
}

/** Rewards of the pairs of a packed batch under a classifier of one label. @returns chosen and rejected, each [pairs] */
export const pairRewards = (model: LlamaForSequenceClassification, tensors: ScoreTensors): Pick<PairRewards, "chosen" | "rejected"> => asRewards(pairScores(model, tensors));
