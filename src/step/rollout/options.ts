import type { LlamaForCausalLM } from "../../model/llama";
import type { LoraConfig } from "../../model/lora";
import type { PromptRow } from "../../tokens/prompts";
import type { MethodTrainerOptions } from "../methodTrainer";
import type { SampleOptions } from "../run/samples";
import type { Objective } from "./objective";
import type { RewardSource } from "./rewards";
import type { ValueFunction } from "./valueFunction";

/** What every trainer that learns from its own answers takes. */
export interface RolloutTrainerOptions<Config> extends MethodTrainerOptions<PromptRow, Config> {
  /** The policy. Its weights, or those of its adapter where it has one, are trained in place; an adapter's dropout is left out. */
  model: LlamaForCausalLM;
  /** What an answer is worth: any function of (prompt, text, ids), or a reward model. */
  reward: RewardSource;
  /**
   * π_ref. Default: the policy as it is when training begins, an adapter included, and none where nothing asks for a KL; null
   * for none.
   */
  refModel?: LlamaForCausalLM | null;
  /** Adds a LoRA adapter to the model, with values drawn from `args.seed`. */
  peftConfig?: Partial<LoraConfig>;
  /** Prompts that the model answers at some steps, kept in `samples.jsonl` of `args.outputDir`. */
  samples?: SampleOptions;
}

/** How a method uses rollouts. */
export interface RolloutPlan {
  trainer: string;
  /** @param hasReference whether there is a reference to measure the KL to */
  objective(hasReference: boolean): Objective;
  numGenerations: number;
  /** Most tokens of an answer, and what the method's settings call it. */
  longest: { name: string; value: number };
  /** How often an iteration goes over its answers, and in how many parts each time. */
  epochs: number;
  miniBatches: number;
  /** Whether the KL is needed, whatever `refModel` says; whether it is measured where nothing asks for it. */
  needsReference: boolean;
  measuresReference: boolean;
  /** Whether the likeliest answer to each prompt is scored too. */
  greedy: boolean;
  /** Makes the value function, once all settings are known to be good; null for none. */
  value: (() => ValueFunction) | null;
}

/** One answer of the last iteration. */
export interface RolloutSample {
  prompt: string;
  completion: string;
  /** As the reward function or model gave it. */
  reward: number;
  advantage: number;
  /** In tokens, with the end token. */
  length: number;
  ended: boolean;
}
