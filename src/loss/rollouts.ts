import type { Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import type { LlamaForCausalLM } from "../model/llama";
import { embedding } from "../model/ops";
import type { PackedRollouts } from "../tokens/packRollouts";
import { tokenScores } from "./logps";
import { inOrder, statesAt, toTreeTensors, TREE_ORDER, type TreeTensors } from "./tree";

/** Packed answers on the device, all int32. */
export interface RolloutTensors extends TreeTensors {
  /** [predictions] */
  sources: Tensor1D;
  targets: Tensor1D;
  /** The prediction of each answer's tokens, [answers, width]. */
  table: Tensor2D;
}

const { list: rolloutTensorList, from: rolloutTensorsFrom } = inOrder<RolloutTensors>([...TREE_ORDER, "sources", "targets", "table"]);
export { rolloutTensorList, rolloutTensorsFrom };
/** How many tensors `rolloutTensorList` gives. */
export const ROLLOUT_TENSORS = TREE_ORDER.length + 3;

export function toRolloutTensors(packed: PackedRollouts): RolloutTensors {
  return {
    ...toTreeTensors(packed), sources: tf.tensor1d(packed.sources, "int32"), targets: tf.tensor1d(packed.targets, "int32"),
    table: tf.tensor2d(packed.table, [packed.answers, packed.width], "int32"),
  };
}

/** What a policy says of each token of packed answers; a gradient goes through states and log-probabilities. */
export interface AnswerScores {
  /** Hidden states that predict the tokens, [predictions, hidden]. */
  states: Tensor2D;
  /** log softmax(logits / temperature) at each token, [predictions], in nats. */
  logps: Tensor1D;
  /** Of the same distributions, [predictions], in nats. */
  entropies: Tensor1D;
}

/** @param temperature that the answers were drawn with */
export function answerScores(model: LlamaForCausalLM, batch: RolloutTensors, temperature: number): AnswerScores {
  const states = statesAt(model, batch, batch.sources);
  // The head is linear: its logits are divided with what goes into it, which is narrower.
  const { logps, entropies } = tokenScores(temperature === 1 ? states : (tf.div(states, temperature) as Tensor2D), model.head, batch.targets);
  return { states, logps, entropies };
}

/** Values of predictions as a table of each answer's tokens, 0 where nothing counts. @param values [predictions] @param mask [answers, width] @returns [answers, width] */
export function answerTable(values: Tensor1D, { table }: RolloutTensors, mask: Tensor2D): Tensor2D {
  const rows: Tensor = embedding(tf.reshape(values, [-1, 1]) as Tensor2D, table);
  return tf.mul(tf.reshape(rows, table.shape), mask) as Tensor2D;
}
