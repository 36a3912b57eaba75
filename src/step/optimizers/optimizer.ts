import type { Scalar, Tensor, Variable } from "@tensorflow/tfjs";
import { bytesOnDevice, tf, toResource } from "../../engine/backend";
import type { ResolvedGroup } from "./groups";

/**
 * An optimiser with its state in TensorFlow's memory. Nothing of a step is computed or remembered on the host, so that
 * a compiled step can decide by itself whether it counts.
 */
export interface Optimizer {
  readonly parameters: ReadonlyMap<string, Variable>;
  readonly groups: readonly ResolvedGroup[];
  /** All that it remembers, for checkpoints, by the names of PyTorch's and bitsandbytes' states after the parameter's. */
  readonly state: ReadonlyMap<string, Variable>;
  /** Bytes that the state takes on the device. */
  readonly stateBytes: number;
  /**
   * Updates every parameter in place. It belongs inside `jit`.
   * @param gradients in the order of `parameters`; finite
   * @param learningRate η of this step, before the scales of groups
   * @param after computed before the first update: a tensor that depends on every gradient (the clipping factor)
   * @param counts bool; where it is false parameters and state stay as they are, bit for bit. Default: the step counts.
   */
  apply(gradients: readonly Tensor[], learningRate: Scalar, after: Tensor, counts?: Scalar): void;
  dispose(): void;
}

/** A variable of zeros that no tf.variableGrads finds. */
export function zerosLike(parameter: Variable): Variable {
  return stateVariable(() => tf.zerosLike(parameter));
}

/** A variable in TensorFlow's memory that is no parameter: no tf.variableGrads finds it. */
export function stateVariable(initial: () => Tensor): Variable {
  return tf.tidy(() => toResource(tf.variable(initial(), false)));
}

/** Bytes of variables as TensorFlow holds them; tfjs knows fewer types. */
export function deviceBytes(variables: Iterable<Variable>): number {
  return [...variables].reduce((sum, variable) => sum + bytesOnDevice(variable), 0);
}
