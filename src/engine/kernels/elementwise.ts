import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { tf } from "../tfjs";
import { asFloat, kernel } from "./kernel";

interface Unary {
  x: Tensor;
}

/** TensorFlow rounds an int32 by way of a float32, which has 24 bits. */
export const round = kernel<Unary, object>("Round", ({ inputs: { x }, run }) => (x.dtype === "float32" ? run("Round", [x], { T: type("float32") }) : x.clone()));

/** In tfjs NaN has the sign 0. */
export const sign = kernel<Unary, object>("Sign", ({ inputs: { x }, run }) => {
  const signs = run("Sign", [x], { T: type(x.dtype) });
  return x.dtype === "float32" ? tf.where(tf.isNaN(x), 0, signs) : signs;
});

/** TensorFlow's takes floats only; tfjs's result is float32. */
export const leakyRelu = kernel<Unary, { alpha: number }>("LeakyRelu", ({ inputs: { x }, attributes: { alpha }, run }) =>
  run("LeakyRelu", [asFloat(x)], { T: type("float32"), alpha: { float: alpha } }));

/** 1 where x > 0, else alpha; NaN, which only a float can be, stays. */
export const step = kernel<Unary, { alpha: number }>("Step", ({ inputs: { x }, attributes: { alpha } }) => {
  const steps = tf.where(tf.greater(x, tf.scalar(0, x.dtype)), tf.onesLike(x), tf.fill(x.shape, alpha, x.dtype as "float32"));
  return x.dtype === "float32" ? tf.where(tf.isNaN(x), x, steps) : steps;
});
