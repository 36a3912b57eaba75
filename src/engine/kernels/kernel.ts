import type { KernelConfig, Tensor, TensorInfo } from "@tensorflow/tfjs";
import type { TensorMetadata } from "@tensorflow/tfjs-node-gpu/dist/tfjs_binding";
import { attributesOf, type, type RawAttributes } from "../attributes";
import { TensorFlowError } from "../capi";
import { ATTR, TF } from "../dtypes";
import type { Attribute } from "../eager";
import { tf } from "../tfjs";

/** An input that TensorFlow wants as int64, which tfjs does not have. */
interface Wide {
  int64: TensorInfo;
}

type RunMany = (name: string, inputs: readonly (TensorInfo | Wide)[], attributes: RawAttributes, numOutputs: number) => Tensor[];

/** Runs or records TensorFlow's op of that name. */
export type Run = (name: string, inputs: readonly (TensorInfo | Wide)[], attributes: RawAttributes) => Tensor;

export interface KernelCall<Inputs, Attributes> {
  inputs: Inputs;
  attributes: Attributes;
  run: Run;
  /** `run` for an op with several results. */
  runMany: RunMany;
}

interface NodeBackend {
  binding: {
    executeOp(name: string, attributes: Attribute[], ids: number[], numOutputs: number): TensorMetadata[];
    deleteTensor(id: number): void;
  };
  getInputTensorIds(tensors: readonly TensorInfo[]): number[];
  createOutputTensor(metadata: TensorMetadata): Tensor;
}

/** A kernel for the TensorFlow backend: what tfjs calls it, and how it is computed. Tensors made on the way are disposed of. */
export function kernel<Inputs, Attributes>(kernelName: string, compute: (call: KernelCall<Inputs, Attributes>) => Tensor | Tensor[]): KernelConfig {
  return {
    kernelName,
    backendName: "tensorflow",
    kernelFunc: ({ inputs, attrs, backend }) => {
      const runMany = runnerOf(backend as NodeBackend);
      const run: Run = (...op) => runMany(...op, 1)[0]!;
      return tf.tidy(() => compute({ inputs: inputs as Inputs, attributes: (attrs ?? {}) as Attributes, run, runMany }));
    },
  };
}

/** `x` in float32; itself where it is that already, so that no op is spent. */
export const asFloat = (x: Tensor): Tensor => (x.dtype === "float32" ? x : tf.cast(x, "float32"));

/**
 * tfjs words the errors of some ops just as TensorFlow does, without the op's name before them; `changes` are where they
 * differ. In a trace an op fails when it runs, and TensorFlow's words stay.
 */
export function inTfjsWords(config: KernelConfig, ...changes: readonly [pattern: RegExp, words: string][]): KernelConfig {
  return {
    ...config,
    kernelFunc: (call) => {
      try {
        return config.kernelFunc(call);
      } catch (error) {
        if (!(error instanceof TensorFlowError)) throw error;
        const bare = error.message.replace(`${config.kernelName}: `, "");
        throw new TensorFlowError(changes.reduce((message, [pattern, words]) => message.replace(pattern, words), bare), error.code);
      }
    },
  };
}

function runnerOf(backend: NodeBackend): RunMany {
  const { binding } = backend;
  return (name, inputs, attributes, numOutputs) => {
    const widened: number[] = [];
    try {
      const ids = inputs.map((input) => {
        if (!("int64" in input)) return backend.getInputTensorIds([input])[0]!;
        const cast: Attribute[] = [...attributesOf({ SrcT: type("int32"), Truncate: false }), { name: "DstT", type: ATTR.TYPE, value: TF.INT64 }];
        const { id } = binding.executeOp("Cast", cast, backend.getInputTensorIds([input.int64]), 1)[0]!;
        widened.push(id);
        return id;
      });
      return binding.executeOp(name, attributesOf(attributes), ids, numOutputs).map((metadata) => backend.createOutputTensor(metadata));
    } finally {
      for (const id of widened) binding.deleteTensor(id);
    }
  };
}
