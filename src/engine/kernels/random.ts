import type { Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { tf } from "../tfjs";
import { kernel } from "./kernel";

interface Drawing {
  numSamples: number;
  /** Any number: all of its 64 bits count. */
  seed: number;
  normalized: boolean;
}

/** tfjs-node's kernel draws other numbers at each call, whatever the seed, and refuses probabilities. */
export const multinomial = kernel<{ logits: Tensor }, Drawing>("Multinomial", ({ inputs: { logits }, attributes: { numSamples, seed, normalized }, run }) => {
  const words = tf.tensor1d(new Int32Array(Float64Array.of(seed).buffer), "int32");
  return run("StatelessMultinomial", [normalized ? tf.log(logits) : logits, tf.scalar(numSamples, "int32"), words], {
    T: type("float32"), Tseed: type("int32"), output_dtype: type("int32"),
  });
});
