import type { Tensor, Variable } from "@tensorflow/tfjs";
import { tf, toResource, type, updateVariables } from "../engine/backend";

/** Variables whose memory is taken and given back while compiled functions hold on to them. */

/** A variable of zeros. */
export function newStorage(shape: number[], dtype: "float32" | "int32" = "float32"): Variable {
  return tf.tidy(() => toResource(tf.variable(tf.zeros(shape, dtype), false)));
}

/** Gives a variable a value of any shape, which tfjs's own `assign` does not. */
export function store(variable: Variable, value: Tensor): void {
  updateVariables("AssignVariableOp", { dtype: type(variable.dtype) }, [variable], [value]);
}

/** Frees a variable's memory. Its handle, which compiled functions hold, stays good for the next content. */
export function empty(variable: Variable): void {
  store(variable, tf.zeros([0], variable.dtype as "float32" | "int32"));
}

/** Gives an emptied variable its size back: what XLA compiles writes variables, and does not change their shapes. */
export function refill(variable: Variable): void {
  store(variable, tf.zeros(variable.shape));
}
