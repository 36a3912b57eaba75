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

refuses(getLogProb, "logs to base 2", (logits, labels, mask) => tf.div(solution(logits, labels, mask), Math.LN2) as Tensor1D, /\[0\]: another number/);
refuses(getLogProb, "the first row alone", (logits, labels, mask) => tf.slice(solution(logits, labels, mask), [0], [1]), /it has 1 entry, where 2 are wanted/);
refuses(getLogProb, "shapes that do not meet", (logits, labels, mask) => summed(predictions(logits), labels, mask), /shape/i);
