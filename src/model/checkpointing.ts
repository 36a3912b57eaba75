import type { Tensor, Variable } from "@tensorflow/tfjs";
import { delayed, tf } from "../engine/backend";
import { withGradient } from "./ops";

/** Constants of a part of a model by name; they get no gradient. */
export type Constants = Record<string, Tensor>;

/**
 * Gradient checkpointing (Chen et al. 2016): the forward pass of `part` keeps only its input, and the backward pass
 * computes the part anew, once the gradient of its result is there. Within `jit` with `xla: true` on a CPU it saves
 * nothing: XLA drops what keeps the two computations apart there, and joins them.
 * @param part of its arguments and `parameters` alone: tensors that it finds elsewhere may be gone by the backward pass
 */
export function checkpointed<T extends Tensor, C extends Constants>(part: (x: T, constants: C) => T, x: T, constants: C, parameters: readonly Tensor[]): T {
  const names = Object.keys(constants);
  return withGradient(
    [x, ...parameters],
    (save) => {
      save([x, ...names.map((name) => constants[name]!)]);
      return part(x, constants);
    },
    (dy, [savedX, ...saved]) => {
      const input = delayed(savedX as T, dy);
      return gradients(() => part(input, Object.fromEntries(names.map((name, i) => [name, saved[i]])) as C), [input, ...parameters], dy);
    },
  ) as T;
}

/** Gradients of `f` within a backward pass: tfjs has one tape at a time, and the outer one must be there afterwards. */
function gradients(f: () => Tensor, xs: Tensor[], dy: Tensor): Tensor[] {
  const engine = tf.engine();
  const outer = engine.state.activeTape;
  try {
    return engine.gradients(f, xs as Variable[], dy as never).grads;
  } finally {
    engine.state.activeTape = outer;
  }
}
