import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "./tfjs";

type KernelFunction = (call: {
  inputs: Record<string, Tensor>;
  forwardFunc: (backend: unknown, save: (tensors: Tensor[]) => void) => Tensor[];
  backwardsFunc: (dys: Tensor | Tensor[], saved: Tensor[]) => Record<string, () => Tensor>;
}) => Tensor[];

/**
 * tf.customGrad for several results: what the tape sees as one op.
 * @param gradients of `inputs`, in their order, from the results' gradients and what `forward` saved
 */
export function withGradients(inputs: readonly Tensor[], forward: (save: (tensors: Tensor[]) => void) => Tensor[], gradients: (dys: Tensor[], saved: Tensor[]) => Tensor[]): Tensor[] {
  const engine = tf.engine() as unknown as { runKernelFunc: KernelFunction };
  return engine.runKernelFunc({
    inputs: Object.fromEntries(inputs.map((input, i) => [`x${i}`, input])),
    forwardFunc: (_, save) => forward(save),
    backwardsFunc: (dys, saved) => {
      const all = gradients([dys].flat(), saved);
      return Object.fromEntries(inputs.map((_, i) => [`x${i}`, () => all[i]!]));
    },
  });
}
