import { tf } from "../../src/engine/backend";
import { RandomSource } from "../../src/engine/random";
import { LlamaForCausalLM } from "../../src/model/llama";

/** A Llama of two layers with seeded random weights, large enough that its answers do not repeat one token. */
export async function tinyModel({ vocab = 40, intermediate = 48, seed = 1, scale = 0.35, eos = null as number | number[] | null, positions = 512 } = {}): Promise<LlamaForCausalLM> {
  const random = new RandomSource(seed);
  const config = {
    model_type: "llama", vocab_size: vocab, hidden_size: 32, intermediate_size: intermediate, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, head_dim: 8, hidden_act: "silu",
    rms_norm_eps: 1e-5, rope_theta: 10000, max_position_embeddings: positions, tie_word_embeddings: true, bos_token_id: 1, eos_token_id: eos, pad_token_id: 0,
  };
  return LlamaForCausalLM.create(config, (name, shape) => {
    const size = shape.reduce((product, n) => product * n, 1);
    return Float32Array.from({ length: size }, () => (name.includes("norm") ? 1 : 0) + scale * random.normal());
  });
}

/** Next-token logits at every position, [length][vocabulary], by one pass over all of them without a cache. */
export function fullPass(model: LlamaForCausalLM, ids: readonly number[]): Float32Array[] {
  const { vocabSize } = model.config;
  const flat = tf.tidy(() => model.forward(tf.tensor2d([...ids], [1, ids.length], "int32")).dataSync() as Float32Array);
  return ids.map((_, position) => flat.subarray(position * vocabSize, (position + 1) * vocabSize));
}

/** Logits of the token after `ids`. */
export const nextLogits = (model: LlamaForCausalLM, ids: readonly number[]): Float32Array => fullPass(model, ids).at(-1)!;

/** The likeliest token after each prefix of `prompt + tokens` that ends in `tokens`: `tokens` itself if it is greedy. */
export function greedyChoices(model: LlamaForCausalLM, prompt: readonly number[], tokens: readonly number[]): number[] {
  const logits = fullPass(model, [...prompt, ...tokens]).slice(prompt.length - 1, -1);
  return logits.map((row) => row.indexOf(Math.max(...row)));
}

/** Prompts of these lengths, of tokens other than 0 (the padding). */
export function randomPrompts(lengths: readonly number[], vocab: number, seed = 7): number[][] {
  const random = new RandomSource(seed);
  return lengths.map((length) => Array.from({ length }, () => 1 + random.integer(vocab - 1)));
}
