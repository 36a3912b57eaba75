import assert from "node:assert/strict";
import { test } from "node:test";
import { RLOOTrainer } from "../../src/step/rlooTrainer";
import { allClose } from "../engine/close";
import { weightsOf, type Weights } from "../model/reference";
import { checkGradients, clip, deviation, disposeAll, keepWeights, mean, PARAMETERS, PLAIN, policy, prompts, recordedReward, sum, tokenFacts, tokenizer, withoutLeaks } from "./rollout/rolloutCase";

const [group, beta, epsilon, rate] = [3, 0.3, 0.03, 0.1];

test("whole answers are the actions: two steps have the loss and the gradient of the equations in float64", () => withoutLeaks(async () => {
  const [model, refModel] = [await policy(), await policy(2)];
  const [start, ref] = [await weightsOf(model), await weightsOf(refModel)];
  const kept: Weights[] = [];
  const { reward, drawn } = recordedReward();
  const trainer = new RLOOTrainer({
    model, refModel, tokenizer, reward, trainDataset: prompts, callbacks: [keepWeights(model, kept)],
    args: { ...PLAIN, learningRate: rate, maxSteps: 2, perDeviceTrainBatchSize: 4, numGenerations: group, numIterations: 2, maxCompletionLength: 4, beta, epsilon, klEstimator: "k3", normalizeAdvantages: true },
  });
  await trainer.train();
  const answers = drawn.slice(0, prompts.length * group);
  const logps = (weights: Weights): number[] => answers.map((answer) => sum(tokenFacts(answer, weights, model, 1).logps));
  const old = logps(start);
  const kl = answers.map((answer) => {
    const own = tokenFacts(answer, start, model, 1).logps;
    return sum(tokenFacts(answer, ref, refModel, 1).logps.map((logp, t) => Math.exp(logp - own[t]!) - (logp - own[t]!) - 1));
  });
  const rewards = answers.map(({ score }, i) => score - beta * kl[i]!);
  const raw = rewards.map((own, i) => {
    const first = Math.floor(i / group) * group;
    return own - mean(rewards.slice(first, first + group).filter((_, other) => first + other !== i));
  });
  const advantages = raw.map((advantage) => (advantage - mean(raw)) / (deviation(raw) + 1e-4));
  const lossOf = (weights: Weights): number => mean(logps(weights).map((logp, i) => {
    const ratio = Math.exp(logp - old[i]!);
    return -Math.min(ratio * advantages[i]!, clip(ratio, 1 - epsilon, 1 + epsilon) * advantages[i]!);
  }));
  const [first, second] = trainer.state.logHistory;
  allClose([first!.loss!, second!.loss!], [lossOf(start), lossOf(kept[0]!)], 5e-5);
  allClose([first!.kl!, first!.reward!], [mean(kl), mean(answers.map(({ score }) => score))], 5e-5);
  assert.ok(second!["clip_ratio/region_mean"]! > 0, "the second step clips");
  allClose(trainer.samples.map(({ advantage }) => advantage), advantages, 1e-4);
  checkGradients(start, kept[0]!, rate, PARAMETERS, lossOf);
  await disposeAll(trainer, [model, refModel]);
}));

test("without a β no reference is made, and a batch size of its own has a last batch of its own", () => withoutLeaks(async () => {
  const model = await policy();
  const trainer = new RLOOTrainer({ model, tokenizer, reward: (_, text) => text.length, trainDataset: prompts, args: { beta: 0, shuffle: false, loggingSteps: 1, numTrainEpochs: 1, perDeviceTrainBatchSize: 3, maxCompletionLength: 3, learningRate: 1e-3 } });
  await trainer.train();
  assert.equal(trainer.state.step, 2);
  assert.ok(!("kl" in trainer.state.logHistory[0]!));
  assert.equal(trainer.samples.length, 2);
  await disposeAll(trainer, [model]);
}));
