import type { Tensor } from "@tensorflow/tfjs";
import { binding, tf } from "../../src/engine/backend";

/** The results of a compiled call once they are computed, so that an op's failure is thrown here. */
export function settled<R extends Tensor | Tensor[]>(results: R): R {
  try {
    binding.context.waitForBackground();
    return results;
  } catch (error) {
    tf.dispose(results);
    throw error;
  }
}
