import type { Scalar, Tensor1D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { dpoLoss, type DpoLoss } from "../../src/exercises/checks/dpo";
import { dpoLoss as libraryDpoLoss } from "../../src/loss/dpo";
import { todo } from "../../src/exercises/todo";
import { namesAll, passes, recognises, refuses } from "./judging";

const solution: DpoLoss = (chosen, rejected, refChosen, refRejected, beta = 0.1) => {
  const chosenRewards = tf.mul(tf.sub(chosen, refChosen), beta);
  const rejectedRewards = tf.mul(tf.sub(rejected, refRejected), beta);
  const margins = tf.sub(chosenRewards, rejectedRewards);
  const accuracy = tf.mean(tf.cast(tf.greater(chosenRewards, rejectedRewards), "float32"));
  return [tf.neg(tf.mean(tf.logSigmoid(margins))), accuracy, tf.mean(margins)] as [Scalar, Scalar, Scalar];
};

passes(dpoLoss, "rewards first", solution);
passes(dpoLoss, "policy ratio minus reference ratio, softplus", (pc, pr, rc, rr, beta = 0.1) => {
  const logits = tf.sub(tf.sub(pc, pr), tf.sub(rc, rr));
  const loss = tf.mean(tf.softplus(tf.mul(logits, -beta)));
  return [loss, tf.mean(tf.cast(tf.greater(logits, 0), "float32")), tf.mul(tf.mean(logits), beta)] as [Scalar, Scalar, Scalar];
});
passes(dpoLoss, "the library's own", libraryDpoLoss);
passes(dpoLoss, "a loop over plain numbers", (pc, pr, rc, rr, beta = 0.1) => {
  const [a, b, c, d] = [pc, pr, rc, rr].map((tensor) => tensor.arraySync() as number[]);
  let [loss, accuracy, margin] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    const m = beta * (a[i] - c[i] - (b[i] - d[i]));
    loss += (m > -30 ? Math.log1p(Math.exp(-m)) : -m) / a.length;
    accuracy += (m > 0 ? 1 : 0) / a.length;
    margin += m / a.length;
  }
  return [tf.scalar(loss), tf.scalar(accuracy), tf.scalar(margin)];
});

/** The solution with one result replaced. */
const but = (at: number, wrong: (margins: Tensor1D, args: Parameters<DpoLoss>) => unknown): DpoLoss => (...args) => {
  const [pc, pr, rc, rr, beta = 0.1] = args;
  const results = solution(...args);
  const margins = tf.mul(tf.sub(tf.sub(pc, rc), tf.sub(pr, rr)), beta) as Tensor1D;
  results[at] = wrong(margins, args) as Scalar;
  return results;
};
const zero = (like: Tensor1D): Tensor1D => tf.zerosLike(like);

const wrong: Record<string, DpoLoss> = {
  "sign of the loss": but(0, (margins) => tf.mean(tf.logSigmoid(margins))),
  "sides exchanged": (pc, pr, rc, rr, beta) => solution(pr, pc, rr, rc, beta),
  "sign of one reward": (pc, pr, rc, rr, beta) => solution(pc, rr, rc, pr, beta),
  "beta missing": (pc, pr, rc, rr) => solution(pc, pr, rc, rr, 1),
  "beta twice": (pc, pr, rc, rr, beta = 0.1) => solution(pc, pr, rc, rr, beta * beta),
  "beta fixed": (pc, pr, rc, rr) => solution(pc, pr, rc, rr),
  "sum in place of mean": (pc, ...rest) => solution(pc, ...rest).map((result) => tf.mul(result, pc.size)) as ReturnType<DpoLoss>,
  "reference ignored": (pc, pr, rc, rr, beta) => solution(pc, pr, zero(rc), zero(rr), beta),
  "reference upside down": (pc, pr, rc, rr, beta) => solution(pc, pr, rr, rc, beta),
  "chosen log-probs taken twice": (pc, _, rc, rr, beta) => solution(pc, pc, rc, rr, beta),
  "policy taken for the reference": (pc, pr, _, rr, beta) => solution(pc, pr, pc, rr, beta),
  "log missing": but(0, (margins) => tf.neg(tf.mean(tf.sigmoid(margins)))),
  "mean before the sigmoid": but(0, (margins) => tf.neg(tf.logSigmoid(tf.mean(margins)))),
  overflow: but(0, (margins) => tf.neg(tf.mean(tf.log(tf.sigmoid(margins))))),
  "accuracy sign": but(1, (margins) => tf.mean(tf.cast(tf.less(margins, 0), "float32"))),
  "accuracy without reference": but(1, (_, [pc, pr]) => tf.mean(tf.cast(tf.greater(pc, pr), "float32"))),
  "accuracy in per cent": but(1, (margins) => tf.mul(tf.mean(tf.cast(tf.greater(margins, 0), "float32")), 100)),
  "accuracy as a count": but(1, (margins) => tf.sum(tf.cast(tf.greater(margins, 0), "float32"))),
  "sigmoid twice": but(0, (margins) => tf.neg(tf.mean(tf.logSigmoid(tf.sigmoid(margins))))),
  "margin without beta": but(2, (margins, [, , , , beta = 0.1]) => tf.div(tf.mean(margins), beta)),
  "margin sign": but(2, (margins) => tf.neg(tf.mean(margins))),
  "chosen reward for margin": but(2, (_, [pc, , rc, , beta = 0.1]) => tf.mul(tf.mean(tf.sub(pc, rc)), beta)),
  "order of the results": (...args) => {
    const [loss, accuracy, margin] = solution(...args);
    return [loss, margin, accuracy];
  },
};
for (const [name, answer] of Object.entries(wrong)) recognises(dpoLoss, name, answer);
namesAll(dpoLoss, Object.keys(wrong));
recognises(dpoLoss, "sides exchanged", (pc, pr, rc, rr, beta) => solution(rc, rr, pc, pr, beta));
recognises(dpoLoss, "sign of one reward", (pc, pr, rc, rr, beta) => solution(rc, pr, pc, rr, beta));
recognises(dpoLoss, "reference upside down", (pc, pr, rc, rr, beta) => solution(pc, pr, tf.neg(rc), tf.neg(rr), beta));
recognises(dpoLoss, "sum in place of mean", but(0, (margins) => tf.neg(tf.sum(tf.logSigmoid(margins)))));

recognises(dpoLoss, "reference ignored", (pc, pr, rc, _, beta) => solution(pc, pr, rc, rc, beta));
recognises(dpoLoss, "chosen log-probs taken twice", (pc, _, rc, __, beta) => solution(pc, pc, rc, rc, beta));
recognises(dpoLoss, "policy taken for the reference", (pc, pr, rc, _, beta) => solution(pc, pr, rc, pr, beta));
recognises(dpoLoss, "beta twice", but(0, (margins, [, , , , beta = 0.1]) => tf.neg(tf.mean(tf.logSigmoid(tf.mul(margins, beta))))));
// The sign hides behind the infinite loss of the pair that a plain log gets wrong, and is recognised all the same.
recognises(dpoLoss, "sign of the loss", but(0, (margins) => tf.mean(tf.log(tf.sigmoid(margins)))));

passes(dpoLoss, "an async function", (async (...args: Parameters<DpoLoss>) => solution(...args)) as never);
passes(dpoLoss, "numbers in place of tensors", ((...args: Parameters<DpoLoss>) => solution(...args).map((result) => result.dataSync()[0])) as never);
passes(dpoLoss, "results read with await", (async (...args: Parameters<DpoLoss>) => Promise.all(solution(...args).map(async (result) => (await result.data())[0]))) as never);
passes(dpoLoss, "in a tidy", (...args) => tf.tidy(() => solution(...args)));

refuses(dpoLoss, "promises of the numbers", ((...args: Parameters<DpoLoss>) => solution(...args).map(async (result) => (await result.data())[0])) as never, /a promise \(is an await missing\?\), where a number is wanted/);
refuses(dpoLoss, "the arguments are disposed", (...args) => {
  const results = solution(...args);
  tf.dispose(args.slice(0, 4) as Tensor1D[]);
  return results;
}, /disposed a tensor that it was given/);
refuses(dpoLoss, "a loss of one entry in place of a scalar", but(0, (margins) => tf.reshape(tf.neg(tf.mean(tf.logSigmoid(margins))), [1])), /a list of 1, where a number is wanted/);
refuses(dpoLoss, "NaN", but(0, () => tf.scalar(NaN)), /NaN: somewhere/);
refuses(dpoLoss, "whole numbers", but(0, (margins) => tf.cast(tf.neg(tf.mean(tf.logSigmoid(margins))), "int32")), /\[0\]: another number/);
refuses(dpoLoss, "the first trial's results by heart", () => [tf.scalar(0.2014), tf.scalar(1), tf.scalar(1.5)], /another number/);
refuses(dpoLoss, "nothing is returned", (() => undefined) as never, /nothing \(undefined; is there a return\?\)/);
refuses(dpoLoss, "the losses of the pairs, not reduced", but(0, (margins) => tf.neg(tf.logSigmoid(margins))), /\[0\]: a list of \d, where a number is wanted/);
refuses(dpoLoss, "two results", ((...args: Parameters<DpoLoss>) => solution(...args).slice(0, 2)) as never, /it has 2 entries, where 3 are wanted/);
refuses(dpoLoss, "a margin of twice the size", but(2, (margins) => tf.mul(tf.mean(margins), 2)), /\[2\]: another number/);
refuses(dpoLoss, "an error in the function", (() => { throw new RangeError("shapes differ"); }) as never, /RangeError: shapes differ/);
refuses(dpoLoss, "a function that is still to do", (() => todo("compute the loss")) as never, /Not done yet: compute the loss/);
refuses(dpoLoss, "the result in place of the function", [0, 0, 0] as never, /takes the function itself/);
