/**
 * Records the curves in test/fixtures/health: logs of small real runs, sound and unsound ones, that the health rules are
 * tested on. Run once; the files are kept.
 *
 *   node --import tsx test/log/health/record.ts [NAME…]
 */
import path from "node:path";
import type { Scalar, Tensor2D } from "@tensorflow/tfjs";
import { loadPreferenceRows, type PreferenceRow } from "../../../src/data/preference";
import { tf } from "../../../src/engine/backend";
import { HandOptimizer } from "../../../src/exercises/handTraining";
import { generate } from "../../../src/generate/generate";
import { PACKAGED_MODEL } from "../../../src/hub/cache";
import { writeJsonl } from "../../../src/step/jsonl";
import { loadModel } from "../../../src/model/load";
import type { LlamaForCausalLM } from "../../../src/model/llama";
import type { LogRow } from "../../../src/step/callbacks";
import { DPOTrainer, type DPOConfig } from "../../../src/step/dpoTrainer";
import { SFTTrainer } from "../../../src/step/sftTrainer";
import { tinyModel } from "../../generate/tinyModel";
import { tinyRows, tinyTokenizer } from "../../step/tiny";

const FOLDER = path.join(__dirname, "../../fixtures/health");
const tokenizer = tinyTokenizer();
const END = 3;

const start = (): Promise<LlamaForCausalLM> => tinyModel({ vocab: 32, scale: 0.2, positions: 64, eos: END });

/** Values at five significant digits: what a rule can see, in small files. */
const rounded = (row: LogRow): LogRow => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, Number.isFinite(value) ? Number(value.toPrecision(5)) : value])) as LogRow;

async function dpo(rows: PreferenceRow[], args: Partial<DPOConfig>, model: LlamaForCausalLM, refModel?: LlamaForCausalLM): Promise<LogRow[]> {
  const trainer = new DPOTrainer({ model, tokenizer, trainDataset: rows, ...(refModel ? { refModel } : {}), args: { loggingSteps: 1, perDeviceTrainBatchSize: 8, precision: "float32", ...args } });
  await trainer.train();
  const log = [...trainer.state.logHistory];
  trainer.dispose();
  return log;
}

/** The packaged model on the first tokens of the packaged rows. */
async function packaged(learningRate: number): Promise<LogRow[]> {
  const { model, tokenizer: own } = await loadModel(PACKAGED_MODEL);
  const trainDataset = (await loadPreferenceRows("human-like")).slice(0, 64);
  const args = { loggingSteps: 1, learningRate, maxSteps: 24, perDeviceTrainBatchSize: 2, maxPromptLength: 48, maxCompletionLength: 48, precision: "bfloat16" as const };
  const trainer = new DPOTrainer({ model, tokenizer: own, trainDataset, args });
  await trainer.train();
  return trainer.state.logHistory;
}

async function afterSft(rows: PreferenceRow[], steps: number): Promise<LlamaForCausalLM> {
  const model = await start();
  const trainDataset = rows.flatMap(({ prompt, chosen, rejected }) =>
    [chosen, rejected].map((content) => ({ prompt: [{ role: "user" as const, content: prompt }], completion: [{ role: "assistant" as const, content }] })),
  );
  const trainer = new SFTTrainer({ model, tokenizer, trainDataset, args: { learningRate: 1e-2, maxSteps: steps, perDeviceTrainBatchSize: 16, precision: "float32" } });
  await trainer.train();
  trainer.dispose();
  return model;
}

/** Answers that differ in their last letter only, as in Pal et al. (2024). */
const nearRows = (): PreferenceRow[] => tinyRows(32).map(({ prompt, chosen }) => ({ prompt, chosen: `${chosen}abcdefk`, rejected: `${chosen}abcdefz` }));

interface Reinforcement {
  reward(answer: readonly number[]): number;
  learningRate: number;
  /** Weight of the KL to the reference in the reward. */
  klCoefficient?: number;
  entropyBonus?: number;
  topK?: number;
  steps?: number;
}

const [ROWS, LENGTH] = [32, 16];

/** REINFORCE (Williams 1992) with the batch's mean as baseline and r − β·KL as reward, under TRL's log names. */
async function reinforce(options: Reinforcement, policy: LlamaForCausalLM): Promise<LogRow[]> {
  const reference = await policy.clone();
  const optimizer = new HandOptimizer(policy);
  const prompts = Array.from({ length: ROWS }, (_, row) => [1, 5 + (row % 26), 2]);
  const width = prompts[0]!.length + LENGTH;
  const log: LogRow[] = [];
  const maxSteps = options.steps ?? 40;
  for (let step = 1; step <= maxSteps; step++) {
    const { sequences } = await generate(policy, prompts, { maxNewTokens: LENGTH, doSample: true, seed: step, ...(options.topK ? { topK: options.topK } : {}) });
    const ids = sequences.map((answer, row) => [...prompts[row]!, ...answer, ...new Array<number>(LENGTH - answer.length).fill(0)]);
    const inputs = tf.tensor2d(ids, [ROWS, width], "int32");
    const counted = tf.tensor2d(sequences.map((answer) => Array.from({ length: width - 1 }, (_, t) => (t >= 2 && t < 2 + answer.length ? 1 : 0))));
    const scores = (model: LlamaForCausalLM): { logps: Tensor2D; entropy: Scalar } => {
      const all = tf.logSoftmax(tf.slice(model.forward(inputs), [0, 0, 0], [ROWS, width - 1, -1]));
      const targets = tf.oneHot(tf.slice(inputs, [0, 1], [ROWS, width - 1]), 32);
      const entropies = tf.neg(tf.sum(tf.mul(tf.exp(all), all), -1));
      return { logps: tf.mul(tf.sum(tf.mul(all, targets), -1), counted) as Tensor2D, entropy: tf.div(tf.sum(tf.mul(entropies, counted)), tf.sum(counted)) as Scalar };
    };
    const before = tf.tidy(() => tf.sum(tf.sub(scores(policy).logps, scores(reference).logps), 1));
    const kl = Array.from(await before.data());
    const rewards = sequences.map((answer) => options.reward(answer));
    const totals = rewards.map((reward, row) => reward - (options.klCoefficient ?? 0) * kl[row]!);
    const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
    const baseline = mean(totals);
    const advantages = tf.tensor2d(totals.map((total) => [total - baseline]));
    optimizer.next(options.learningRate);
    const [loss, entropy] = tf.tidy(() => {
      const results = optimizer.minimize<[Scalar, Scalar]>(() => {
        const { logps, entropy: spread } = scores(policy);
        const gain = tf.mean(tf.sum(tf.mul(logps, advantages), 1));
        return [tf.sub(tf.neg(gain), tf.mul(spread, options.entropyBonus ?? 0)) as Scalar, spread];
      });
      return results.map((value) => value.dataSync()[0]!);
    });
    log.push({
      step, epoch: step / maxSteps, loss: loss!, learning_rate: options.learningRate, reward: mean(rewards), "objective/kl": mean(kl), entropy: entropy!,
      "completions/mean_length": mean(sequences.map((answer) => answer.length)),
    });
    tf.dispose([inputs, counted, before, advantages]);
  }
  optimizer.dispose();
  reference.dispose();
  return log;
}

const share = (answer: readonly number[], counts: (id: number) => boolean): number => answer.filter(counts).length / Math.max(1, answer.length);

const RUNS: Record<string, () => Promise<LogRow[]>> = {
  "dpo-sound": async () => dpo(tinyRows(64), { learningRate: 2e-3, maxSteps: 48 }, await start()),
  "dpo-chosen-falls": async () => dpo(nearRows(), { learningRate: 1e-2, maxSteps: 48 }, await afterSft(nearRows(), 100)),
  "dpo-leak": async () => {
    const [model, reference] = [await start(), await start()];
    await dpo(tinyRows(32), { learningRate: 5e-3, maxSteps: 40 }, model, reference);
    return dpo(tinyRows(32), { learningRate: 1e-4, maxSteps: 24 }, model, reference);
  },
  "dpo-rate-zero": async () => dpo(tinyRows(32), { learningRate: 0, maxSteps: 12 }, await start()),
  "dpo-smollm-sound": async () => packaged(1e-5),
  "dpo-smollm-chosen-falls": async () => packaged(5e-5),
  "rl-loss-nan": async () => reinforce({ reward: (answer) => share(answer, (id) => id < 18), learningRate: 3e18, steps: 6 }, await start()),
  "rl-sound": async () => reinforce({ reward: (answer) => share(answer, (id) => id < 18), learningRate: 1e-3, klCoefficient: 0.05 }, await afterSft(tinyRows(64), 60)),
  "rl-entropy-collapses": async () => reinforce({ reward: (answer) => share(answer, (id) => id === 7), learningRate: 1e-2 }, await start()),
  "rl-entropy-explodes": async () => reinforce({ reward: () => 0, learningRate: 2e-3, entropyBonus: 5 }, await afterSft(tinyRows(64), 150)),
  "rl-kl-negative": async () => reinforce({ reward: () => 0, learningRate: 1e-4, entropyBonus: 1, topK: 2 }, await afterSft(tinyRows(64), 150)),
  "rl-length-grows": async () => reinforce({ reward: (answer) => answer.length / LENGTH, learningRate: 1e-3 }, await afterSft(tinyRows(64), 100)),
};

async function main(names: string[]): Promise<void> {
  for (const [name, run] of Object.entries(RUNS)) {
    if (names.length > 0 && !names.includes(name)) continue;
    const rows = (await run()).map(rounded);
    writeJsonl(path.join(FOLDER, `${name}.jsonl`), rows);
    process.stdout.write(`${name}: ${rows.length} rows\n`);
  }
}

void main(process.argv.slice(2));
