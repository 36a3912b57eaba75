import type { KernelConfig, Tensor } from "@tensorflow/tfjs";
import { type } from "../attributes";
import { TF } from "../dtypes";
import { tf } from "../tfjs";
import { kernel, type Run } from "./kernel";

const INT = type("int32");
const LAST = { Tidx: INT, T: INT };

/** −1, 0 or 1 as each string of `a` comes before that of `b`, is it, or comes after it, by their bytes: for UTF-8 the order of code points. */
function order(a: Tensor, b: Tensor, run: Run): Tensor {
  const [lengthA, lengthB] = [a, b].map((x) => run("StringLength", [x], { unit: "BYTE" })) as [Tensor, Tensor];
  const width = tf.maximum(tf.maximum(tf.max(lengthA), tf.max(lengthB)), tf.scalar(1, "int32"));
  const [bytesA, bytesB] = [a, b].map((x) => run("DecodePaddedRaw", [x, width], { out_type: { type: TF.UINT8 }, little_endian: true })) as [Tensor, Tensor];
  // How wide the rows of bytes are a trace does not know: TensorFlow's ops need not, tfjs's would.
  const axis = tf.scalar(-1, "int32");
  const signs = run("Sign", [run("Sub", [bytesA, bytesB], { T: INT })], { T: INT });
  const differencesBefore = run("Cumsum", [run("Abs", [signs], { T: INT }), axis], { ...LAST, exclusive: true, reverse: false });
  const isFirst = run("Cast", [run("Equal", [differencesBefore, tf.scalar(0, "int32")], { T: INT })], { SrcT: type("bool"), DstT: INT, Truncate: false });
  const first = run("Sum", [run("Mul", [signs, isFirst], { T: INT }), axis], { ...LAST, keep_dims: false });
  // One that the other begins with comes first.
  return tf.sign(tf.add(tf.mul(first, tf.scalar(2, "int32")), tf.sign(tf.sub(lengthA, lengthB))));
}

/** TensorFlow compares numbers only. */
const comparison = (name: string): KernelConfig =>
  kernel<{ a: Tensor; b: Tensor }, object>(name, ({ inputs: { a, b }, run }) => {
    if (a.dtype === "string") return run(name, [order(a, b, run), tf.scalar(0, "int32")], { T: INT });
    return run(name, [a, b], { T: type(tf.backend_util.upcastType(a.dtype, b.dtype)) });
  });

export const comparisons: KernelConfig[] = ["Greater", "GreaterEqual", "Less", "LessEqual"].map(comparison);
