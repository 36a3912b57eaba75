import assert from "node:assert/strict";
import { engineMemory } from "../../../src/engine/info";
import { disposeGeneration } from "../../../src/generate/session";
import { LlamaForSequenceClassification } from "../../../src/model/classification";
import type { LlamaForCausalLM } from "../../../src/model/llama";
import type { TrainerCallback } from "../../../src/step/callbacks";
import type { RewardFunction } from "../../../src/step/rollout/rewards";
import { tinyModel } from "../../generate/tinyModel";
import { referenceLogits, weightsOf, type Weights } from "../../model/reference";
import { tinyTokenizer } from "../tiny";

export const tokenizer = tinyTokenizer();

export const policy = (seed = 1): Promise<LlamaForCausalLM> => tinyModel({ vocab: 32, scale: 0.3, positions: 64, eos: 3, seed });

/** A classifier of one label on a body of its own. */
export async function classifier(seed: number): Promise<LlamaForSequenceClassification> {
  const base = await policy(seed);
  try {
    return await LlamaForSequenceClassification.fromCausalLM(base, { numLabels: 1, seed });
  } finally {
    base.dispose();
  }
}

export const prompts = ["ab", "cde", "fgha", "k"].map((prompt) => ({ prompt }));

/** An answer that was drawn, as the reward function met it. */
export interface Drawn {
  prompt: string;
  ids: number[];
  score: number;
}

/** A reward without meaning that differs from answer to answer, and the answers that it was asked of, in order. */
export function recordedReward(): { reward: RewardFunction; drawn: Drawn[] } {
  const drawn: Drawn[] = [];
  return {
    drawn,
    reward: (prompt, _text, ids) => {
      const score = (ids.reduce((sum, id, t) => sum + id * (t + 3), 0) % 17) / 5 - 1;
      drawn.push({ prompt, ids: [...ids], score });
      return score;
    },
  };
}

/** Keeps a model's weights after each step. */
export function keepWeights(model: LlamaForCausalLM | LlamaForSequenceClassification, kept: Weights[]): TrainerCallback {
  return { onStepEnd: async () => void kept.push(await weightsOf(model)) };
}

/** Runs `work` and makes sure that afterwards nothing more is alive than before. */
export async function withoutLeaks(work: () => Promise<void>): Promise<void> {
  const start = engineMemory();
  await work();
  assert.deepEqual(engineMemory(), start, "tensors and handles");
}

/** Frees a trainer and then models, with what generation keeps of them. */
export async function disposeAll(trainer: { dispose(): void }, models: readonly (LlamaForCausalLM | LlamaForSequenceClassification)[]): Promise<void> {
  trainer.dispose();
  for (const model of models) {
    await disposeGeneration(model as LlamaForCausalLM);
    model.dispose();
  }
}

export interface TokenFacts {
  logps: number[];
  entropies: number[];
}

/** log p of each token of an answer under softmax(logits / temperature), and that distribution's entropy, in float64. */
export function tokenFacts({ prompt, ids }: Pick<Drawn, "prompt" | "ids">, weights: Weights, model: LlamaForCausalLM, temperature: number): TokenFacts {
  const promptIds = tokenizer.encode(prompt);
  const logits = referenceLogits([...promptIds, ...ids].slice(0, -1), weights, model.config).slice(promptIds.length - 1);
  const rows = logits.map((row) => {
    const scaled = row.map((value) => value / temperature);
    const most = Math.max(...scaled);
    const total = most + Math.log(scaled.reduce((sum, value) => sum + Math.exp(value - most), 0));
    return scaled.map((value) => value - total);
  });
  return { logps: ids.map((id, t) => rows[t]![id]!), entropies: rows.map((row) => -row.reduce((sum, value) => sum + Math.exp(value) * value, 0)) };
}

/** V of the state before each token, in float64. */
export function tokenValues({ prompt, ids }: Pick<Drawn, "prompt" | "ids">, weights: Weights, model: LlamaForSequenceClassification): number[] {
  const promptIds = tokenizer.encode(prompt);
  return referenceLogits([...promptIds, ...ids].slice(0, -1), { ...weights, "lm_head.weight": weights["score.weight"]! }, model.config).slice(promptIds.length - 1).map(([value]) => value!);
}

/**
 * Compares the way that plain SGD went from one step to the next with central differences of a float64 loss: at the entry
 * of each parameter that moved most.
 */
export function checkGradients(before: Weights, after: Weights, rate: number, names: readonly string[], lossOf: (weights: Weights) => number, tolerance = 2e-3): void {
  for (const name of names) {
    const moved = after[name]!.map((value, i) => (before[name]![i]! - value) / rate);
    const at = moved.reduce((best, value, i) => (Math.abs(value) > Math.abs(moved[best]!) ? i : best), 0);
    const shifted = (by: number): number => lossOf({ ...before, [name]: before[name]!.with(at, before[name]![at]! + by) });
    const difference = (shifted(1e-4) - shifted(-1e-4)) / 2e-4;
    assert.ok(Math.abs(difference) > 1e-4, `${name}[${at}] has a gradient, ${difference}`);
    assert.ok(Math.abs(moved[at]! - difference) <= tolerance * Math.abs(difference) + 2e-5, `${name}[${at}] went by ${moved[at]}, the slope is ${difference}`);
  }
}

export const PARAMETERS = ["model.layers.0.self_attn.q_proj.weight", "model.layers.0.mlp.up_proj.weight", "model.layers.1.self_attn.v_proj.weight", "model.layers.1.mlp.down_proj.weight", "model.norm.weight"];

export const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
/** The unbiased one. */
export const deviation = (values: readonly number[]): number => Math.sqrt(sum(values.map((value) => (value - mean(values)) ** 2)) / (values.length - 1));
export const clip = (x: number, low: number, high: number): number => Math.min(high, Math.max(low, x));
/** Settings under which a step moves the weights by rate times the gradient. */
export const PLAIN = { optim: "sgd", lrSchedulerType: "constant", maxGradNorm: 0, loggingSteps: 1, shuffle: false, groupByLength: false } as const;
