import type { Scalar, Tensor, Variable } from "@tensorflow/tfjs";
import { tf, type, updateVariables } from "../engine/backend";
import { stateVariable } from "./optimizers/optimizer";

export interface LossScalerOptions {
  /** Default 2¹⁶. */
  initialScale?: number;
  /** Steps without overflow after which the scale doubles. Default 2000. */
  growthInterval?: number;
}

const GROWTH = 2;
const BACKOFF = 0.5;

/** Below this scale float16 would overflow though nothing is scaled up: no smaller scale is of use. */
export const SMALLEST_SCALE = 1;

/**
 * Dynamic loss scaling for float16 (Micikevicius et al. 2018, §3.2) with the rules and numbers of torch.amp.GradScaler:
 * the loss is multiplied by a scale, so that small gradients do not underflow in half precision; where a gradient
 * overflows the step is left out and the scale halved, and after `growthInterval` steps in a row without it doubles.
 * Scale and count live on the device and change inside the trace.
 */
export class LossScaler {
  /** What the loss is multiplied by, a power of 2. */
  readonly scale: Variable;
  /** Steps since the scale last changed, as float32. */
  private readonly goodSteps: Variable;
  private readonly growthInterval: number;

  constructor({ initialScale = 2 ** 16, growthInterval = 2000 }: LossScalerOptions = {}) {
    if (!(initialScale > 0 && Number.isFinite(initialScale))) throw new RangeError(`LossScaler: initialScale is ${initialScale}; it must be a number above 0.`);
    if (!(Number.isInteger(growthInterval) && growthInterval > 0)) throw new RangeError(`LossScaler: growthInterval is ${growthInterval}; it must be a whole number above 0.`);
    this.scale = stateVariable(() => tf.scalar(initialScale));
    this.goodSteps = stateVariable(() => tf.scalar(0));
    this.growthInterval = growthInterval;
  }

  /** By the names of GradScaler's `state_dict`. */
  get state(): ReadonlyMap<string, Variable> {
    return new Map([["scale", this.scale], ["_growth_tracker", this.goodSteps]]);
  }

  /** loss · scale, to be differentiated. */
  scaled(loss: Scalar): Scalar {
    return tf.mul(loss, this.scale) as Scalar;
  }

  /**
   * Adapts the scale to a step, inside the trace.
   * @param isFinite bool: whether every gradient of the step is
   * @param after everything that uses the step's scale is computed once this is
   */
  update(isFinite: Scalar, after: Tensor): void {
    const good = tf.where(isFinite, tf.add(this.goodSteps, 1), tf.scalar(0));
    const grows = tf.greaterEqual(good, this.growthInterval);
    const larger = tf.mul(this.scale, GROWTH);
    // As GradScaler: the scale itself never becomes infinite.
    const grown = tf.where(tf.logicalAnd(grows, tf.isFinite(larger)), larger, this.scale);
    const next = tf.where(isFinite, grown, tf.mul(this.scale, BACKOFF));
    const count = tf.where(grows, tf.scalar(0), good);
    assign(this.scale, next, after);
    assign(this.goodSteps, count, after);
  }

  dispose(): void {
    tf.dispose([this.scale, this.goodSteps]);
  }
}

function assign(variable: Variable, value: Tensor, after: Tensor): void {
  updateVariables("AssignVariableOp", { dtype: type("float32") }, [variable], [value], [after]);
}
