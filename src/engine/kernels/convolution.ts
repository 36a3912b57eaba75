import type { KernelConfig, NamedAttrMap, NamedTensorMap, Tensor, Tensor4D, backend_util } from "@tensorflow/tfjs";
import { type, type RawAttributes } from "../attributes";
import { tf } from "../tfjs";
import { kernel } from "./kernel";
import { fits, pad, paddedShape, unpad, window2d, withPositionsOf, type Window } from "./window";

type Pair = number | [number, number];
type Shape4D = [number, number, number, number];

interface ConvolutionAttributes {
  strides: Pair;
  pad: "valid" | "same" | number | backend_util.ExplicitPadding;
  dataFormat?: "NHWC" | "NCHW";
  dilations?: Pair | null;
  dimRoundingMode?: "floor" | "round" | "ceil";
}

const windowOf = (shape: number[], filter: number[], { strides, pad, dilations, dimRoundingMode }: ConvolutionAttributes, depthwise: boolean): Window =>
  window2d(tf.backend_util.computeConv2DInfo(shape as Shape4D, filter as Shape4D, strides, dilations ?? 1, pad, dimRoundingMode, depthwise));

function attributesOf({ axes, same }: Window, { dilations }: ConvolutionAttributes): RawAttributes {
  const [high, wide] = Array.isArray(dilations) ? dilations : [dilations ?? 1, dilations ?? 1];
  return {
    T: type("float32"), strides: [1, ...axes.map(({ stride }) => stride), 1], dilations: [1, high, wide, 1],
    padding: same ? "SAME" : "VALID", data_format: "NHWC",
  };
}

const TO_LAST = [0, 2, 3, 1];
const TO_FIRST = [0, 3, 1, 2];

/** TensorFlow convolves images of [batch, channels, height, width] on a GPU only; everywhere their axes can be moved. */
function lastChannels<T extends NamedAttrMap>({ dataFormat, pad, ...rest }: T & ConvolutionAttributes): NamedAttrMap {
  const explicit = Array.isArray(pad) ? TO_LAST.map((axis) => pad[axis]!) : pad;
  return { ...rest, pad: explicit, dataFormat: "NHWC" } as unknown as NamedAttrMap;
}

const run4d = (name: string, inputs: object, attributes: NamedAttrMap): Tensor4D => tf.engine().runKernel(name, inputs as NamedTensorMap, attributes) as Tensor4D;
const toLast = (x: Tensor): Tensor => tf.transpose(x, TO_LAST);
const toFirst = (x: Tensor): Tensor => tf.transpose(x, TO_FIRST);

/** The three convolutions of one kind: forward, and the gradients of the filter and of the input. */
function convolution(name: string, depthwise: boolean): KernelConfig[] {
  type Forward = { x: Tensor; filter: Tensor };
  type OfFilter = { x: Tensor; dy: Tensor };
  type OfInput = { dy: Tensor; filter: Tensor };
  type Shaped<Key extends string> = ConvolutionAttributes & Record<Key, Shape4D>;
  return [
    kernel<Forward, ConvolutionAttributes & NamedAttrMap>(name, ({ inputs: { x, filter }, attributes, run }) => {
      if (attributes.dataFormat === "NCHW") return toFirst(run4d(name, { x: toLast(x), filter }, lastChannels(attributes)));
      const window = windowOf(x.shape, filter.shape, attributes, depthwise);
      return run(name, [fits(window) ? x : pad(x, window, 0), filter], attributesOf(window, attributes));
    }),
    kernel<OfFilter, Shaped<"filterShape"> & NamedAttrMap>(`${name}BackpropFilter`, ({ inputs: { x, dy }, attributes, run }) => {
      if (attributes.dataFormat === "NCHW") return run4d(`${name}BackpropFilter`, { x: toLast(x), dy: toLast(dy) }, lastChannels(attributes));
      const window = withPositionsOf(windowOf(x.shape, attributes.filterShape, attributes, depthwise), dy);
      return run(`${name}BackpropFilter`, [fits(window) ? x : pad(x, window, 0), tf.tensor1d(attributes.filterShape, "int32"), dy], attributesOf(window, attributes));
    }),
    kernel<OfInput, Shaped<"inputShape"> & NamedAttrMap>(`${name}BackpropInput`, ({ inputs: { dy, filter }, attributes, run }) => {
      const { inputShape } = attributes;
      if (attributes.dataFormat === "NCHW") {
        return toFirst(run4d(`${name}BackpropInput`, { dy: toLast(dy), filter }, { ...lastChannels(attributes), inputShape: TO_LAST.map((axis) => inputShape[axis]!) }));
      }
      const window = withPositionsOf(windowOf(inputShape, filter.shape, attributes, depthwise), dy);
      const gradient = (shape: readonly number[]): Tensor => run(`${name}BackpropInput`, [tf.tensor1d([...shape], "int32"), filter, dy], attributesOf(window, attributes));
      return fits(window) ? gradient(inputShape) : unpad(gradient(paddedShape(inputShape, window)), window);
    }),
  ];
}

interface FusedAttributes extends ConvolutionAttributes {
  activation?: "linear" | "relu" | "relu6" | "elu" | "sigmoid" | "prelu" | "leakyrelu";
  leakyreluAlpha?: number;
}

interface FusedInputs {
  x: Tensor;
  filter: Tensor;
  bias?: Tensor;
  preluActivationWeights?: Tensor;
}

function activate(x: Tensor, { activation = "linear", leakyreluAlpha }: FusedAttributes, preluWeights?: Tensor): Tensor {
  switch (activation) {
    case "linear": return x;
    case "prelu": return tf.prelu(x, preluWeights!);
    case "leakyrelu": return tf.leakyRelu(x, leakyreluAlpha);
    case "relu": case "relu6": case "elu": case "sigmoid": return tf[activation](x);
    default: throw new Error(`Activation ${String(activation)} is not one that a convolution can be fused with.`);
  }
}

/** A convolution with what follows it: bias and activation. */
const fused = (name: string, plain: string): KernelConfig =>
  kernel<FusedInputs, FusedAttributes & NamedAttrMap>(name, ({ inputs: { x, filter, bias, preluActivationWeights: weights }, attributes }) => {
    if (attributes.dataFormat === "NCHW") {
      const last = weights?.rank === 3 ? tf.transpose(weights, [1, 2, 0]) : weights;
      return toFirst(run4d(name, { x: toLast(x), filter, bias: bias?.rank === 3 ? tf.transpose(bias, [1, 2, 0]) : bias, preluActivationWeights: last }, lastChannels(attributes)));
    }
    const product = run4d(plain, { x, filter }, attributes);
    return activate(bias ? tf.add(product, bias) : product, attributes, weights);
  });

export const convolutions: KernelConfig[] = [
  ...convolution("Conv2D", false), ...convolution("DepthwiseConv2dNative", true),
  fused("FusedConv2D", "Conv2D"), fused("FusedDepthwiseConv2D", "DepthwiseConv2dNative"),
];
