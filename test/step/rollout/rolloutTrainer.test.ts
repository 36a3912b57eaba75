import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { kernelKey, type KernelBridge } from "../../../src/engine/host";
import { generate } from "../../../src/generate/generate";
import type { LlamaForCausalLM } from "../../../src/model/llama";
import { GRPOTrainer, type GRPOTrainerOptions } from "../../../src/step/grpoTrainer";
import { PPOTrainer } from "../../../src/step/ppoTrainer";
import { ReinforceTrainer } from "../../../src/step/reinforceTrainer";
import { CheckpointError } from "../../../src/step/resume";
import { allClose } from "../../engine/close";
import { inTemporaryFolder } from "../../hub/python";
import { weightsOf } from "../../model/reference";
import { classifier, disposeAll, policy, prompts, recordedReward, tokenizer, withoutLeaks } from "./rolloutCase";

const args = { learningRate: 1e-2, loggingSteps: 1, maxSteps: 4, perDeviceTrainBatchSize: 2, numGenerations: 2, maxCompletionLength: 4 };

/** A GRPO trainer on a fresh model, everything disposed afterwards. */
async function withTrainer<T>(options: Partial<GRPOTrainerOptions>, work: (trainer: GRPOTrainer, model: LlamaForCausalLM) => Promise<T>): Promise<T> {
  let result: T;
  await withoutLeaks(async () => {
    const model = await policy();
    const trainer = new GRPOTrainer({ model, tokenizer, reward: recordedReward().reward, trainDataset: prompts, ...options, args: { ...args, ...options.args } });
    result = await work(trainer, model);
    await disposeAll(trainer, [model]);
  });
  return result!;
}

test("answers are drawn with the weights of each iteration, from the run's seed: the same run gives the same numbers", async () => {
  const run = (seed: number) => withTrainer({ args: { seed, numIterations: 2, beta: 0.1, temperature: 0.9 } }, async (trainer, model) => {
    await trainer.train();
    return { history: trainer.state.logHistory, weights: await weightsOf(model) };
  });
  const first = await run(7);
  assert.deepEqual(await run(7), first);
  assert.notDeepEqual((await run(8)).history, first.history);
  assert.deepEqual(first.history.map(({ step }) => step), [1, 2, 3, 4]);
  // Two steps share an iteration's answers, and with two prompts of four in a batch two iterations are an epoch.
  const rewards = first.history.map((row) => row.reward!);
  assert.ok(rewards[0] === rewards[1] && rewards[2] === rewards[3] && rewards[1] !== rewards[2]);
  assert.deepEqual(first.history.map(({ epoch }) => epoch), [0.25, 0.5, 0.75, 1]);
  assert.equal(first.history[0]!["clip_ratio/region_mean"], 0);
  allClose([first.history[0]!.kl!], [0], 1e-6, "the reference is the policy as it began");
  assert.ok(first.history[3]!.kl! > 1e-4);
});

test("log-probabilities drawn and recomputed differ by rounding alone, and by more where weights are rounded", async () => {
  const differences = (decodeWeights: "float32" | "bfloat16") => withTrainer({ args: { maxSteps: 1, temperature: 0.7, decodeWeights } }, async (trainer) => {
    await trainer.train();
    const [row] = trainer.state.logHistory;
    return [row!["sampling/sampling_logp_difference/mean"]!, row!["sampling/sampling_logp_difference/max"]!] as const;
  });
  const [mean, most] = await differences("float32");
  assert.ok(mean > 0 && most < 1e-4, `${mean}, ${most}`);
  const [rounded, roundedMost] = await differences("bfloat16");
  assert.ok(rounded > 1e-4 && roundedMost < 0.3, `${rounded}, ${roundedMost}`);
});

/** Runs that differ in what a checkpoint must hold: an iteration's number and a β, a value network, a moving baseline, an adapter. */
const runs = {
  async ppo(outputDir: string, maxSteps?: number) {
    const [model, valueModel] = [await policy(), await classifier(3)];
    const trainer: PPOTrainer = new PPOTrainer({
      model, valueModel, tokenizer, reward: recordedReward().reward, trainDataset: prompts, callbacks: stopAfter(maxSteps, () => trainer),
      args: { outputDir, learningRate: 1e-2, loggingSteps: 1, maxSteps: 12, saveSteps: 4, perDeviceTrainBatchSize: 4, numPpoEpochs: 2, numMiniBatches: 2, responseLength: 4, klCoef: 0.1, targetKl: 0.01, klHorizon: 20 },
    });
    return { trainer, models: [model, valueModel], all: async () => [await weightsOf(model), await weightsOf(valueModel)] };
  },
  async reinforce(outputDir: string, maxSteps?: number) {
    const model = await policy();
    const trainer: ReinforceTrainer = new ReinforceTrainer({
      model, tokenizer, reward: recordedReward().reward, trainDataset: prompts, callbacks: stopAfter(maxSteps, () => trainer), peftConfig: { r: 2 },
      args: { outputDir, learningRate: 1e-2, loggingSteps: 1, maxSteps: 6, saveSteps: 2, perDeviceTrainBatchSize: 4, maxCompletionLength: 4, beta: 0.1, baselineStart: null },
    });
    return { trainer, models: [model], all: async () => [await Promise.all([...trainer.lora!.parameters.values()].map(async (variable) => Array.from(await variable.data())))] };
  },
};

function stopAfter(step: number | undefined, trainer: () => { stop(): void }) {
  return step === undefined ? [] : [{ onStepEnd: (state: { step: number }) => void (state.step === step && trainer().stop()) }];
}

for (const [name, make] of Object.entries(runs)) {
  test(`a run that ended in the middle of an iteration goes on from its last checkpoint to the same numbers bit for bit: ${name}`, () => withoutLeaks(() => inTemporaryFolder(async (folder) => {
    const finish = async (run: Awaited<ReturnType<typeof make>>, resume: boolean) => {
      await run.trainer.train({ resumeFromCheckpoint: resume });
      const result = { history: run.trainer.state.logHistory, weights: await run.all() };
      if ("lora" in run.trainer && run.trainer.lora) run.trainer.lora.unload();
      await disposeAll(run.trainer, run.models);
      return result;
    };
    const whole = await finish(await make(path.join(folder, "whole")), false);
    const stopped = await finish(await make(path.join(folder, "cut"), 5), false);
    assert.equal(stopped.history.length, 5);
    const resumed = await finish(await make(path.join(folder, "cut")), true);
    assert.deepEqual(resumed, whole);
  })));
}

test("a run stopped in the middle of an iteration goes on in the same trainer as if it had not been", async () => {
  const run = (at: number | null) => withTrainer({ args: { numIterations: 3, maxSteps: 9 }, callbacks: [] }, async (trainer, model) => {
    if (at !== null) {
      const watch = setInterval(() => trainer.state.step >= at && trainer.stop(), 1);
      await trainer.train();
      clearInterval(watch);
      assert.ok(trainer.state.stopped);
    }
    await trainer.train();
    return [trainer.state.step, await weightsOf(model)];
  });
  assert.deepEqual(await run(2), await run(null));
});

test("Stop while answers are drawn ends the run with what was reached, and it can go on", async () => {
  const controller = new AbortController();
  const bridge: KernelBridge = { display: () => undefined, clearOutput: () => undefined, bundleOf: () => ({}), signal: controller.signal };
  const host = globalThis as { [kernelKey]?: KernelBridge };
  await withTrainer({ args: { maxCompletionLength: 40, maxSteps: 2 } }, async (trainer, model) => {
    const before = await weightsOf(model);
    host[kernelKey] = bridge;
    try {
      setTimeout(() => controller.abort(), 30);
      const output = await trainer.train();
      assert.deepEqual([output.globalStep, output.stopped], [0, true]);
      assert.deepEqual(await weightsOf(model), before);
    } finally {
      delete host[kernelKey];
    }
    assert.equal((await trainer.train()).globalStep, 2);
  });
});

test("held-out prompts are answered from the same seed each time and scored", () => withTrainer({ evalDataset: prompts.slice(0, 3), args: { evalSteps: 2 } }, async (trainer) => {
  const first = (await trainer.evaluate())!;
  assert.deepEqual(Object.keys(first).sort(), ["epoch", "eval_completions/clipped_ratio", "eval_completions/mean_length", "eval_num_tokens", "eval_reward", "step"]);
  assert.deepEqual(await trainer.evaluate(), first);
  await trainer.train();
  assert.deepEqual(trainer.state.logHistory.filter((row) => "eval_reward" in row).map(({ step }) => step), [0, 0, 2, 4]);
}));

test("chats are answered behind the head of the assistant's turn, and a reward model reads them by its template", () => withoutLeaks(async () => {
  const [model, reward] = [await policy(), await classifier(5)];
  const trainer = new GRPOTrainer({ model, tokenizer, reward: { model: reward, tokenizer }, trainDataset: [{ prompt: [{ role: "user", content: "abc" }] }], args: { ...args, maxSteps: 1 } });
  assert.deepEqual(trainer.trainRows[0]!.prompt_input_ids, tokenizer.encode("<user>abc<bot>"));
  await trainer.train();
  assert.equal(trainer.samples[0]!.prompt, "abc");
  await disposeAll(trainer, [model, reward]);
}));

test("under an adapter the model's own weights stay, and the reference is the model without it", () => withTrainer({ peftConfig: { r: 2 }, args: { beta: 0.1, numIterations: 2 } }, async (trainer, model) => {
  const before = await weightsOf(model);
  await trainer.train();
  assert.deepEqual(await weightsOf(model), before);
  allClose([trainer.state.logHistory[0]!.kl!], [0], 1e-6);
  assert.ok(trainer.state.logHistory[3]!.kl! > 1e-6);
  assert.ok((await generate(model, [[5]], { maxNewTokens: 2 })).sequences[0]!.length > 0);
  trainer.lora!.unload();
}));

test("a reward function that fails, or gives no number, ends the run before anything is learnt", async () => {
  await withTrainer({ reward: () => NaN }, async (trainer, model) => {
    const before = await weightsOf(model);
    await assert.rejects(trainer.train(), /reward of an answer is NaN/);
    assert.deepEqual(await weightsOf(model), before);
  });
  await withTrainer({ reward: () => { throw new Error("no answer from the judge"); } }, (trainer) => assert.rejects(trainer.train(), /no answer from the judge/));
});

test("bad input is refused before anything is drawn", () => withoutLeaks(async () => {
  const model = await policy();
  const make = (given: object, own: object = {}) => () => new GRPOTrainer({ model, tokenizer, reward: () => assert.fail("nothing may be drawn"), trainDataset: prompts, ...own, args: { ...args, ...given } } as never);
  assert.throws(make({}, { trainDataset: [{ prompt: "ab" }, { prompt: "" }] }), /Row 1: prompt has no tokens/);
  assert.throws(make({}, { trainDataset: [{ prompt: 5 }] }), /Row 0: prompt is number/);
  assert.throws(make({}, { trainDataset: [] }), /training set is empty/);
  assert.throws(make({ maxCompletionLength: 64 }), /Row 0 of trainDataset: the prompt takes 2 tokens and an answer up to 64; the model has 64 positions/);
  assert.throws(make({}, { reward: 5 }), /reward must be a function/);
  assert.throws(make({ gradientAccumulationSteps: 2 }), /args.gradientAccumulationSteps is 2; 1 /);
  assert.throws(make({ saveSteps: 3, outputDir: "somewhere", numIterations: 2 }), /args.saveSteps is 3; .*a multiple of 2/);
  assert.throws(make({ temperature: 0 }), /args.temperature is 0/);
  assert.throws(make({ topP: 2 }), /args.topP is 2/);
  assert.throws(make({ klEstimator: "k4" }), /"k4"; known are k1, k2, k3/);
  const endless = new Proxy(tokenizer, { get: (target, key) => (key === "eosTokenId" ? null : Reflect.get(target, key) as unknown) });
  assert.throws(make({}, { tokenizer: endless }), /names no end token/);
  model.dispose();
}));

test("a checkpoint of other weights or another reward model is not continued", () => withoutLeaks(() => inTemporaryFolder(async (folder) => {
  const run = async (seed: number, resume: boolean) => {
    const [model, reward] = [await policy(), await classifier(seed)];
    const trainer = new GRPOTrainer({ model, tokenizer, reward: { model: reward, tokenizer }, trainDataset: prompts, args: { ...args, outputDir: folder, saveSteps: 2, maxSteps: 2 } });
    try {
      await trainer.train({ resumeFromCheckpoint: resume });
    } finally {
      await disposeAll(trainer, [model, reward]);
    }
  };
  await run(5, false);
  await assert.rejects(run(6, true), (error: Error) => error instanceof CheckpointError && /begun from other weights/.test(error.message));
})));
