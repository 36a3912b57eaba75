import type { Scalar, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { LlamaForCausalLM } from "../model/llama";
import type { PackedSequences } from "../tokens/packSequences";
import { IGNORED } from "../tokens/sft";
import { crossEntropyLogps, tokenScores } from "./logps";
import { inOrder, statesAt, toTreeTensors, TREE_ORDER, type TreeTensors } from "./tree";

/**
 * The loss of supervised fine-tuning, −Σ log p(x_t | x_<t) / N over the tokens that are learnt, as transformers and TRL
 * compute it. The logits at position t predict the token at t + 1.
 * @param logits [batch, length, vocabulary] @param labels int32 [batch, length]: ids, −100 where nothing is learnt
 * @param numItemsInBatch N. Default: the labels that are learnt; with gradient accumulation those of all batches of a step
 */
export function sftLoss(logits: Tensor3D, labels: Tensor2D, numItemsInBatch?: number): Scalar {
  const [batch, length, vocabulary] = logits.shape;
  if (labels.shape[0] !== batch || labels.shape[1] !== length) throw new RangeError(`sftLoss: logits are [${logits.shape}], so labels must be [${batch},${length}]; they are [${labels.shape}].`);
  const predictions = tf.reshape(tf.slice(logits, [0, 0, 0], [batch, length - 1, vocabulary]), [-1, vocabulary]) as Tensor2D;
  const targets = tf.reshape(tf.slice(labels, [0, 1], [batch, length - 1]), [-1]) as Tensor1D;
  const isLearnt = tf.notEqual(targets, tf.scalar(IGNORED, "int32"));
  const weights = tf.cast(isLearnt, "float32");
  const logps = crossEntropyLogps(predictions, tf.where(isLearnt, targets, tf.zerosLike(targets)) as Tensor1D);
  return tf.neg(tf.div(tf.sum(tf.mul(logps, weights)), numItemsInBatch ?? tf.maximum(tf.sum(weights), 1))) as Scalar;
}

/** A packed batch on the device. */
export interface SequenceTensors extends TreeTensors {
  /** int32 [predictions] */
  sources: Tensor1D;
  targets: Tensor1D;
  /** float32 [predictions] */
  weights: Tensor1D;
}

const { list: sequenceTensorList, from: sequenceTensorsFrom } = inOrder<SequenceTensors>([...TREE_ORDER, "sources", "targets", "weights"]);
export { sequenceTensorList, sequenceTensorsFrom };

export function toSequenceTensors(packed: PackedSequences): SequenceTensors {
  return { ...toTreeTensors(packed), sources: tf.tensor1d(packed.sources, "int32"), targets: tf.tensor1d(packed.targets, "int32"), weights: tf.tensor1d(packed.weights) };
}

/** Sums over the tokens that are learnt of a packed batch; the first is differentiable. Each a scalar. */
export interface SFTSums {
  /** −Σ log p, in nats */
  loss: Scalar;
  /** of the predictions, in nats */
  entropy: Scalar;
  /** Predictions whose likeliest token is the right one. */
  correct: Scalar;
  tokens: Scalar;
}

/** @param dropoutSeed as in `SequenceLayout` */
export function sftSums(model: LlamaForCausalLM, batch: SequenceTensors, dropoutSeed?: Tensor1D): SFTSums {
  const { logps, entropies, isLikeliest } = tokenScores(statesAt(model, batch, batch.sources, dropoutSeed), model.head, batch.targets);
  const sum = (values: Tensor1D): Scalar => tf.sum(tf.mul(values, batch.weights)) as Scalar;
  return { loss: tf.neg(sum(logps)) as Scalar, entropy: sum(entropies), correct: sum(isLikeliest), tokens: tf.sum(batch.weights) as Scalar };
}
