import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { openSafetensors } from "../../src/hub/safetensors";
import { PPOTrainer } from "../../src/step/ppoTrainer";
import { allClose } from "../engine/close";
import { inTemporaryFolder } from "../hub/python";
import { weightsOf, type Weights } from "../model/reference";
import { checkGradients, classifier, clip, disposeAll, keepWeights, mean, PARAMETERS, PLAIN, policy, prompts, recordedReward, sum, tokenFacts, tokenizer, tokenValues, withoutLeaks } from "./rollout/rolloutCase";

const settings = { temperature: 0.9, klCoef: 0.2, gamma: 0.95, lam: 0.9, vfCoef: 0.4, cliprange: 0.03, cliprangeValue: 0.02, scoreClip: 1.2, missingEosPenalty: 0.5 };
const rate = 0.2;

/** (x − mean)/√(variance + 1e-8) over all tokens. */
function whitened(values: number[][], shift: boolean): number[][] {
  const all = values.flat();
  const m = mean(all);
  const scale = Math.sqrt(sum(all.map((x) => (x - m) ** 2)) / (all.length - 1) + 1e-8);
  return values.map((own) => own.map((x) => (x - m) / scale + (shift ? 0 : m)));
}

test("two epochs on the same answers have the losses, the figures and the gradients of the papers' equations in float64", () => withoutLeaks(async () => {
  const [model, refModel, valueModel] = [await policy(), await policy(2), await classifier(3)];
  const [start, ref, startValues] = [await weightsOf(model), await weightsOf(refModel), await weightsOf(valueModel)];
  const [kept, keptValues]: [Weights[], Weights[]] = [[], []];
  const { reward, drawn } = recordedReward();
  const trainer = new PPOTrainer({
    model, refModel, valueModel, tokenizer, reward, trainDataset: prompts, callbacks: [keepWeights(model, kept), keepWeights(valueModel, keptValues)],
    args: { ...PLAIN, ...settings, learningRate: rate, maxSteps: 2, perDeviceTrainBatchSize: 4, numPpoEpochs: 2, responseLength: 5, whitenRewards: true },
  });
  await trainer.train();
  const { klCoef, gamma, lam, vfCoef, cliprange, cliprangeValue, temperature, scoreClip, missingEosPenalty } = settings;
  const answers = drawn.slice(0, prompts.length);
  const old = answers.map((answer) => tokenFacts(answer, start, model, temperature).logps);
  const reference = answers.map((answer) => tokenFacts(answer, ref, refModel, temperature).logps);
  const oldValues = answers.map((answer) => tokenValues(answer, startValues, valueModel));
  const scores = answers.map(({ score, ids }) => clip(score, -scoreClip, scoreClip) - (ids.at(-1) === 3 ? 0 : missingEosPenalty));
  const kl = old.map((own, i) => own.map((logp, t) => logp - reference[i]![t]!));
  const rewards = whitened(kl.map((own, i) => own.map((k, t) => -klCoef * k + (t === own.length - 1 ? scores[i]! : 0))), false);
  // Schulman et al. 2016, equation 16, as a sum.
  const raw = rewards.map((r, i) => {
    const v = oldValues[i]!;
    const delta = r.map((own, t) => own + gamma * (v[t + 1] ?? 0) - v[t]!);
    return delta.map((_, t) => sum(delta.slice(t).map((d, l) => (gamma * lam) ** l * d)));
  });
  const returns = raw.map((own, i) => own.map((a, t) => a + oldValues[i]![t]!));
  const advantages = whitened(raw, true);
  const measure = (weights: Weights, valueWeights: Weights) => {
    const facts = answers.map((answer) => tokenFacts(answer, weights, model, temperature));
    const each = (of: (logp: number, i: number, t: number) => number): number[] => facts.flatMap(({ logps }, i) => logps.map((logp, t) => of(logp, i, t)));
    const ratio = each((logp, i, t) => Math.exp(logp - old[i]![t]!));
    const free = ratio.map((r, i) => -r * advantages.flat()[i]!);
    const held = ratio.map((r, i) => -clip(r, 1 - cliprange, 1 + cliprange) * advantages.flat()[i]!);
    const v = answers.flatMap((answer) => tokenValues(answer, valueWeights, valueModel));
    const vOld = oldValues.flat();
    const [vFree, vHeld] = [v.map((x, i) => (x - returns.flat()[i]!) ** 2), v.map((x, i) => (clip(x, vOld[i]! - cliprangeValue, vOld[i]! + cliprangeValue) - returns.flat()[i]!) ** 2)];
    const policyLoss = mean(free.map((x, i) => Math.max(x, held[i]!)));
    const value = mean(vFree.map((x, i) => Math.max(x, vHeld[i]!))) / 2;
    return {
      loss: policyLoss + vfCoef * value, "loss/policy_avg": policyLoss, "loss/value_avg": value, "val/ratio": mean(ratio), "policy/clipfrac_avg": mean(free.map((x, i) => Number(held[i]! > x))),
      "val/clipfrac_avg": mean(vFree.map((x, i) => Number(vHeld[i]! > x))), "policy/approxkl_avg": mean(each((logp, i, t) => (logp - old[i]![t]!) ** 2)) / 2, "policy/entropy_avg": mean(facts.flatMap(({ entropies }) => entropies)),
    };
  };
  const objective = {
    "objective/kl": mean(kl.map(sum)), "objective/entropy": mean(old.map((own) => -sum(own))), "objective/scores": mean(scores), "objective/non_score_reward": -klCoef * mean(kl.map(sum)),
    "objective/rlhf_reward": mean(scores) - klCoef * mean(kl.map(sum)), "objective/kl_coef": klCoef, episode: 4, "val/num_eos_tokens": answers.filter(({ ids }) => ids.at(-1) === 3).length,
  };
  for (const [step, [weights, valueWeights]] of [[start, startValues], [kept[0]!, keptValues[0]!]].entries()) {
    const row = trainer.state.logHistory[step]!;
    const expected = measure(weights!, valueWeights!);
    for (const [name, value] of Object.entries({ ...expected, ...objective })) allClose([row[name]!], [value], 5e-5, `step ${step + 1}: ${name}`);
    if (step === 1) assert.ok(expected["policy/clipfrac_avg"] > 0 && expected["val/clipfrac_avg"] > 0, "the case clips");
  }
  checkGradients(start, kept[0]!, rate, PARAMETERS, (weights) => measure(weights, startValues).loss);
  checkGradients(startValues, keptValues[0]!, rate, [...PARAMETERS.slice(2), "score.weight"], (weights) => measure(start, weights).loss);
  await disposeAll(trainer, [model, refModel, valueModel]);
}));

test("a value head begins at 0 on the policy's own states, learns, and is in checkpoints", () => withoutLeaks(() => inTemporaryFolder(async (folder) => {
  const model = await policy();
  const trainer = new PPOTrainer({
    model, tokenizer, reward: () => 2, trainDataset: prompts,
    args: { loggingSteps: 1, learningRate: 1e-2, maxSteps: 24, saveSteps: 24, outputDir: folder, perDeviceTrainBatchSize: 4, numPpoEpochs: 4, responseLength: 3, klCoef: 0, vfCoef: 1, cliprangeValue: null, lam: 1 },
  });
  await trainer.train();
  const history = trainer.state.logHistory;
  // Every return is 2 with γ = λ = 1.
  allClose([history[0]!["loss/value_avg"]!], [2], 1e-6);
  assert.ok(history.at(-1)!["loss/value_avg"]! < 0.2, `${history.at(-1)!["loss/value_avg"]}`);
  const head = openSafetensors(path.join(folder, "checkpoint-24/method_state.safetensors")).read("value_head.weight");
  assert.ok(head.length === 32 && head.every((value) => value !== 0));
  await disposeAll(trainer, [model]);
})));

test("the KL coefficient follows the KL, iteration by iteration", () => withoutLeaks(async () => {
  const model = await policy();
  const trainer = new PPOTrainer({
    model, refModel: await policy(2), tokenizer, reward: () => 0, trainDataset: prompts,
    args: { loggingSteps: 1, learningRate: 0, maxSteps: 3, perDeviceTrainBatchSize: 4, numPpoEpochs: 1, responseLength: 4, klCoef: 0.1, targetKl: 0.5, klHorizon: 40 },
  });
  await trainer.train();
  const rows = trainer.state.logHistory;
  let expected = 0.1;
  for (const row of rows) {
    allClose([row["objective/kl_coef"]!], [expected], 1e-6);
    expected *= 1 + (clip(row["objective/kl"]! / 0.5 - 1, -0.2, 0.2) * 4) / 40;
  }
  assert.ok(rows[2]!["objective/kl_coef"]! !== 0.1);
  await disposeAll(trainer, [model, trainer["options"].refModel!]);
}));

test("settings that cannot be run are refused by name before anything is made", () => withoutLeaks(async () => {
  const model = await policy();
  const make = (args: object, options: object = {}) => () => new PPOTrainer({ model, tokenizer, reward: () => 0, trainDataset: prompts, args: { responseLength: 4, ...args }, ...options } as never);
  assert.throws(make({ lam: 2 }), /args.lam is 2; a number from 0 to 1/);
  assert.throws(make({ cliprange: 0 }), /args.cliprange is 0/);
  assert.throws(make({ perDeviceTrainBatchSize: 4, numMiniBatches: 3 }), /perDeviceTrainBatchSize is 4, which does not make 3 minibatches/);
  assert.throws(make({ perDeviceTrainBatchSize: 3, numMiniBatches: 3 }), /trainDataset has 4 prompts: the last batch of an epoch has 1/);
  assert.throws(make({ targetKl: 6, klCoef: 0 }), /args.klCoef is 0; a number above 0, which targetKl adapts/);
  assert.throws(make({}, { refModel: null }), /refModel is null/);
  model.dispose();
}));
