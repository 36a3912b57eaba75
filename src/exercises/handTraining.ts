import type { Scalar, Tensor, Tensor2D, Tensor3D, Variable } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { AdamW, clipFactor, globalNorm, type AdamWOptions } from "../step/optimizer";
import type { PreferenceBatch } from "../tokens/collate";

/** What a hand-written training step needs of a model: int32 ids and mask, [batch, length], to logits [batch, length, vocabulary]. */
export interface LanguageModel {
  forward(inputIds: Tensor2D, attentionMask: Tensor2D): Tensor3D;
}

/** A batch of `padCollate` as int32 tensors, each [batch, length of its column]. */
export type BatchTensors = Record<keyof PreferenceBatch, Tensor2D>;

/** Loss first; whatever else a step reports after it. */
export type StepResults = [Scalar, ...Tensor[]];

/** An optimiser for a hand-written step: one call is PyTorch's zero_grad, backward and step. */
export interface StepOptimizer {
  /**
   * Runs `compute`, changes the weights against the gradient of its first result, and returns all of its results.
   * The gradient is taken with respect to the policy's weights alone; everything else is a constant.
   */
  minimize<Results extends StepResults>(compute: () => Results): Results;
}

/** `tf.variableGrads` for a function with several results: they live on in the caller's scope. */
export function resultsAndGradients<Results extends StepResults>(compute: () => Results, variables: Variable[]): { results: Results; gradients: Tensor[] } {
  let others: Tensor[] = [];
  const { value, grads } = tf.variableGrads(() => {
    const [loss, ...rest] = compute();
    others = rest.map((tensor) => tf.keep(tensor));
    return loss;
  }, variables);
  const copies = others.map((tensor) => tf.clone(tensor));
  tf.dispose(others);
  return { results: [value, ...copies] as unknown as Results, gradients: variables.map((variable) => grads[variable.name]) };
}

export interface HandOptimizerOptions extends AdamWOptions {
  /** Longest gradient, as one vector over all weights; a longer one is scaled down to it. Default 1; 0 for no clipping. */
  maxGradNorm?: number;
}

/** AdamW with clipping for a step that runs inside `jit`: call `next(learningRate)` before each step, outside of it. */
export class HandOptimizer implements StepOptimizer {
  private readonly adamw: AdamW;
  private readonly learningRate: Variable;
  private readonly maxGradNorm: number;

  constructor(model: { parameters: ReadonlyMap<string, Variable> }, { maxGradNorm = 1, ...options }: HandOptimizerOptions = {}) {
    this.adamw = new AdamW(model.parameters, options);
    this.learningRate = tf.tidy(() => tf.variable(tf.scalar(0), false));
    this.maxGradNorm = maxGradNorm;
  }

  /** Begins the next step with its learning rate. */
  next(learningRate: number): void {
    tf.tidy(() => this.learningRate.assign(tf.scalar(learningRate)));
  }

  minimize<Results extends StepResults>(compute: () => Results): Results {
    const { results, gradients } = resultsAndGradients(compute, [...this.adamw.parameters.values()]);
    const scale = clipFactor(globalNorm(gradients), this.maxGradNorm);
    const clipped = gradients.map((gradient) => tf.mul(gradient, scale));
    this.adamw.apply(clipped, tf.mul(this.learningRate, 1) as Scalar, scale);
    return results;
  }

  dispose(): void {
    this.adamw.dispose();
    this.learningRate.dispose();
  }
}
