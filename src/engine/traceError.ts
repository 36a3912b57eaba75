/** Thrown when code asks for the numbers of a value that is, or was, only being traced by `jit`. */
export class TraceError extends Error {
  override name = "TraceError";
}

export const READ_WHILE_TRACING =
  "A tensor was read (data, dataSync, array, print …) inside a function that jit is tracing: it has no numbers yet. " +
  "Return it from the function and read it after the call, or compute with tf ops (tf.where, tf.mul …) in place of an if on its value.";

export const FOREIGN_TRACE =
  "A tensor made inside a jit function was used outside of the call that made it. Return it from the function: the call's result is a tensor with numbers.";

export const ON_OUTER_TAPE =
  "A jit function that is called under a gradient tape uses, from outside, a tensor that the tape has computed: no gradient would go through it. Pass the tensor as an argument.";

export const VARIABLE_IN_TRACE =
  "A tf.variable was made inside a function that jit is tracing; it would be made once and never again. Make it before, outside of the function, and assign to it inside.";
