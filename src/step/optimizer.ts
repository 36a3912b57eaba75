import type { Scalar, Tensor, Tensor1D, Variable } from "@tensorflow/tfjs";
import { rawOp, tf, toResource, type, updateVariables } from "../engine/backend";

export interface AdamWOptions {
  /** β₁ and β₂, decay rates of the moments. Default 0.9 and 0.999. */
  beta1?: number;
  beta2?: number;
  /** ε, added to √v̂. Default 1e-8. */
  epsilon?: number;
  /** λ, decoupled weight decay: θ ← θ − η·λ·θ. Default 0. */
  weightDecay?: number;
  /** Which parameters decay. Default: all but norms and biases, as transformers does. */
  decays?: (name: string) => boolean;
}

const decaysByDefault = (name: string): boolean => !/(norm|bias)/i.test(name);

/**
 * AdamW (Loshchilov & Hutter 2019, algorithm 2), as torch.optim.AdamW computes it, with its moments in TensorFlow's
 * memory. `apply` belongs inside `jit`; `coefficients` gives the numbers that change from step to step.
 */
export class AdamW {
  /** Steps taken: t of the paper. */
  step = 0;
  private readonly moments: { first: Variable; second: Variable }[] = [];
  private readonly options: Required<AdamWOptions>;

  constructor(
    readonly parameters: ReadonlyMap<string, Variable>,
    options: AdamWOptions = {},
  ) {
    this.options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, decays: decaysByDefault, ...options };
    for (const [name, value] of Object.entries({ beta1: this.options.beta1, beta2: this.options.beta2 })) {
      if (!(value >= 0 && value < 1)) throw new RangeError(`AdamW: ${name} is ${value}; it must lie in [0, 1).`);
    }
    if (!(this.options.weightDecay >= 0)) throw new RangeError(`AdamW: weightDecay is ${this.options.weightDecay}; it must be 0 or more.`);
    for (const parameter of parameters.values()) {
      this.moments.push({ first: zerosLike(parameter), second: zerosLike(parameter) });
    }
  }

  /**
   * Advances t and returns what `apply` needs of it: [η·√(1−β₂ᵗ)/(1−β₁ᵗ), ε·√(1−β₂ᵗ), η·λ], computed in float64.
   * @param learningRate η of this step
   */
  coefficients(learningRate: number): Tensor1D {
    const { beta1, beta2, epsilon, weightDecay } = this.options;
    this.step++;
    const correction2 = Math.sqrt(1 - beta2 ** this.step);
    return tf.tensor1d([(learningRate * correction2) / (1 - beta1 ** this.step), epsilon * correction2, learningRate * weightDecay]);
  }

  /**
   * Updates every parameter in place.
   * @param gradients in the order of `parameters` @param coefficients from `coefficients()`
   * @param after computed before the first update: a tensor that depends on every gradient (the clipping factor)
   */
  apply(gradients: readonly Tensor[], coefficients: Tensor1D, after: Tensor): void {
    const [rate, epsilon, decay] = tf.split(coefficients, 3).map((x) => tf.reshape(x, [])) as [Scalar, Scalar, Scalar];
    const zero = tf.scalar(0);
    const beta1 = tf.scalar(this.options.beta1);
    const beta2 = tf.scalar(this.options.beta2);
    let i = 0;
    for (const [name, parameter] of this.parameters) {
      const { first, second } = this.moments[i]!;
      const gradient = gradients[i++]!;
      if (this.options.weightDecay > 0 && this.options.decays(name)) {
        updateVariables("AssignVariableOp", { dtype: type("float32") }, [parameter], [tf.sub(parameter, tf.mul(parameter, decay))], [after]);
      }
      // With both powers 0 the op takes the rate and ε as they are: the corrections are in them already.
      updateVariables(
        "ResourceApplyAdam", { T: type("float32"), use_locking: false, use_nesterov: false },
        [parameter, first, second], [zero, zero, rate, beta1, beta2, epsilon, gradient], [after],
      );
    }
  }

  dispose(): void {
    for (const { first, second } of this.moments) tf.dispose([first, second]);
  }
}

/** A variable of zeros that no tf.variableGrads finds. */
export function zerosLike(parameter: Variable): Variable {
  return tf.tidy(() => toResource(tf.variable(tf.zerosLike(parameter), false)));
}

/** √Σ‖g‖²: the norm of all gradients as one vector, as torch.nn.utils.clip_grad_norm_ returns it. */
export function globalNorm(gradients: readonly Tensor[]): Scalar {
  return tf.sqrt(tf.mul(2, tf.addN(gradients.map((gradient) => rawOp("L2Loss", [gradient], { T: type("float32") }))))) as Scalar;
}

/** min(1, maxNorm / (norm + 1e-6)), PyTorch's factor; 1 where maxNorm is 0 (no clipping). */
export function clipFactor(norm: Scalar, maxNorm: number): Scalar {
  return (maxNorm > 0 ? tf.minimum(tf.div(maxNorm, tf.add(norm, 1e-6)), 1) : tf.mul(norm, 0).add(1)) as Scalar;
}
