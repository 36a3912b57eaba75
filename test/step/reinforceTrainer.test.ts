import assert from "node:assert/strict";
import { test } from "node:test";
import { ReinforceTrainer, type ReinforceConfig } from "../../src/step/reinforceTrainer";
import { allClose } from "../engine/close";
import { weightsOf, type Weights } from "../model/reference";
import { checkGradients, disposeAll, keepWeights, mean, PARAMETERS, PLAIN, policy, prompts, recordedReward, sum, tokenFacts, tokenizer, withoutLeaks, type Drawn } from "./rollout/rolloutCase";

const rate = 0.05;

/** A step's answers with their log-probabilities under the weights that drew them. */
interface Batch {
  answers: Drawn[];
  /** Of the likeliest answers, where they are scored too. */
  greedy: Drawn[];
  logps: number[][];
  refLogps: number[][];
}

interface Case {
  args: Partial<ReinforceConfig>;
  /** What is taken off the rewards. */
  baseline(rewards: number[], batch: Batch, earlier: number[]): number[];
}

const group = 2;
const cases: Record<string, Case> = {
  "no baseline": { args: { baseline: "none" }, baseline: (rewards) => rewards.map(() => 0) },
  "a moving average from 0": { args: { baselineAlpha: 0.5 }, baseline: (rewards, _, earlier) => rewards.map(() => earlier.reduce((b, r) => 0.5 * b + 0.5 * r, 0)) },
  "a moving average from the first batch": {
    args: { baselineAlpha: 0.5, baselineStart: null }, baseline: (rewards, _, earlier) => rewards.map(() => (earlier.length === 0 ? mean(rewards) : earlier.slice(1).reduce((b, r) => 0.5 * b + 0.5 * r, earlier[0]!))),
  },
  "leave one out": { args: { baseline: "leave_one_out" }, baseline: (rewards) => rewards.map((_, i) => rewards[i ^ 1]!) },
  "the likeliest answer": { args: { baseline: "greedy", missingEosPenalty: 0.3 }, baseline: (rewards, { greedy }) => rewards.map((_, i) => greedy[Math.floor(i / group)]!.score - (greedy[Math.floor(i / group)]!.ids.at(-1) === 3 ? 0 : 0.3)) },
  "KL and entropy in the reward": { args: { baseline: "none", beta: 0.2, entropyCoef: 0.1 }, baseline: (rewards) => rewards.map(() => 0) },
  "KL in the loss": { args: { baseline: "none", beta: 0.2, klPlacement: "loss", klEstimator: "k2" }, baseline: (rewards) => rewards.map(() => 0) },
};

for (const [name, { args, baseline }] of Object.entries(cases)) {
  test(`advantages, loss and gradient are those of the equations in float64: ${name}`, () => withoutLeaks(async () => {
    const [model, refModel] = [await policy(), await policy(2)];
    const [start, ref] = [await weightsOf(model), await weightsOf(refModel)];
    const kept: Weights[] = [];
    const { reward, drawn } = recordedReward();
    const { beta = 0, klPlacement = "reward", entropyCoef = 0, missingEosPenalty = 0 } = args;
    const trainer = new ReinforceTrainer({
      model, ...(beta > 0 ? { refModel } : {}), tokenizer, reward, trainDataset: prompts, callbacks: [keepWeights(model, kept)],
      args: { ...PLAIN, learningRate: rate, maxSteps: 2, perDeviceTrainBatchSize: 4, numGenerations: group, maxCompletionLength: 4, ...args },
    });
    await trainer.train();
    const count = prompts.length * group;
    const each = count + (args.baseline === "greedy" ? prompts.length : 0);
    const earlier: number[] = [];
    [start, kept[0]!].forEach((weights, step) => {
      const answers = drawn.slice(step * each, step * each + count);
      const logpsOf = (own: Weights, of = model): number[][] => answers.map((answer) => tokenFacts(answer, own, of, 1).logps);
      const batch: Batch = { answers, greedy: drawn.slice(step * each + count, (step + 1) * each), logps: logpsOf(weights), refLogps: logpsOf(ref, refModel) };
      const kl = batch.logps.map((own, i) => sum(own) - sum(batch.refLogps[i]!));
      const rewards = answers.map(({ score, ids }, i) => score - (ids.at(-1) === 3 ? 0 : missingEosPenalty!) - (klPlacement === "reward" ? beta * kl[i]! : 0) - entropyCoef * sum(batch.logps[i]!));
      const values = baseline(rewards, batch, earlier);
      earlier.push(mean(rewards));
      const advantages = rewards.map((own, i) => own - values[i]!);
      const lossOf = (own: Weights): number => {
        const logps = logpsOf(own);
        const penalty = klPlacement === "loss" ? beta * mean(logps.map((tokens, i) => sum(tokens.map((logp, t) => (logp - batch.refLogps[i]![t]!) ** 2 / 2)))) : 0;
        return penalty - mean(logps.map((tokens, i) => advantages[i]! * sum(tokens)));
      };
      const row = trainer.state.logHistory[step]!;
      allClose([row.loss!, row.baseline!], [lossOf(weights), mean(values)], 1e-4, `step ${step + 1}`);
      if (step === 0) checkGradients(start, kept[0]!, rate, PARAMETERS, lossOf);
      else allClose(trainer.samples.map(({ advantage }) => advantage), advantages, 1e-4, "advantages of the last step");
    });
    await disposeAll(trainer, [model, refModel]);
  }));
}

test("settings that cannot be run are refused by name", async () => {
  const model = await policy();
  const make = (args: object) => () => new ReinforceTrainer({ model, tokenizer, reward: () => 0, trainDataset: prompts, args } as never);
  assert.throws(make({ baseline: "value" }), /args.baseline is "value"; one of "none"/);
  assert.throws(make({ baseline: "leave_one_out" }), /args.numGenerations is 1; at least 2 for the baseline/);
  assert.throws(make({ baselineAlpha: 1 }), /args.baselineAlpha is 1/);
  assert.throws(make({ klPlacement: "both" }), /args.klPlacement is "both"/);
  model.dispose();
});
