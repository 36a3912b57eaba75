import type { Scalar, Tensor, Tensor1D, Variable } from "@tensorflow/tfjs";
import { tf, toResource, type, updateVariables } from "../engine/backend";
import { BUCKETED } from "../engine/buckets";
import { jit, type JitFunction } from "../engine/jit";
import type { TrainingArguments } from "./arguments";
import { AdamW, clipFactor, globalNorm } from "./optimizer";

/** What a method computes from one batch inside the trace: the loss to minimise and numbers to log, in a fixed order. */
export interface LossAndMetrics {
  loss: Scalar;
  /** Each a scalar; the order is that of the method's `metricNames`. */
  metrics: Scalar[];
}

export type LossFunction = (tensors: Tensor[]) => LossAndMetrics;

/**
 * One optimiser step as compiled functions. A step of one batch is a single function: loss, gradients, clipping,
 * AdamW. With accumulation each batch adds its gradients to accumulators, and a last function applies them.
 */
export class TrainStep {
  readonly optimizer: AdamW;
  private readonly variables: Variable[];
  private readonly whole: JitFunction<Tensor[], Tensor>;
  private readonly add: JitFunction<Tensor[], Tensor>;
  private readonly applySum: JitFunction<Tensor[], Tensor>;
  private sums: Variable[] | null = null;

  constructor(
    parameters: ReadonlyMap<string, Variable>,
    private readonly lossOf: LossFunction,
    private readonly args: TrainingArguments,
  ) {
    this.variables = [...parameters.values()];
    this.optimizer = new AdamW(parameters, {
      beta1: args.adamBeta1, beta2: args.adamBeta2, epsilon: args.adamEpsilon, weightDecay: args.weightDecay,
    });
    const { precision } = args;
    this.whole = jit((coefficients: Tensor, ...tensors: Tensor[]) => {
      const { values, gradients } = this.lossAndGradients(tensors);
      return tf.concat([this.update(gradients, coefficients as Tensor1D), values]);
    }, { precision, name: "train_step", expectedTraces: BUCKETED });
    this.add = jit((...tensors: Tensor[]) => {
      const { values, gradients } = this.lossAndGradients(tensors);
      gradients.forEach((gradient, i) => updateVariables("AssignAddVariableOp", { dtype: type("float32") }, [this.sums![i]!], [gradient]));
      return values;
    }, { precision, name: "accumulate_gradients", expectedTraces: BUCKETED });
    this.applySum = jit((coefficients: Tensor, count: Tensor) => {
      const norm = this.update(this.sums!.map((sum) => tf.div(sum, count)), coefficients as Tensor1D);
      for (const sum of this.sums!) updateVariables("AssignSubVariableOp", { dtype: type("float32") }, [sum], [sum], [norm]);
      return norm;
    }, { name: "apply_gradients" });
  }

  private lossAndGradients(tensors: Tensor[]): { values: Tensor1D; gradients: Tensor[] } {
    let metrics: Scalar[] = [];
    const { value, grads } = tf.variableGrads(() => {
      const result = this.lossOf(tensors);
      // Numbers for the log must outlive the scope that variableGrads closes.
      metrics = result.metrics.map((metric) => tf.keep(metric));
      return result.loss;
    }, this.variables);
    const values = tf.stack([value, ...metrics]) as Tensor1D;
    tf.dispose(metrics);
    return { values, gradients: this.variables.map((variable) => grads[variable.name]!) };
  }

  /** @returns the gradients' norm before clipping, [1] */
  private update(gradients: Tensor[], coefficients: Tensor1D): Tensor1D {
    const norm = globalNorm(gradients);
    const factor = clipFactor(norm, this.args.maxGradNorm);
    const clipped = this.args.maxGradNorm > 0 ? gradients.map((gradient) => tf.mul(gradient, factor)) : gradients;
    this.optimizer.apply(clipped, coefficients, factor);
    return tf.reshape(norm, [1]) as Tensor1D;
  }

  /**
   * Runs one optimiser step. The call returns as soon as the work is queued.
   * @param batches device tensors of each batch; disposed here
   * @returns [gradient norm, loss, …metrics], the means over the batches
   */
  run(batches: Tensor[][], learningRate: number): () => Promise<Float32Array> {
    const coefficients = this.optimizer.coefficients(learningRate);
    const results: Tensor[] = [];
    if (batches.length === 1) {
      results.push(this.whole(coefficients, ...batches[0]!));
    } else {
      this.sums ??= this.variables.map((variable) => tf.tidy(() => toResource(tf.variable(tf.zerosLike(variable), false))));
      const values = batches.map((tensors) => this.add(...tensors));
      const count = tf.scalar(batches.length);
      const norm = this.applySum(coefficients, count);
      results.push(norm, ...values);
      count.dispose();
    }
    tf.dispose([coefficients, batches]);
    return () => readMeans(results);
  }

  /** Signatures compiled so far. */
  get traceCount(): number {
    return this.whole.traces.length + this.add.traces.length + this.applySum.traces.length;
  }

  dispose(): void {
    for (const compiled of [this.whole, this.add, this.applySum]) compiled.dispose();
    this.optimizer.dispose();
    tf.dispose(this.sums ?? []);
  }
}

async function readMeans(results: Tensor[]): Promise<Float32Array> {
  try {
    const [first, ...batches] = await Promise.all(results.map(async (result) => (await result.data()) as Float32Array));
    if (batches.length === 0) return first!;
    const means = batches[0]!.map((_, i) => batches.reduce((sum, values) => sum + values[i]!, 0) / batches.length);
    return Float32Array.from([first![0]!, ...means]);
  } finally {
    tf.dispose(results);
  }
}
