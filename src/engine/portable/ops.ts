import type { Tensor, Tensor1D } from "@tensorflow/tfjs";
import type { RawAttributes } from "../attributes";
import { BackendError, WITH_TENSORFLOW } from "../choice";
import { tf } from "../tfjs";
import { multinomial, randomGamma, randomInts, randomNormal, randomUniform, randomWords, truncatedNormal } from "./random";
import { scatterSum } from "./scatter";

/**
 * TensorFlow's ops by their own names as compositions of tfjs ops, for the backends that have tfjs's kernels only. What
 * an op takes as a tensor and a kernel needs as a number (axes, sizes) was made on the host, so that it can be read at once.
 */
type Op = (inputs: Tensor[], attributes: RawAttributes) => Tensor | Tensor[];

const numbers = (tensor: Tensor): number[] => Array.from(tensor.dataSync());
const number = (tensor: Tensor): number => numbers(tensor)[0]!;
const vector = (tensor: Tensor): Tensor1D => tf.reshape(tensor, [-1]) as Tensor1D;

const OPS: Record<string, Op> = {
  AddV2: ([a, b]) => tf.add(a!, b!),
  Sub: ([a, b]) => tf.sub(a!, b!),
  Mul: ([a, b]) => tf.mul(a!, b!),
  FloorDiv: ([a, b]) => tf.floorDiv(a!, b!),
  BitwiseAnd: ([a, b]) => tf.bitwiseAnd(a!, b!),
  Rsqrt: ([x]) => tf.rsqrt(x!),
  Square: ([x]) => tf.square(x!),
  Sigmoid: ([x]) => tf.sigmoid(x!),
  Softmax: ([x]) => tf.softmax(x!),
  L2Loss: ([x]) => tf.mul(tf.sum(tf.square(x!)), 0.5),
  Sum: ([x, axes], { keep_dims }) => tf.sum(x!, numbers(axes!), keep_dims as boolean),
  Mean: ([x, axes], { keep_dims }) => tf.mean(x!, numbers(axes!), keep_dims as boolean),
  Fill: ([shape, value]) => tf.mul(tf.ones(numbers(shape!)), value!),
  Pack: (inputs, { axis }) => tf.stack(inputs, axis as number),
  TopKV2: ([x, k], { sorted }) => {
    const { values, indices } = tf.topk(x!, number(k!), sorted as boolean);
    return [values, indices];
  },
  UnsortedSegmentSum: ([values, segments, count]) => {
    const inner = values!.shape.slice(segments!.rank);
    const rows = tf.reshape(values!, [segments!.size, -1]);
    return tf.reshape(scatterSum(rows, vector(segments!), number(count!)), [number(count!), ...inner]);
  },
  TensorScatterAdd: ([x, places, updates]) => tf.add(x!, scatterSum(updates!, vector(places!), x!.shape[0]!)),
  ScatterNd: ([indices, updates, shape]) => tf.scatterND(indices!, updates!, numbers(shape!)),
  InplaceUpdate: ([x, rows, values]) => tf.tensorScatterUpdate(x!, tf.reshape(rows!, [-1, 1]), values!),
  StatelessRandomUniform: ([shape, seed]) => randomUniform(numbers(shape!), numbers(seed!)),
  StatelessRandomUniformInt: ([shape, seed, min, max]) => randomInts(numbers(shape!), numbers(seed!), number(min!), number(max!)),
  StatelessRandomUniformFullInt: ([shape, seed]) => randomWords(numbers(shape!), numbers(seed!)),
  StatelessRandomNormal: ([shape, seed]) => randomNormal(numbers(shape!), numbers(seed!)),
  StatelessTruncatedNormal: ([shape, seed]) => truncatedNormal(numbers(shape!), numbers(seed!)),
  StatelessRandomGammaV2: ([shape, seed, alpha]) => randomGamma(numbers(shape!), numbers(seed!), number(alpha!)),
  StatelessMultinomial: ([logits, count, seed]) => multinomial(logits!, number(count!), numbers(seed!)),
};

/** @throws BackendError for an op that has no portable form */
export function portableOps(name: string, inputs: Tensor[], attributes: RawAttributes): Tensor[] {
  const op = OPS[name];
  if (!op) throw new BackendError(`TensorFlow's op ${name} has no portable form: the ${tf.getBackend()} backend cannot compute it. ${WITH_TENSORFLOW}`);
  const results = tf.tidy(() => op(inputs, attributes));
  return Array.isArray(results) ? results : [results];
}
