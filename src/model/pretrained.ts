import type { Variable } from "@tensorflow/tfjs";
import { tf, toResource } from "../engine/backend";
import { requireCapacity } from "../engine/capacity";
import type { HfConfig } from "../hub/config";
import { UnsupportedModelError } from "./config";
import type { Adapter } from "./llama";

/** Reads one tensor's values: float32, row-major, under Hugging Face's name. */
export type ReadTensor = (name: string, shape: number[]) => Promise<Float32Array> | Float32Array;

let modelCount = 0;

/**
 * Makes a model's parameters, one tensor after the other.
 * @throws UnsupportedModelError when a tensor has another number of values than its shape; BackendError for a model that
 * the backend in use cannot train; none is left behind
 */
export async function createParameters(shapes: ReadonlyMap<string, number[]>, read: ReadTensor): Promise<Map<string, Variable>> {
  await tf.ready();
  requireCapacity(new Map([...shapes].map(([name, shape]) => [name, tf.util.sizeFromShape(shape)])));
  const prefix = `model${modelCount++}`;
  const parameters = new Map<string, Variable>();
  try {
    for (const [name, shape] of shapes) {
      const values = await read(name, shape);
      const expected = shape.reduce((product, size) => product * size, 1);
      if (values.length !== expected) throw new UnsupportedModelError(`Tensor ${name} has ${values.length} values, the config's shape [${shape}] needs ${expected}.`);
      const initial = tf.tensor(values, shape);
      parameters.set(name, toResource(tf.variable(initial, true, `${prefix}/${name}`)));
      initial.dispose();
    }
  } catch (error) {
    for (const parameter of parameters.values()) parameter.dispose();
    throw error;
  }
  return parameters;
}

/** What models of every family have in common: parameters, as tf.Variables in TensorFlow's memory, and what it takes to save them. */
export abstract class PretrainedModel {
  /** Shape and mathematics, from config.json. */
  abstract readonly config: object;
  /** Names the exact weights, for caches on disk; null once they have been trained or for weights of unknown origin. */
  fingerprint: string | null = null;
  /** Whether the backward pass computes each layer anew from its input, so that its values need not be kept. */
  gradientCheckpointing = false;

  /**
   * @param hfConfig config.json as Hugging Face writes it, kept for saving
   * @param parameters under Hugging Face's names; those of an adapter are not among them
   */
  protected constructor(
    readonly hfConfig: HfConfig,
    readonly parameters: ReadonlyMap<string, Variable>,
  ) {}

  /** Low-rank updates beside the model's matrices; null where there are none. */
  get adapter(): Adapter | null {
    return null;
  }

  /** What training moves. */
  get trainableParameters(): ReadonlyMap<string, Variable> {
    return this.parameters;
  }

  /** Number of parameters, a tied head counted once. */
  get parameterCount(): number {
    return [...this.parameters.values()].reduce((sum, parameter) => sum + parameter.size, 0);
  }

  /** A parameter's values, with an adapter's update of it where there is one. */
  async read(name: string): Promise<Float32Array> {
    const parameter = this.parameters.get(name)!;
    const delta = this.adapter?.deltaOf(name);
    if (!delta) return (await parameter.data()) as Float32Array;
    const sum = tf.add(parameter, delta);
    try {
      return (await sum.data()) as Float32Array;
    } finally {
      tf.dispose([sum, delta]);
    }
  }

  /** Copies another model's weights into this one, in place. */
  copyWeightsFrom(other: PretrainedModel): void {
    for (const [name, parameter] of this.parameters) {
      const source = other.parameters.get(name);
      if (!source) throw new Error(`copyWeightsFrom: the other model has no ${name}.`);
      parameter.assign(source as never);
    }
    this.fingerprint = other.fingerprint;
  }

  /** Frees the weights. */
  dispose(): void {
    for (const parameter of this.parameters.values()) parameter.dispose();
  }
}
