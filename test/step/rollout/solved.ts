import assert from "node:assert/strict";
import { tf } from "../../../src/engine/backend";
import { RandomSource } from "../../../src/engine/random";
import { LlamaForCausalLM } from "../../../src/model/llama";
import { GRPOTrainer } from "../../../src/step/grpoTrainer";
import { PPOTrainer } from "../../../src/step/ppoTrainer";
import { ReinforceTrainer } from "../../../src/step/reinforceTrainer";
import { RLOOTrainer } from "../../../src/step/rlooTrainer";
import { disposeAll, tokenizer } from "./rolloutCase";

export const SEEDS = [1, 2, 3, 4, 5];
/** Ids of the tokenizer up to the letter g. */
const VOCABULARY = 12;
const END = 3;

/** A decision problem: the prompts are its first states, tokens its actions, and an answer's reward is known. */
export interface Problem {
  prompts: string[];
  length: number;
  reward(prompt: string, ids: readonly number[]): number;
  /** The greatest expected reward that a policy can have. */
  optimum: number;
}

/** A policy of one layer that begins near to uniform. */
async function smallPolicy(seed: number): Promise<LlamaForCausalLM> {
  const random = new RandomSource(seed);
  const config = {
    model_type: "llama", vocab_size: VOCABULARY, hidden_size: 16, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 2, num_key_value_heads: 2, head_dim: 8, hidden_act: "silu",
    rms_norm_eps: 1e-5, rope_theta: 10000, max_position_embeddings: 32, tie_word_embeddings: false, bos_token_id: 1, eos_token_id: END, pad_token_id: 0,
  };
  return LlamaForCausalLM.create(config, (name, shape) => Float32Array.from({ length: shape.reduce((product, n) => product * n, 1) }, () => (name.includes("norm") ? 1 : 0) + 0.15 * random.normal()));
}

/** The expected reward under the policy, summed over every answer that there can be. */
function expectedReward(model: LlamaForCausalLM, { prompts, length, reward }: Problem): number {
  const probabilities = (contexts: number[][]): Float32Array => tf.tidy(() => {
    const logits = model.forward(tf.tensor2d(contexts, [contexts.length, contexts[0]!.length], "int32"));
    return tf.softmax(tf.slice(logits, [0, contexts[0]!.length - 1, 0], [-1, 1, -1])).dataSync() as Float32Array;
  });
  const of = (prompt: string): number => {
    let open: { ids: number[]; p: number }[] = [{ ids: [], p: 1 }];
    let total = 0;
    for (let t = 1; t <= length; t++) {
      const p = probabilities(open.map(({ ids }) => [...tokenizer.encode(prompt), ...ids]));
      const next = open.flatMap((path, i) => Array.from({ length: VOCABULARY }, (_, id) => ({ ids: [...path.ids, id], p: path.p * p[i * VOCABULARY + id]! })));
      const isOver = ({ ids }: { ids: number[] }): boolean => ids.at(-1) === END || t === length;
      for (const path of next.filter(isOver)) total += path.p * reward(prompt, path.ids);
      // Paths of next to no probability are many, and their rewards are at most 1.
      open = next.filter((path) => !isOver(path) && path.p > 1e-6);
    }
    return total;
  };
  return prompts.reduce((sum, prompt) => sum + of(prompt), 0) / prompts.length;
}

export type Algorithm = "reinforce" | "rloo" | "grpo" | "ppo";

/** Answers of an iteration: enough that every arm is met before one that pays less has won. */
const DRAWN = 128;
const GROUP = 8;

/** A trainer of each algorithm, all with as many answers an iteration. */
function trainerOf(algorithm: Algorithm, model: LlamaForCausalLM, { prompts, length, reward }: Problem, seed: number, iterations: number) {
  const rows = (each: number): { prompt: string }[] => Array.from({ length: DRAWN / each }, (_, i) => ({ prompt: prompts[i % prompts.length]! }));
  const common = { model, tokenizer, reward: (prompt: string, _text: string, ids: readonly number[]) => reward(prompt, ids) };
  const args = { seed, learningRate: 0.005, lrSchedulerType: "constant" as const, maxSteps: iterations, loggingSteps: iterations, maxGradNorm: 1, temperature: 1 };
  if (algorithm === "reinforce") return new ReinforceTrainer({ ...common, trainDataset: rows(1), args: { ...args, maxCompletionLength: length, perDeviceTrainBatchSize: DRAWN, whitenAdvantages: true } });
  if (algorithm === "rloo") return new RLOOTrainer({ ...common, trainDataset: rows(GROUP), args: { ...args, maxCompletionLength: length, perDeviceTrainBatchSize: DRAWN / GROUP, numGenerations: GROUP, beta: 0, normalizeAdvantages: true } });
  if (algorithm === "grpo") return new GRPOTrainer({ ...common, trainDataset: rows(GROUP), args: { ...args, maxCompletionLength: length, perDeviceTrainBatchSize: DRAWN / GROUP, numGenerations: GROUP } });
  return new PPOTrainer({ ...common, refModel: null, trainDataset: rows(1), args: { ...args, maxSteps: 2 * iterations, responseLength: length, perDeviceTrainBatchSize: DRAWN, numPpoEpochs: 2, klCoef: 0, vfCoef: 0.5 } });
}

/** Trains from every seed; each must come from below `start` of the optimum to above 0.95 of it. */
export async function solves(algorithm: Algorithm, problem: Problem, { start, iterations }: { start: number; iterations: number }): Promise<void> {
  for (const seed of SEEDS) {
    const model = await smallPolicy(seed);
    const before = expectedReward(model, problem);
    assert.ok(before < start * problem.optimum, `seed ${seed} begins at ${before}`);
    const trainer = trainerOf(algorithm, model, problem, seed, iterations);
    await trainer.train();
    const after = expectedReward(model, problem);
    await disposeAll(trainer, [model]);
    assert.ok(after > 0.95 * problem.optimum, `seed ${seed}: the expected reward is ${after}, from ${before}; the best is ${problem.optimum}`);
  }
}
