import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../../../src/engine/backend";
import { hash32, RandomSource } from "../../../src/engine/random";

/** An op of float32 inputs. */
export interface OpCase {
  name: string;
  shapes: number[][];
  values: number[][];
  op: (...x: Tensor[]) => Tensor;
  /** The same function in plain JavaScript doubles over flat row-major arrays; null where tfjs's own JavaScript backend is compared with. */
  reference: ((...x: number[][]) => number[]) | null;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
const draw = (random: RandomSource, shape: readonly number[], [low, high]: readonly [number, number]): number[] =>
  // Rounded to float32, so that both sides compute from the same numbers.
  Array.from({ length: sizeOf(shape) }, () => Math.fround(low + (high - low) * random.uniform()));

export function make(name: string, shapes: number[][], op: OpCase["op"], reference: OpCase["reference"] = null, domain: readonly [number, number] = [-2, 2]): OpCase {
  // A case's numbers hang on its name alone, so that no case moves another's.
  const random = new RandomSource(hash32(name) >>> 0);
  return { name, shapes, values: shapes.map((shape) => draw(random, shape, domain)), op, reference };
}

/** A flat array of a shape from a function of the index. */
export function build(shape: readonly number[], at: (index: number[]) => number): number[] {
  return Array.from({ length: sizeOf(shape) }, (_, flat) => {
    const index: number[] = [];
    for (const size of [...shape].reverse()) {
      index.unshift(flat % size);
      flat = Math.floor(flat / size);
    }
    return at(index);
  });
}
export const get = (x: readonly number[], shape: readonly number[], index: readonly number[]): number => x[index.reduce((offset, i, axis) => offset * shape[axis]! + i, 0)]!;
export const total = (count: number, term: (i: number) => number): number => Array.from({ length: count }, (_, i) => term(i)).reduce((sum, value) => sum + value, 0);
export const rows = (x: readonly number[], width: number): number[][] => Array.from({ length: x.length / width }, (_, i) => x.slice(i * width, (i + 1) * width));

/** Inputs as tensors. */
export const inputsOf = ({ shapes, values }: OpCase): Tensor[] => shapes.map((shape, i) => tf.tensor(values[i]!, shape));

/** Fixed weights that turn an op's result into one number. */
export const weightOf = (i: number): number => Math.fround(Math.cos(i + 1));

/** [value, gradient of Σ weight · value for each input] by tfjs's tape. */
export function valueAndGradients({ op }: OpCase, inputs: Tensor[]): Tensor[] {
  const value = op(...inputs);
  const weights = tf.tensor(Array.from({ length: value.size }, (_, i) => weightOf(i)), value.shape);
  return [value, ...tf.grads((...x) => tf.sum(tf.mul(op(...x), weights)))(inputs)];
}


/** What TensorFlow's ops compute as tfjs's backend in plain JavaScript has it. */
export function onJavaScriptBackend(op: OpCase): number[][] {
  tf.setBackend("cpu");
  try {
    return tf.tidy(() => valueAndGradients(op, inputsOf(op)).map((tensor) => Array.from(tensor.dataSync())));
  } finally {
    tf.setBackend("tensorflow");
  }
}
