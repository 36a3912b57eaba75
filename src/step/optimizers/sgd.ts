import type { Scalar, Tensor, Variable } from "@tensorflow/tfjs";
import { tf, type, updateVariables } from "../../engine/backend";
import { groupRates, resolveGroups, type ParameterGroup, type ResolvedGroup } from "./groups";
import { deviceBytes, zerosLike, type Optimizer } from "./optimizer";

export interface SGDOptions {
  /** μ. Default 0: none. */
  momentum?: number;
  /** Looks ahead along the momentum (Nesterov 1983, in the form of Sutskever et al. 2013). Default false. */
  nesterov?: boolean;
  /** λ, added to the gradient: g + λ·θ. Default 0. */
  weightDecay?: number;
  /** Default: norms and biases do not decay, all else does. */
  groups?: readonly ParameterGroup[];
}

/**
 * Stochastic gradient descent as torch.optim.SGD computes it with dampening 0:
 * g ← g + λθ, b ← μb + g, θ ← θ − η·b, or θ ← θ − η·(g + μb) with Nesterov's momentum.
 * @throws RangeError for a number out of range or a parameter without a group
 */
export class SGD implements Optimizer {
  /** b of each parameter; empty without momentum. */
  private readonly buffers: readonly Variable[];
  readonly groups: readonly ResolvedGroup[];
  private readonly momentum: number;
  private readonly nesterov: boolean;

  constructor(readonly parameters: ReadonlyMap<string, Variable>, { momentum = 0, nesterov = false, weightDecay = 0, groups }: SGDOptions = {}) {
    for (const [name, value] of Object.entries({ momentum, weightDecay })) {
      if (!(Number.isFinite(value) && value >= 0)) throw new RangeError(`SGD: ${name} is ${value}; it must be a number, 0 or above.`);
    }
    if (nesterov && momentum === 0) throw new RangeError("SGD: nesterov needs a momentum above 0.");
    this.momentum = momentum;
    this.nesterov = nesterov;
    this.groups = resolveGroups(parameters, weightDecay, groups);
    this.buffers = momentum > 0 ? [...parameters.values()].map(zerosLike) : [];
  }

  get state(): ReadonlyMap<string, Variable> {
    const names = [...this.parameters.keys()];
    return new Map(this.buffers.map((buffer, i) => [`${names[i]!}.momentum_buffer`, buffer]));
  }

  get stateBytes(): number {
    return deviceBytes(this.buffers);
  }

  apply(gradients: readonly Tensor[], learningRate: Scalar, after: Tensor, counts?: Scalar): void {
    const T = type("float32");
    // A step that does not count: with these numbers each update is exactly none.
    const unless = (value: Scalar, neutral: number): Scalar => (counts ? (tf.where(counts, value, tf.scalar(neutral)) as Scalar) : value);
    const momentum = unless(tf.scalar(this.momentum), 1);
    const rates = groupRates(this.groups, unless(learningRate, 0));
    let i = 0;
    for (const [name, parameter] of this.parameters) {
      const { rate, weightDecay } = rates.get(name)!;
      const gradient = weightDecay > 0 ? tf.add(gradients[i]!, tf.mul(parameter, unless(tf.scalar(weightDecay), 0))) : gradients[i]!;
      const buffer = this.buffers[i++];
      if (buffer) updateVariables("ResourceApplyMomentum", { T, use_locking: false, use_nesterov: this.nesterov }, [parameter, buffer], [rate, gradient, momentum], [after]);
      else updateVariables("ResourceApplyGradientDescent", { T, use_locking: false }, [parameter], [rate, gradient], [after]);
    }
  }

  dispose(): void {
    tf.dispose([...this.buffers]);
  }
}
