import type { Scalar, Tensor, Variable } from "@tensorflow/tfjs";
import { tf, type, updateVariables } from "../../engine/backend";
import { zerosLike } from "./optimizer";

/** What one update needs, as scalars of the trace. */
export interface AdamRates {
  beta1: Scalar;
  beta2: Scalar;
  /** ε·√(1−β₂ᵗ) */
  epsilon: Scalar;
  /** η·√(1−β₂ᵗ) / (1−β₁ᵗ) */
  rate: Scalar;
  /** bool; where it is false the moments stay as they are. The other rates are then such that the parameter stays too. */
  counts?: Scalar;
}

/** m and v of one parameter. */
export interface AdamMoments {
  /** By the names that PyTorch, or in 8 bits bitsandbytes, calls them by. */
  readonly state: ReadonlyMap<string, Variable>;
  /** m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← θ − rate·m / (√v + ε'), all in place and after `after`. */
  update(parameter: Variable, gradient: Tensor, rates: AdamRates, after: Tensor): void;
}

/** Both moments in float32: 8 bytes for each value. */
export class FloatMoments implements AdamMoments {
  readonly state: ReadonlyMap<string, Variable>;

  constructor(parameter: Variable) {
    this.state = new Map([["exp_avg", zerosLike(parameter)], ["exp_avg_sq", zerosLike(parameter)]]);
  }

  update(parameter: Variable, gradient: Tensor, { rate, beta1, beta2, epsilon }: AdamRates, after: Tensor): void {
    const zero = tf.scalar(0);
    // With both powers 0 the op takes the rate and ε as they are: the corrections are in them already.
    updateVariables(
      "ResourceApplyAdam", { T: type("float32"), use_locking: false, use_nesterov: false },
      [parameter, ...this.state.values()], [zero, zero, rate, beta1, beta2, epsilon, gradient], [after],
    );
  }
}
