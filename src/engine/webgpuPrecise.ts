import type { Tensor, TensorInfo } from "@tensorflow/tfjs";
import { tf } from "./tfjs";

/**
 * WebGPU lets an adapter compute sin and cos to 2⁻¹¹ only, and the exponential without the digits that are left where 1 is
 * taken from it: too few for rotary embeddings and for Adam's corrections. Here they are made of exact enough sums and products.
 */

/** π/2 in three parts: a whole number of quarter turns times one of the first two is exact, or nearly so. */
const HIGH = 201 / 2 ** 7;
const MIDDLE = 32469 / 2 ** 26;
const LOW = Math.PI / 2 - HIGH - MIDDLE;

/** Σ coefficients[i] · xⁱ */
const polynomial = (x: Tensor, coefficients: readonly number[]): Tensor =>
  coefficients.slice(0, -1).reduceRight<Tensor>((sum, coefficient) => tf.add(tf.mul(sum, x), coefficient), tf.scalar(coefficients.at(-1)!));

const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
/** Of the Taylor series in r², up to r¹¹ and r¹⁰: below 1e-8 off within a quarter turn around 0. */
const SINE = [0, 1, 2, 3, 4, 5].map((i) => (-1) ** i / factorial(2 * i + 1));
const COSINE = [0, 1, 2, 3, 4, 5].map((i) => (-1) ** i / factorial(2 * i));

/** sin(x + turns · π/2) */
function sine(x: Tensor, turns: number): Tensor {
  const quarters = tf.round(tf.mul(x, 2 / Math.PI));
  const rest = [HIGH, MIDDLE, LOW].reduce<Tensor>((rest, part) => tf.sub(rest, tf.mul(quarters, part)), x);
  const square = tf.square(rest);
  const position = tf.add(quarters, turns);
  const quadrant = tf.sub(position, tf.mul(tf.floor(tf.div(position, 4)), 4));
  const isOdd = tf.equal(tf.sub(quadrant, tf.mul(tf.floor(tf.div(quadrant, 2)), 2)), 1);
  const magnitude = tf.where(isOdd, polynomial(square, COSINE), tf.mul(rest, polynomial(square, SINE)));
  return tf.where(tf.greater(quadrant, 1.5), tf.neg(magnitude), magnitude);
}

/** Up to here 1/13! is the size of the last term left out, relative to x. */
const SMALL = 1;
const EXPM1 = Array.from({ length: 13 }, (_, i) => 1 / factorial(i + 1));

function expm1(x: Tensor): Tensor {
  return tf.where(tf.less(tf.abs(x), SMALL), tf.mul(x, polynomial(x, EXPM1)), tf.sub(tf.exp(x), 1));
}

const KERNELS: Record<string, (x: Tensor) => Tensor> = { Sin: (x) => sine(x, 0), Cos: (x) => sine(x, 1), Expm1: expm1 };

/** Puts the precise functions in the place of the webgpu backend's own. */
export function registerPreciseKernels(): void {
  for (const [kernelName, compute] of Object.entries(KERNELS)) {
    const stock = tf.getKernel(kernelName, "webgpu")!;
    tf.unregisterKernel(kernelName, "webgpu");
    tf.registerKernel({ ...stock, kernelFunc: ({ inputs }) => tf.tidy(() => compute((inputs as { x: Tensor }).x)) as TensorInfo });
  }
}
