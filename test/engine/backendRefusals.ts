import type { Tensor } from "@tensorflow/tfjs";
import { DPOTrainer, generate, jit, LlamaForCausalLM, tf } from "../../src";
import { rawOp } from "../../src/engine/backend";
import { capacityOf, requireCapacity } from "../../src/engine/capacity";
import { resolvePrecision } from "../../src/engine/precision";
import { randomPrompts, tinyModel } from "../generate/tinyModel";
import { tinyRows, tinyTokenizer } from "../step/tiny";

/** What a process on tfjs's cpu backend refuses, as messages by what was tried; the last line of its output, as JSON. */
const messages: Record<string, string> = {};

async function attempt(what: string, work: () => unknown): Promise<void> {
  try {
    await work();
    messages[what] = "done";
  } catch (error) {
    messages[what] = `${(error as Error).name}: ${(error as Error).message}`;
  }
}

/** 23 million parameters; their values must not be asked for. */
const LARGE = {
  model_type: "llama", vocab_size: 20000, hidden_size: 512, intermediate_size: 1024, num_hidden_layers: 5, num_attention_heads: 8, num_key_value_heads: 8, head_dim: 64, hidden_act: "silu",
  rms_norm_eps: 1e-5, rope_theta: 10000, max_position_embeddings: 64, tie_word_embeddings: true, bos_token_id: 1, eos_token_id: 2, pad_token_id: 0,
};

async function main(): Promise<void> {
  const said: string[] = [];
  console.warn = (text: string) => void said.push(text);
  await attempt("large", () => LlamaForCausalLM.create(LARGE, () => {
    throw new Error("a weight was read");
  }));
  await attempt("wasm", () => requireCapacity(new Map([["a", 130e6]]), capacityOf("wasm")));
  await attempt("wasm, too large", () => requireCapacity(new Map([["a", 100e6], ["b", 34.5e6]]), capacityOf("wasm")));
  await attempt("webgpu", () => requireCapacity(new Map([["a", 2 ** 25], ["b", 2 ** 25]]), capacityOf("webgpu", 2 ** 27)));
  await attempt("webgpu, too large", () => requireCapacity(new Map([["embed", 2 ** 25 + 1]]), capacityOf("webgpu", 2 ** 27)));
  const model = await tinyModel({ vocab: 32, scale: 0.2, positions: 64 });
  await attempt("8 bit", () => new DPOTrainer({ model, tokenizer: tinyTokenizer(), trainDataset: tinyRows(4), args: { optim: "adamw_8bit" } }));
  await attempt("decode weights", () => generate(model, randomPrompts([3], 32), { maxNewTokens: 2, decodeWeights: "int8" }));
  await attempt("op", () => rawOp("Bitcast", [tf.scalar(1)], {}));
  await attempt("auto", () => generate(model, randomPrompts([3], 32), { maxNewTokens: 2, precision: "auto" }));
  await attempt("asynchronous", () => jit((async (x: Tensor) => x) as never)(tf.scalar(1)));
  await attempt("number", () => jit((() => 1) as never)());
  await attempt("argument", () => jit((x: Tensor) => x)(3 as never));
  const tensors = tf.memory().numTensors;
  await attempt("variable", () => jit((x: Tensor) => tf.variable(x))(tf.keep(tf.scalar(1))));
  messages.left = String(tf.memory().numTensors - tensors - 1);
  const [x, outside] = [tf.scalar(2), tf.scalar(3)];
  const given = jit((x: Tensor) => [x, outside, ...[tf.square(x)].flatMap((y) => [y, y])])(x);
  tf.dispose(given);
  messages.kept = `${x.isDisposed} ${outside.isDisposed} ${new Set(given).size}`;
  const traced = jit((x: Tensor) => tf.add(x, x));
  for (const shape of [[1], [2], [1]]) traced(tf.ones(shape));
  messages.traces = traced.traces.map(({ signature, nodes }) => `${signature} ${nodes}`).join("; ");
  messages.precision = [resolvePrecision("bfloat16"), resolvePrecision("float16"), resolvePrecision("float32")].join();
  messages.said = said.join("\n");
  console.log(JSON.stringify(messages));
}

void main();
