import type { Tensor1D, Tensor2D, Variable } from "@tensorflow/tfjs";
import { tf, toResource } from "../../engine/backend";
import type { RolloutTensors } from "../../loss/rollouts";
import { statesAt } from "../../loss/tree";
import type { LlamaForSequenceClassification } from "../../model/classification";

/** V of the state before each token of packed answers. */
export interface ValueFunction {
  /** What is trained of it, under names that no parameter of the policy has. */
  readonly parameters: ReadonlyMap<string, Variable>;
  /** @param states the policy's own, [predictions, hidden] @returns [predictions] */
  values(states: Tensor2D, batch: RolloutTensors): Tensor1D;
  /** Called before training begins. */
  begin(): void;
  dispose(): void;
}

/** A network of its own that is trained beside the policy: a classifier of one label, read at every token. */
export class ValueNetwork implements ValueFunction {
  readonly parameters: ReadonlyMap<string, Variable>;

  /** @throws RangeError for a model of several labels */
  constructor(private readonly model: LlamaForSequenceClassification) {
    if (model.numLabels !== 1) throw new RangeError(`The value model gives each text ${model.numLabels} scores; a value is one. Load it with numLabels: 1.`);
    this.parameters = new Map([...model.parameters].map(([name, variable]) => [`value_model.${name}`, variable]));
  }

  values(_states: Tensor2D, batch: RolloutTensors): Tensor1D {
    return tf.reshape(this.model.scores(statesAt(this.model, batch, batch.sources)), [-1]) as Tensor1D;
  }

  begin(): void {
    // From the first step on the weights are no longer the ones that the fingerprint names.
    this.model.fingerprint = null;
  }

  /** The model stays. */
  dispose(): void {
    // Nothing here is the function's own.
  }
}

/** A linear head on the policy's own hidden states, whose body learns from both losses. It begins at 0 everywhere. */
export class ValueHead implements ValueFunction {
  private readonly weight: Variable;
  readonly parameters: ReadonlyMap<string, Variable>;

  constructor(hiddenSize: number) {
    this.weight = tf.tidy(() => toResource(tf.variable(tf.zeros([1, hiddenSize]), true)));
    this.parameters = new Map([["value_head.weight", this.weight]]);
  }

  values(states: Tensor2D): Tensor1D {
    return tf.sum(tf.mul(states, this.weight), 1) as Tensor1D;
  }

  begin(): void {
    // A head has no fingerprint.
  }

  dispose(): void {
    this.weight.dispose();
  }
}
