import type { Tensor } from "@tensorflow/tfjs";
import { binding, tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import type { TracedCalls } from "./report";
import { settled } from "./settled";

/** Calls that computed gradients, and those that did it in one compiled function. */
export const gradients: TracedCalls = { calls: 0, traced: 0 };

interface Gradients {
  value: Tensor;
  grads: (Tensor | null)[];
}

/**
 * Has tfjs run every forward pass that is differentiated, and its backward pass, as one compiled function. What they are
 * differentiated by is captured, as variables are in a training step.
 */
export function traceGradients(): void {
  const engine = tf.engine() as unknown as { gradients: (...call: unknown[]) => Gradients; state: { gradientDepth: number } };
  const stock = engine.gradients;
  engine.gradients = (...call) => {
    if (binding.recorder || engine.state.gradientDepth > 0) return stock.apply(engine, call);
    gradients.calls++;
    let absent: boolean[] = [];
    let foreign: Tensor | null = null;
    const compiled = jit(() => {
      const { value, grads } = stock.apply(engine, call);
      absent = grads.map((gradient) => !gradient);
      // A kernel that a spec registers may give what is no data of the backend: there is nothing to compile, and it stays what it is.
      foreign = isData(value) ? null : value;
      return [...(foreign ? [] : [value]), ...grads.flatMap((gradient) => gradient ?? [])];
    }, { name: "gradients" });
    try {
      const results = settled(compiled());
      const value = foreign ?? results.shift()!;
      gradients.traced++;
      return { value, grads: absent.map((none) => (none ? null : results.shift()!)) };
    } finally {
      compiled.dispose();
    }
  };
}

function isData({ dataId }: Tensor): boolean {
  return (tf.backend() as unknown as { tensorMap: { has(id: object): boolean } }).tensorMap.has(dataId);
}
