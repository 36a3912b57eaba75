import type { Scalar, Tensor, Variable } from "@tensorflow/tfjs";
import { tf, type, updateVariables } from "../../engine/backend";
import { FloatMoments, type AdamMoments } from "./adamMoments";
import { groupRates, resolveGroups, type ParameterGroup, type ResolvedGroup } from "./groups";
import { deviceBytes, stateVariable, type Optimizer } from "./optimizer";

export interface AdamWOptions {
  /** β₁ and β₂, decay rates of the moments. Default 0.9 and 0.999. */
  beta1?: number;
  beta2?: number;
  /** ε, added to √v̂. Default 1e-8. */
  epsilon?: number;
  /** λ, decoupled weight decay: θ ← θ − η·λ·θ. Default 0. */
  weightDecay?: number;
  /** Default: norms and biases do not decay, all else does, as transformers does it. */
  groups?: readonly ParameterGroup[];
}

/**
 * AdamW (Loshchilov & Hutter 2019, algorithm 2), as torch.optim.AdamW computes it:
 * m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², θ ← θ − η·λ·θ − η·m̂ / (√v̂ + ε), where m̂ = m/(1−β₁ᵗ) and v̂ = v/(1−β₂ᵗ).
 * @throws RangeError for a number out of range or a parameter without a group
 */
export class AdamW implements Optimizer {
  private readonly moments = new Map<string, AdamMoments>();
  readonly groups: readonly ResolvedGroup[];
  /** Steps that counted: t of the paper. float32, exact up to 2²⁴. */
  private readonly count: Variable;
  private readonly options: { beta1: number; beta2: number; epsilon: number };

  /** @param momentsOf how m and v of a parameter are kept. Default: in float32. */
  constructor(
    readonly parameters: ReadonlyMap<string, Variable>,
    { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, groups }: AdamWOptions = {},
    momentsOf: (parameter: Variable, group: ResolvedGroup) => AdamMoments = (parameter) => new FloatMoments(parameter),
  ) {
    for (const [name, value] of Object.entries({ beta1, beta2 })) {
      if (!(value >= 0 && value < 1)) throw new RangeError(`AdamW: ${name} is ${value}; it must lie in [0, 1).`);
    }
    for (const [name, value] of Object.entries({ epsilon, weightDecay })) {
      if (!(value >= 0)) throw new RangeError(`AdamW: ${name} is ${value}; it must be 0 or more.`);
    }
    this.options = { beta1, beta2, epsilon };
    this.groups = resolveGroups(parameters, weightDecay, groups);
    this.count = stateVariable(() => tf.scalar(0));
    for (const group of this.groups) for (const name of group.names) this.moments.set(name, momentsOf(parameters.get(name)!, group));
  }

  get state(): ReadonlyMap<string, Variable> {
    const moments = [...this.moments].flatMap(([parameter, { state }]) => [...state].map(([name, variable]) => [`${parameter}.${name}`, variable] as const));
    return new Map([["step", this.count], ...moments]);
  }

  get stateBytes(): number {
    return deviceBytes(this.state.values());
  }

  /** Steps that counted so far. */
  async steps(): Promise<number> {
    return (await this.count.data())[0]!;
  }

  apply(gradients: readonly Tensor[], learningRate: Scalar, after: Tensor, counts?: Scalar): void {
    const { beta1, beta2, epsilon } = this.options;
    // A step that does not count: with these numbers each update is exactly none.
    const unless = (value: Scalar, neutral: number): Scalar => (counts ? (tf.where(counts, value, tf.scalar(neutral)) as Scalar) : value);
    const t = tf.add(this.count, 1) as Scalar;
    const correction1 = oneMinusPower(beta1, t);
    const root2 = tf.sqrt(oneMinusPower(beta2, t));
    const shared = { beta1: unless(tf.scalar(beta1), 1), beta2: unless(tf.scalar(beta2), 1), epsilon: unless(tf.mul(root2, epsilon) as Scalar, 1), counts };
    const rates = groupRates(this.groups, unless(learningRate, 0));
    let i = 0;
    for (const [name, parameter] of this.parameters) {
      const { rate, weightDecay } = rates.get(name)!;
      if (weightDecay > 0) decay(parameter, tf.mul(rate, weightDecay) as Scalar, after);
      this.moments.get(name)!.update(parameter, gradients[i++]!, { ...shared, rate: tf.div(tf.mul(rate, root2), correction1) as Scalar }, after);
    }
    updateVariables("AssignVariableOp", { dtype: type("float32") }, [this.count], [counts ? tf.add(this.count, tf.cast(counts, "float32")) : t], [after]);
  }

  dispose(): void {
    tf.dispose([...this.state.values()]);
  }
}

/**
 * 1 − βᵗ, exact in float32 for β near 1 too. β is rounded first: the update takes 1 − β of the rounded one, and at t = 1
 * the two must cancel.
 */
function oneMinusPower(beta: number, t: Scalar): Scalar {
  return tf.neg(tf.expm1(tf.mul(t, Math.log(Math.fround(beta))))) as Scalar;
}

/** θ ← θ − share·θ */
function decay(parameter: Variable, share: Scalar, after: Tensor): void {
  updateVariables("AssignSubVariableOp", { dtype: type("float32") }, [parameter], [tf.mul(parameter, share)], [after]);
}
