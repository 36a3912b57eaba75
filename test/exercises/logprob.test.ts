import type { Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { getLogProb as libraryGetLogProb } from "../../src/loss/logps";
import { getLogProb, type GetLogProb } from "../../src/exercises/checks/logprob";
import { namesAll, passes, recognises, refuses } from "./judging";

const predictions = (logits: Tensor3D): Tensor3D => tf.slice(logits, [0, 0, 0], [-1, logits.shape[1] - 1, -1]);
const withoutFirst = (x: Tensor2D): Tensor2D => tf.slice(x, [0, 1], [-1, x.shape[1] - 1]);
const withoutLast = (x: Tensor2D): Tensor2D => tf.slice(x, [0, 0], [-1, x.shape[1] - 1]);

/** Σ over positions of mask · log-softmax(logits) at the labels, all of one length. */
function summed(logits: Tensor3D, labels: Tensor2D, mask: Tensor2D, scores: (logits: Tensor3D) => Tensor3D = (x) => tf.logSoftmax(x) as Tensor3D): Tensor1D {
  const picked = tf.sum(tf.mul(scores(logits), tf.oneHot(tf.cast(labels, "int32"), logits.shape[2])), 2);
  return tf.sum(tf.mul(picked, tf.cast(mask, "float32")), 1) as Tensor1D;
}

const solution: GetLogProb = (logits, labels, mask) => summed(predictions(logits), withoutFirst(labels), withoutFirst(mask));

passes(getLogProb, "one-hot", solution);
passes(getLogProb, "the library's own", libraryGetLogProb);
passes(getLogProb, "a loop over plain numbers", (logits, labels, mask) => {
  const [scores, ids, counted] = [logits.arraySync(), labels.arraySync(), mask.arraySync()];
  return tf.tensor1d(ids.map((row, b) => {
    let total = 0;
    for (let t = 1; t < row.length; t++) {
      const at = scores[b][t - 1];
      if (counted[b][t] === 1) total += at[row[t]] - Math.log(at.reduce((sum, x) => sum + Math.exp(x), 0));
    }
    return total;
  }));
});
passes(getLogProb, "picked score minus logSumExp", (logits, labels, mask) => {
  const cut = predictions(logits);
  const picked = tf.sum(tf.mul(cut, tf.oneHot(tf.cast(withoutFirst(labels), "int32"), cut.shape[2])), 2);
  return tf.sum(tf.mul(tf.sub(picked, tf.logSumExp(cut, 2)), withoutFirst(mask)), 1) as Tensor1D;
});

const one = (mask: Tensor2D): Tensor2D => tf.onesLike(mask);
const wrong: Record<string, GetLogProb> = {
  "no shift": (logits, labels, mask) => summed(logits, labels, mask),
  "shift in the wrong direction": (logits, labels, mask) => summed(tf.slice(logits, [0, 1, 0], [-1, -1, -1]), withoutLast(labels), withoutLast(mask)),
  "mask not shifted": (logits, labels, mask) => summed(predictions(logits), withoutFirst(labels), withoutLast(mask)),
  "mask ignored": (logits, labels, mask) => solution(logits, labels, one(mask)),
  "mask inverted": (logits, labels, mask) => solution(logits, labels, tf.sub(1, mask) as Tensor2D),
  "mean in place of sum": (logits, labels, mask) => tf.div(solution(logits, labels, mask), tf.sum(withoutFirst(mask), 1)) as Tensor1D,
  "logits as they are": (logits, labels, mask) => summed(predictions(logits), withoutFirst(labels), withoutFirst(mask), (x) => x),
  probabilities: (logits, labels, mask) => summed(predictions(logits), withoutFirst(labels), withoutFirst(mask), (x) => tf.softmax(x)),
  "softmax over the wrong axis": (logits, labels, mask) =>
    summed(predictions(logits), withoutFirst(labels), withoutFirst(mask), (x) => tf.sub(x, tf.logSumExp(x, 1, true)) as Tensor3D),
  sign: (logits, labels, mask) => tf.neg(solution(logits, labels, mask)),
  "sum over the batch": (logits, labels, mask) => tf.sum(solution(logits, labels, mask)) as unknown as Tensor1D,
  "mean over the batch": (logits, labels, mask) => tf.mean(solution(logits, labels, mask)) as unknown as Tensor1D,
  "softmax twice": (logits, labels, mask) => summed(predictions(logits), withoutFirst(labels), withoutFirst(mask), (x) => tf.logSoftmax(tf.softmax(x)) as Tensor3D),
  "log to another base": (logits, labels, mask) => tf.div(solution(logits, labels, mask), Math.LN2) as Tensor1D,
  "not summed": (logits, labels, mask) => {
    const cut = predictions(logits);
    const picked = tf.sum(tf.mul(tf.logSoftmax(cut), tf.oneHot(tf.cast(withoutFirst(labels), "int32"), cut.shape[2])), 2);
    return tf.mul(picked, withoutFirst(mask)) as unknown as Tensor1D;
  },
  "log of the softmax": (logits, labels, mask) => summed(predictions(logits), withoutFirst(labels), withoutFirst(mask), (x) => tf.log(tf.softmax(x))),
};
for (const [name, answer] of Object.entries(wrong)) recognises(getLogProb, name, answer);
namesAll(getLogProb, Object.keys(wrong));
recognises(getLogProb, "softmax over the wrong axis", (logits, labels, mask) =>
  summed(predictions(tf.sub(logits, tf.logSumExp(logits, 1, true)) as Tensor3D), withoutFirst(labels), withoutFirst(mask), (x) => x));
recognises(getLogProb, "shift in the wrong direction", (logits, labels, mask) =>
  summed(tf.slice(logits, [0, 1, 0], [-1, -1, -1]), withoutLast(labels), withoutFirst(mask)));

recognises(getLogProb, "softmax over the wrong axis", (logits, labels, mask) =>
  summed(predictions(tf.sub(logits, tf.logSumExp(logits, 0, true)) as Tensor3D), withoutFirst(labels), withoutFirst(mask), (x) => x));
recognises(getLogProb, "no shift", (logits, labels, mask) => summed(tf.slice(logits, [0, 1, 0], [-1, -1, -1]), withoutFirst(labels), withoutLast(mask)));
recognises(getLogProb, "mean in place of sum", (logits, labels, mask) => tf.div(solution(logits, labels, mask), labels.shape[1]) as Tensor1D);

passes(getLogProb, "an async function", (async (...args: Parameters<GetLogProb>) => solution(...args)) as never);
passes(getLogProb, "a list of numbers", ((...args: Parameters<GetLogProb>) => [...solution(...args).dataSync()]) as never);
passes(getLogProb, "a Float32Array", ((...args: Parameters<GetLogProb>) => solution(...args).dataSync()) as never);
passes(getLogProb, "gathered, with where in place of a product", (logits, labels, mask) => {
  const scores = tf.logSoftmax(predictions(logits));
  const [rows, length] = [labels.shape[0], labels.shape[1] - 1];
  const flat = tf.reshape(scores, [rows * length, -1]);
  const places = tf.stack([tf.range(0, rows * length, 1, "int32"), tf.reshape(tf.cast(withoutFirst(labels), "int32"), [-1])], 1);
  const picked = tf.reshape(tf.gatherND(flat, places as Tensor2D), [rows, length]);
  return tf.sum(tf.where(tf.greater(withoutFirst(mask), 0), picked, tf.zerosLike(picked)), 1) as Tensor1D;
});

refuses(getLogProb, "a column", (logits, labels, mask) => tf.expandDims(solution(logits, labels, mask), 1) as unknown as Tensor1D, /its shape is \[1, 1\], where \[1\] is wanted/);
refuses(getLogProb, "half of it", (logits, labels, mask) => tf.mul(solution(logits, labels, mask), 0.5) as Tensor1D, /\[0\]: another number/);
refuses(getLogProb, "NaN", (logits, labels, mask) => tf.mul(solution(logits, labels, mask), NaN) as Tensor1D, /\[0\]: NaN/);
refuses(getLogProb, "arguments disposed", (logits, labels, mask) => {
  const result = solution(logits, labels, mask);
  logits.dispose();
  return result;
}, /disposed a tensor that it was given/);
refuses(getLogProb, "the first row alone", (logits, labels, mask) => tf.slice(solution(logits, labels, mask), [0], [1]), /it has 1 entry, where 2 are wanted/);
refuses(getLogProb, "shapes that do not meet", (logits, labels, mask) => summed(predictions(logits), labels, mask), /shape/i);
