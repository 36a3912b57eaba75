import type { Scalar, Tensor, Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { getLogProb } from "../../src/loss/logps";
import { trainStep, type TrainStep } from "../../src/exercises/checks/trainStep";
import type { LanguageModel } from "../../src/exercises/handTraining";
import { namesAll, passes, recognises, refuses } from "./judging";

const join = (a: Tensor2D, b: Tensor2D): Tensor2D => tf.concat([a, b], 1);

function dpoLoss(pc: Tensor1D, pr: Tensor1D, rc: Tensor1D, rr: Tensor1D, beta = 0.1): [Scalar, Scalar, Scalar] {
  const margins = tf.mul(tf.sub(tf.sub(pc, rc), tf.sub(pr, rr)), beta);
  return [tf.neg(tf.mean(tf.logSigmoid(margins))), tf.mean(tf.cast(tf.greater(margins, 0), "float32")), tf.mean(margins)] as [Scalar, Scalar, Scalar];
}

interface Options {
  counted?: (promptMask: Tensor2D, answerMask: Tensor2D) => Tensor2D;
  attention?: (mask: Tensor2D) => Tensor2D;
  join?: (prompt: Tensor2D, answer: Tensor2D) => Tensor2D;
  rejected?: "chosen";
  beta?: number;
  exchange?: boolean;
  withoutReference?: boolean;
  minimize?: boolean;
}

const step = (options: Options = {}): TrainStep => (policy, reference, optimizer, batch, beta) => {
  const joined = options.join ?? join;
  const logps = (model: LanguageModel, answer: "chosen" | "rejected"): Tensor1D => {
    const ids = joined(batch.prompt_input_ids, batch[`${answer}_input_ids`]);
    const mask = joined(batch.prompt_attn_mask, batch[`${answer}_attn_mask`]);
    const counted = options.counted?.(batch.prompt_attn_mask, batch[`${answer}_attn_mask`]) ?? joined(tf.zerosLike(batch.prompt_attn_mask), batch[`${answer}_attn_mask`]);
    return getLogProb(model.forward(ids, options.attention?.(mask) ?? mask), ids, counted);
  };
  const computeLoss = (): [Scalar, Scalar, Scalar] => {
    const [a, b] = options.exchange ? [reference, policy] : [policy, reference];
    const rejected = options.rejected ?? "rejected";
    const nothing = tf.zeros([batch.prompt_input_ids.shape[0]]) as Tensor1D;
    if (options.withoutReference) return dpoLoss(logps(policy, "chosen"), logps(policy, "rejected"), nothing, nothing, beta);
    return dpoLoss(logps(a, "chosen"), logps(a, rejected), logps(b, "chosen"), logps(b, rejected), options.beta ?? beta);
  };
  return options.minimize === false ? computeLoss() : optimizer.minimize(computeLoss);
};

passes(trainStep, "one answer after the other", step());
passes(trainStep, "all answers in one pass, padded to one length", (policy, reference, optimizer, batch, beta) => {
  const longest = Math.max(batch.chosen_input_ids.shape[1], batch.rejected_input_ids.shape[1]);
  const widen = (x: Tensor2D): Tensor2D => tf.pad(x, [[0, 0], [0, longest - x.shape[1]]]);
  const both = (a: Tensor2D, b: Tensor2D): Tensor2D => tf.concat([widen(a), widen(b)], 0);
  const twice = (x: Tensor2D): Tensor2D => tf.concat([x, x], 0);
  return optimizer.minimize(() => {
    const ids = join(twice(batch.prompt_input_ids), both(batch.chosen_input_ids, batch.rejected_input_ids));
    const answers = both(batch.chosen_attn_mask, batch.rejected_attn_mask);
    const mask = join(twice(batch.prompt_attn_mask), answers);
    const counted = join(twice(tf.zerosLike(batch.prompt_attn_mask)), answers);
    const [pc, pr, rc, rr] = [policy, reference].flatMap((model) => tf.split(getLogProb(model.forward(ids, mask), ids, counted), 2));
    return dpoLoss(pc as Tensor1D, pr as Tensor1D, rc as Tensor1D, rr as Tensor1D, beta);
  });
});
passes(trainStep, "an async function around the step", (async (...args: Parameters<TrainStep>) => step()(...args)) as never);

const wrong: Record<string, TrainStep> = {
  "padding not masked": step({ counted: (prompt, answer) => join(tf.zerosLike(prompt), tf.onesLike(answer)) }),
  "prompt not masked": step({ counted: join }),
  "reference not used": step({ withoutReference: true }),
  "beta twice": (policy, reference, optimizer, batch, beta) => step()(policy, reference, optimizer, batch, beta * beta),
  "beta missing": step({ beta: 1 }),
  "attention mask missing": step({ attention: (mask) => tf.onesLike(mask) }),
  "attention on the answer alone": (policy, reference, optimizer, batch, beta) => {
    const answerAlone = (model: LanguageModel): LanguageModel => ({ forward: (ids, mask) => model.forward(ids, tf.mul(mask!, tf.concat([tf.zerosLike(batch.prompt_attn_mask), tf.onesLike(tf.slice(mask!, [0, batch.prompt_attn_mask.shape[1]], [-1, -1]))], 1)) as Tensor2D) });
    return step()(answerAlone(policy), answerAlone(reference), optimizer, batch, beta);
  },
  "measured after the step": (...args) => {
    step()(...args);
    return step({ minimize: false })(...args);
  },
  "compared with itself": (policy, _, ...rest) => step()(policy, policy, ...rest),
  "sides exchanged": step({ exchange: true }),
  "prompt not before the answer": step({ join: (prompt, answer) => join(answer, prompt) }),
  "beta not passed on": step({ beta: 0.1 }),
  "no optimiser step": step({ minimize: false }),
  "two optimiser steps": (policy, reference, optimizer, ...rest) => {
    const twice = { minimize: <R extends [Scalar, ...Tensor[]]>(compute: () => R): R => optimizer.minimize(() => scaled(compute(), 2)) };
    const [loss, ...others] = step()(policy, reference, twice, ...rest);
    return [tf.div(loss, 2) as Scalar, ...others];
  },
  "wrong direction": (policy, reference, optimizer, ...rest) => {
    const up = { minimize: <R extends [Scalar, ...Tensor[]]>(compute: () => R): R => optimizer.minimize(() => scaled(compute(), -1)) };
    const [loss, ...others] = step()(policy, reference, up, ...rest);
    return [tf.neg(loss), ...others];
  },
};

function scaled<R extends [Scalar, ...Tensor[]]>([loss, ...others]: R, factor: number): R {
  return [tf.mul(loss, factor), ...others] as unknown as R;
}

for (const [name, answer] of Object.entries(wrong)) recognises(trainStep, name, answer);
namesAll(trainStep, Object.keys(wrong));
recognises(trainStep, "sides exchanged", (policy, reference, optimizer, batch, beta) =>
  step()(policy, reference, optimizer, { ...batch, chosen_input_ids: batch.rejected_input_ids, chosen_attn_mask: batch.rejected_attn_mask, rejected_input_ids: batch.chosen_input_ids, rejected_attn_mask: batch.chosen_attn_mask }, beta));
recognises(trainStep, "compared with itself", step({ rejected: "chosen" }));
recognises(trainStep, "prompt not before the answer", step({ join: (_, answer) => answer }));
recognises(trainStep, "padding not masked", step({ counted: (prompt, answer) => tf.onesLike(join(prompt, answer)) }));
recognises(trainStep, "compared with itself", (policy, reference, optimizer, batch, beta) => {
  const frozen: LanguageModel = { forward: (ids, mask) => tf.tensor3d(policy.forward(ids, mask).arraySync()) };
  return step()(policy, frozen, optimizer, batch, beta);
});
refuses(trainStep, "minimize is given the loss itself", ((_: never, __: never, optimizer: { minimize: (loss: unknown) => unknown }) => optimizer.minimize(tf.scalar(1))) as never, /takes the function that computes the loss, not the loss/);
refuses(trainStep, "an async loss", ((_: never, __: never, optimizer: { minimize: (loss: unknown) => unknown }) => optimizer.minimize(async () => [tf.scalar(1), tf.scalar(1), tf.scalar(1)])) as never, /was given an async function/);
refuses(trainStep, "values read back on the way to the loss", (policy, reference, ...rest) =>
  step()({ forward: (ids, mask) => tf.tensor3d(policy.forward(ids, mask).arraySync()) }, reference, ...rest), /there is no gradient\. Call policy\.forward inside/);
refuses(trainStep, "plain numbers as results", (policy, reference, optimizer, ...rest) =>
  optimizer.minimize((() => step({ minimize: false })(policy, reference, optimizer, ...rest).map((result) => result.dataSync()[0])) as never), /returns numbers, not tensors/);
refuses(trainStep, "only the loss is returned", (((...args: Parameters<TrainStep>) => step()(...args)[0]) as never), /it has no loss/);
refuses(trainStep, "masks that are not joined", ((policy: LanguageModel, ...rest: unknown[]) => {
  const short = { forward: (ids: Tensor2D, mask: Tensor2D) => policy.forward(ids, tf.slice(mask, [0, 1], [-1, -1])) };
  return (step() as (...args: unknown[]) => unknown)(short, ...rest);
}) as never, /both must be joined alike/);
