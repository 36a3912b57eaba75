import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "./backend";
import { run, type JitResult } from "./trace";
import { TraceError, VARIABLE_IN_TRACE } from "./traceError";
import { isDrawing, withDraws, type Draws } from "./tracedRandom";
import { disposeNewVariables } from "./traceScope";

type Direct = (...args: Tensor[]) => JitResult;

/**
 * A call of a `jit` function where nothing is compiled: its ops run one by one. What it gives back is checked as in a
 * trace, and is the caller's alone: a tensor from outside, or one that is given back twice, is copied.
 */
export function runDirectly(fn: Direct, args: readonly Tensor[], name: string | undefined, draws: Draws): JitResult {
  if (isDrawing()) return fn(...args);
  const variables = new Set(Object.keys(tf.engine().state.registeredVariables));
  let result: JitResult = undefined;
  let own: Tensor[] = [];
  try {
    own = tf.tidy(() => {
      const firstInside = tf.scalar(0).id;
      const ran = withDraws(draws, () => run(fn, [...args], name));
      result = ran.result;
      return ran.tensors.map((tensor, i) => (tensor.id < firstInside || ran.tensors.indexOf(tensor) < i ? tf.clone(tensor) : tensor));
    });
  } catch (error) {
    disposeNewVariables(variables);
    throw error;
  }
  if (disposeNewVariables(variables)) {
    tf.dispose(own.filter((tensor) => !tensor.isDisposed));
    throw new TraceError(VARIABLE_IN_TRACE);
  }
  if (result === undefined) return undefined;
  return Array.isArray(result) ? own : own[0]!;
}
