import { readFileSync } from "node:fs";
import { LlamaForCausalLM } from "../../src/model/llama";
import { addLora, type LoraConfig } from "../../src/model/lora";
import { DPOTrainer, type DPOConfig } from "../../src/step/dpoTrainer";
import { tinyTokenizer } from "./tiny";

// A process of its own that takes DPO steps with a random model and tells the memory they took: memoryChild.ts '{…}'

/** What the process is told, as JSON in its one argument. */
export interface MemoryJob {
  /** Entries of config.json that differ from a Llama of 4 layers × 256. */
  config?: object;
  args?: Partial<DPOConfig>;
  /** Of an adapter, which alone is trained then. */
  lora?: Partial<LoraConfig>;
  /** Pairs in all, and tokens of each one's prompt and of each of its two answers, pair by pair from the list. */
  pairs: number;
  promptTokens: number;
  answerTokens: number[];
  /** Whether reference log-probabilities are computed beforehand, so that no copy of the policy is made. */
  precompute?: boolean;
}

const CONFIG = {
  model_type: "llama", vocab_size: 8192, hidden_size: 256, intermediate_size: 688, num_hidden_layers: 4, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 64, hidden_act: "silu",
  rms_norm_eps: 1e-5, rope_theta: 10000, max_position_embeddings: 4096, tie_word_embeddings: true, bos_token_id: 1, eos_token_id: 3, pad_token_id: 0,
};

/** Small numbers without a pattern, quickly. */
function noise(size: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length: size }, () => ((state = (Math.imul(state, 1664525) + 1013904223) | 0) / 2 ** 31) * 0.05);
}

/** Rows of exactly so many tokens: the chat template adds two to a prompt and one to an answer. */
export function rowsOf({ pairs, promptTokens, answerTokens }: MemoryJob): { prompt: string; chosen: string; rejected: string }[] {
  const letters = (length: number, start: number, step: number): string => Array.from({ length }, (_, i) => String.fromCharCode(97 + ((start + i * step) % 26))).join("");
  return Array.from({ length: pairs }, (_, i) => {
    const length = answerTokens[i % answerTokens.length]! - 1;
    return { prompt: letters(promptTokens - 2, i, 3), chosen: letters(length, i, 1), rejected: letters(length, i + 13, 5) };
  });
}

const kilobytes = (name: "VmHWM" | "VmRSS"): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(readFileSync("/proc/self/status", "utf8"))![1]);

async function main(): Promise<void> {
  const job = JSON.parse(process.argv[2]!) as MemoryJob;
  const baseline = kilobytes("VmRSS") * 1024;
  const model = await LlamaForCausalLM.create({ ...CONFIG, ...job.config }, (_, shape) => noise(shape.reduce((product, size) => product * size, 1)));
  if (job.lora) addLora(model, job.lora);
  const trainer = new DPOTrainer({ model, tokenizer: tinyTokenizer(), trainDataset: rowsOf(job), args: { maxSteps: 2, loggingSteps: 1, shuffle: false, groupByLength: false, maxPromptLength: null, ...job.args } });
  if (job.precompute) await trainer.precomputeReference();
  const plan = trainer.memoryPlan;
  await trainer.train();
  process.stdout.write(`${JSON.stringify({ baseline, peak: kilobytes("VmHWM") * 1024, plan })}\n`);
}

if (require.main === module) void main();
