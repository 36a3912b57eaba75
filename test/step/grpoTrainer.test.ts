import assert from "node:assert/strict";
import { test } from "node:test";
import { GRPO_LOSS_TYPES, type GrpoLossType } from "../../src/loss/policyGradient";
import { GRPOTrainer } from "../../src/step/grpoTrainer";
import { allClose } from "../engine/close";
import { weightsOf, type Weights } from "../model/reference";
import { checkGradients, clip, deviation, disposeAll, keepWeights, mean, PARAMETERS, PLAIN, policy, prompts, recordedReward, sum, tokenFacts, tokenizer, withoutLeaks } from "./rollout/rolloutCase";

const [group, width, temperature, beta, epsilon, epsilonHigh, rate] = [3, 5, 0.8, 0.3, 0.02, 0.03, 0.3];

for (const lossType of GRPO_LOSS_TYPES) {
  test(`two steps on the same answers have the loss, the figures and the gradient of the paper's equations in float64: ${lossType}`, () => withoutLeaks(async () => {
    const [model, refModel] = [await policy(), await policy(2)];
    const [start, ref] = [await weightsOf(model), await weightsOf(refModel)];
    const kept: Weights[] = [];
    const { reward, drawn } = recordedReward();
    const trainer = new GRPOTrainer({
      model, refModel, tokenizer, reward, trainDataset: prompts, callbacks: [keepWeights(model, kept)],
      args: { ...PLAIN, learningRate: rate, maxSteps: 2, perDeviceTrainBatchSize: 4, numGenerations: group, numIterations: 2, maxCompletionLength: width, temperature, beta, epsilon, epsilonHigh, lossType },
    });
    await trainer.train();
    const answers = drawn.slice(0, prompts.length * group);
    const advantages = answers.map(({ score }, i) => {
      const own = answers.slice(Math.floor(i / group) * group).slice(0, group).map((answer) => answer.score);
      return (score - mean(own)) / (deviation(own) + 1e-4);
    });
    const old = answers.map((answer) => tokenFacts(answer, start, model, temperature));
    const reference = answers.map((answer) => tokenFacts(answer, ref, refModel, temperature).logps);
    const measure = (weights: Weights) => {
      const facts = answers.map((answer) => tokenFacts(answer, weights, model, temperature));
      const each = (of: (logp: number, i: number, t: number) => number): number[][] => facts.map(({ logps }, i) => logps.map((logp, t) => of(logp, i, t)));
      const ratio = (logp: number, i: number, t: number): number => Math.exp(logp - old[i]!.logps[t]!);
      const free = (logp: number, i: number, t: number): number => ratio(logp, i, t) * advantages[i]!;
      const held = (logp: number, i: number, t: number): number => clip(ratio(logp, i, t), 1 - epsilon, 1 + epsilonHigh) * advantages[i]!;
      const kl = each((logp, i, t) => Math.exp(reference[i]![t]! - logp) - (reference[i]![t]! - logp) - 1);
      const losses = each((logp, i, t) => -Math.min(free(logp, i, t), held(logp, i, t)) + beta * kl[i]![t]!);
      const byType: Record<GrpoLossType, number> = {
        grpo: mean(losses.map(mean)), bnpo: mean(losses.flat()), dapo: mean(losses.flat()), dr_grpo: sum(losses.flat()) / (answers.length * width),
      };
      return { loss: byType[lossType], kl: mean(kl.flat()), clipped: mean(each((logp, i, t) => Number(held(logp, i, t) < free(logp, i, t))).flat()), entropy: mean(facts.flatMap(({ entropies }) => entropies)) };
    };
    [start, kept[0]!].forEach((weights, step) => {
      const expected = measure(weights);
      const row = trainer.state.logHistory[step]!;
      allClose([row.loss!, row.kl!, row["clip_ratio/region_mean"]!, row.entropy!], [expected.loss, expected.kl, expected.clipped, expected.entropy], 2e-5, `step ${step + 1}`);
      allClose([row.reward!], [mean(answers.map(({ score }) => score))], 1e-6);
      assert.ok(row["sampling/sampling_logp_difference/max"]! < 1e-4);
      if (step === 1) assert.ok(expected.clipped > 0.05 && expected.clipped < 0.95, `some ratios are clipped at the second step, ${expected.clipped}`);
    });
    checkGradients(start, kept[0]!, rate, PARAMETERS, (weights) => measure(weights).loss);
    allClose(trainer.samples.map(({ advantage }) => advantage), advantages, 1e-6);
    assert.deepEqual(trainer.samples.map((sample) => [sample.prompt, sample.length, sample.reward]), answers.map(({ prompt, ids, score }) => [prompt, ids.length, score]));
    await disposeAll(trainer, [model, refModel]);
  }));
}

test("answers that are cut off are left out of the loss where asked, all of them too; a group of equal rewards has no gradient", () => withoutLeaks(async () => {
  const model = await policy();
  const start = await weightsOf(model);
  // With one token no answer but the end token itself ends.
  const cut = new GRPOTrainer({ model, tokenizer, reward: (_, __, [id]) => (id === 3 ? 0 : 1 + id!), trainDataset: prompts, args: { ...PLAIN, learningRate: 1, maxSteps: 1, perDeviceTrainBatchSize: 4, numGenerations: 2, maxCompletionLength: 1, maskTruncatedCompletions: true } });
  await cut.train();
  assert.equal(cut.state.logHistory[0]!["completions/clipped_ratio"], 1, "no answer of this seed ends");
  assert.equal(cut.state.logHistory[0]!.loss, 0);
  assert.deepEqual(await weightsOf(model), start);
  cut.dispose();
  const same = new GRPOTrainer({ model, tokenizer, reward: () => 5, trainDataset: prompts, args: { ...PLAIN, learningRate: 1, maxSteps: 1, perDeviceTrainBatchSize: 4, numGenerations: 2, maxCompletionLength: 3 } });
  await same.train();
  const row = same.state.logHistory[0]!;
  assert.deepEqual([row.frac_reward_zero_std, row.reward_std, row.grad_norm, row.reward], [1, 0, 0, 5]);
  await disposeAll(same, [model]);
}));

test("settings that cannot be run are refused by name before anything is drawn", async () => {
  const model = await policy();
  const make = (args: object, options: object = {}) => () => new GRPOTrainer({ model, tokenizer, reward: () => assert.fail("nothing may be drawn"), trainDataset: prompts, args, ...options } as never);
  assert.throws(make({ numGenerations: 1 }), /args.numGenerations is 1; a whole number of 2 or more/);
  assert.throws(make({ lossType: "ppo" }), /args.lossType is "ppo"; one of "grpo"/);
  assert.throws(make({ beta: -1 }), /args.beta is -1/);
  assert.throws(make({ beta: 0.1 }, { refModel: null }), /refModel is null/);
  assert.throws(make({ epsilon: 0 }), /args.epsilon is 0/);
  assert.throws(make({ scaleRewards: "all" }), /args.scaleRewards is "all"/);
  model.dispose();
});
