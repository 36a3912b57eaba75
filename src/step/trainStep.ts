import type { Scalar, Tensor, Tensor1D, Variable } from "@tensorflow/tfjs";
import { delayed, rawOp, tf, type, updateVariables } from "../engine/backend";
import { BUCKETED } from "../engine/buckets";
import { jit, type JitFunction } from "../engine/jit";
import type { TrainingArguments } from "./arguments";
import { LossScaler } from "./lossScaler";
import { clipFactor, globalNorm, makeOptimizer, type Optimizer, type ParameterGroup } from "./optimizer";
import { zerosLike } from "./optimizers/optimizer";

/** What a method computes from one batch inside the trace: the loss to minimise and numbers to log, in a fixed order. */
export interface LossAndMetrics {
  loss: Scalar;
  /** Each a scalar; the order is that of the method's `metricNames`. */
  metrics: Scalar[];
}

export type LossFunction = (tensors: Tensor[]) => LossAndMetrics;

const float = type("float32");

/**
 * One optimiser step as compiled functions. A step of one batch is a single function: loss, gradients, clipping,
 * update. With accumulation each batch adds its gradients to accumulators, and a last function applies them. In float16
 * the loss is scaled, and a step whose gradients overflow is left out; neither needs the host.
 */
export class TrainStep {
  readonly optimizer: Optimizer;
  /** Only in float16. */
  readonly scaler: LossScaler | null;
  private readonly variables: Variable[];
  private readonly whole: JitFunction<Tensor[], Tensor>;
  private readonly add: JitFunction<Tensor[], Tensor>;
  private readonly applySum: JitFunction<Tensor[], Tensor>;
  private sums: Variable[] | null = null;

  constructor(
    parameters: ReadonlyMap<string, Variable>,
    private readonly lossOf: LossFunction,
    private readonly args: TrainingArguments,
    groups?: readonly ParameterGroup[],
  ) {
    this.variables = [...parameters.values()];
    this.optimizer = makeOptimizer(parameters, args, groups);
    const { precision } = args;
    this.scaler = precision === "float16" ? new LossScaler() : null;
    this.whole = jit((learningRate: Tensor, ...tensors: Tensor[]) => {
      const { values, gradients } = this.lossAndGradients(tensors);
      const [norm, ...scale] = this.update(gradients, learningRate as Scalar);
      return tf.concat([tf.stack([norm!]), values, ...(scale.length > 0 ? [tf.stack(scale)] : [])]);
    }, { precision, name: "train_step", expectedTraces: BUCKETED });
    this.add = jit((...tensors: Tensor[]) => {
      const { values, gradients } = this.lossAndGradients(tensors);
      gradients.forEach((gradient, i) => updateVariables("AssignAddVariableOp", { dtype: float }, [this.sums![i]!], [gradient]));
      return values;
    }, { precision, name: "accumulate_gradients", expectedTraces: BUCKETED });
    this.applySum = jit((learningRate: Tensor, count: Tensor, zero: Tensor) => {
      const values = this.update([...this.sums!], learningRate as Scalar, count as Scalar);
      // Zeros of their own, since what overflowed minus itself would be no number; filled once the parameter has moved. The
      // zero is an argument: of a constant one TensorFlow makes constants of every sum's size, and copies those into the sums.
      this.sums!.forEach((sum, i) => {
        const zeros = rawOp("Fill", [tf.tensor1d(sum.shape, "int32"), delayed(zero, this.variables[i]!)], { T: float, index_type: type("int32") });
        updateVariables("AssignVariableOp", { dtype: float }, [sum], [zeros]);
      });
      return tf.stack(values);
    }, { name: "apply_gradients" });
  }

  private lossAndGradients(tensors: Tensor[]): { values: Tensor1D; gradients: Tensor[] } {
    let measured: Scalar[] = [];
    const { grads } = tf.variableGrads(() => {
      const { loss, metrics } = this.lossOf(tensors);
      // Numbers for the log must outlive the scope that variableGrads closes.
      measured = [loss, ...metrics].map((number) => tf.keep(number));
      return this.scaler ? this.scaler.scaled(loss) : loss;
    }, this.variables);
    const values = tf.stack(measured) as Tensor1D;
    tf.dispose(measured);
    return { values, gradients: this.variables.map((variable) => grads[variable.name]!) };
  }

  /**
   * @param count of batches whose gradients were added up
   * @returns the gradients' norm before clipping, and in float16 the loss scale after the step
   */
  private update(gradients: Tensor[], learningRate: Scalar, count?: Scalar): Scalar[] {
    const { scaler, args: { maxGradNorm } } = this;
    const divisor = scaler ? (count ? tf.mul(count, scaler.scale) : scaler.scale) : count;
    const over = (x: Scalar): Scalar => (divisor ? (tf.div(x, divisor) as Scalar) : x);
    const norm = over(globalNorm(gradients));
    const factor = over(clipFactor(norm, maxGradNorm));
    if (scaler) return this.updateScaled(gradients, learningRate, { norm, factor, scaler });
    this.optimizer.apply(maxGradNorm > 0 || divisor ? gradients.map((gradient) => tf.mul(gradient, factor)) : gradients, learningRate, factor);
    return [norm];
  }

  /** `update` where a gradient that is not finite leaves out the step. */
  private updateScaled(gradients: Tensor[], learningRate: Scalar, { norm, factor, scaler }: { norm: Scalar; factor: Scalar; scaler: LossScaler }): Scalar[] {
    // One gradient that is not finite makes the norm so.
    const isFinite = tf.isFinite(norm) as Scalar;
    const safe = tf.where(isFinite, factor, tf.scalar(0)) as Scalar;
    // This product with 0 is 0 whatever the gradient is.
    const unscaled = gradients.map((gradient) => rawOp("MulNoNan", [gradient, safe], { T: float }));
    this.optimizer.apply(unscaled, learningRate, safe, isFinite);
    scaler.update(isFinite, safe);
    return [norm, tf.mul(scaler.scale, 1) as Scalar];
  }

  /**
   * Runs one optimiser step. The call returns as soon as the work is queued.
   * @param batches device tensors of each batch; disposed here
   * @returns [gradient norm, loss, …metrics], the means over the batches; in float16 the loss scale last, and a norm
   * that is not finite for a step left out
   */
  run(batches: Tensor[][], learningRate: number): () => Promise<Float32Array> {
    const rate = tf.scalar(learningRate);
    const results: Tensor[] = [];
    if (batches.length === 1) {
      results.push(this.whole(rate, ...batches[0]!));
    } else {
      this.sums ??= this.variables.map(zerosLike);
      const values = batches.map((tensors) => this.add(...tensors));
      const numbers = [batches.length, 0].map((value) => tf.scalar(value));
      results.push(this.applySum(rate, ...numbers), ...values);
      tf.dispose(numbers);
    }
    tf.dispose([rate, batches]);
    return () => readMeans(results);
  }

  /** What one step leaves to the next, apart from the weights. Between two steps the gradients' sums are zeros. */
  get state(): ReadonlyMap<string, Variable> {
    const scaler = [...(this.scaler?.state ?? [])].map(([name, variable]) => [`scaler.${name}`, variable] as const);
    return new Map([...this.optimizer.state, ...scaler]);
  }

  /** Traces made so far. */
  get traceCount(): number {
    return this.whole.traceCount + this.add.traceCount + this.applySum.traceCount;
  }

  dispose(): void {
    for (const compiled of [this.whole, this.add, this.applySum]) compiled.dispose();
    this.optimizer.dispose();
    this.scaler?.dispose();
    tf.dispose(this.sums ?? []);
  }
}

async function readMeans(results: Tensor[]): Promise<Float32Array> {
  try {
    const [first, ...batches] = await Promise.all(results.map(async (result) => (await result.data()) as Float32Array));
    if (batches.length === 0) return first!;
    const means = batches[0]!.map((_, i) => batches.reduce((sum, values) => sum + values[i]!, 0) / batches.length);
    const [norm, ...scale] = first!;
    return Float32Array.from([norm!, ...means, ...scale]);
  } finally {
    tf.dispose(results);
  }
}
