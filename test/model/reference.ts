import type { PretrainedModel } from "../../src/model/pretrained";
import type { LlamaConfig } from "../../src/model/config";

/** Weights in doubles under Hugging Face's names, row-major. */
export type Weights = Record<string, number[]>;
type Vector = number[];

export async function weightsOf(model: PretrainedModel): Promise<Weights> {
  const entries = await Promise.all([...model.parameters].map(async ([name, parameter]) => [name, Array.from(await parameter.data())] as const));
  return Object.fromEntries(entries);
}

const dot = (a: Vector, b: Vector): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const plus = (a: Vector, b: Vector): Vector => a.map((x, i) => x + b[i]!);
/** weight [out, in] times x. */
const times = (weight: number[], x: Vector): Vector => Array.from({ length: weight.length / x.length }, (_, row) => dot(weight.slice(row * x.length, (row + 1) * x.length), x));

function rmsNorm(x: Vector, weight: Vector, eps: number): Vector {
  const scale = 1 / Math.sqrt(dot(x, x) / x.length + eps);
  return x.map((value, i) => value * scale * weight[i]!);
}

/** Rotates the pairs (i, i + d/2) of one head by position · theta^(−2i/d). */
function rotate(head: Vector, position: number, theta: number): Vector {
  const half = head.length / 2;
  return head.map((_, i) => {
    const angle = position * theta ** ((-2 * (i % half)) / head.length);
    const other = i < half ? -head[i + half]! : head[i - half]!;
    return head[i]! * Math.cos(angle) + other * Math.sin(angle);
  });
}

function attend(queries: Vector[], keys: Vector[], values: Vector[], config: LlamaConfig): Vector[] {
  const { headDim, numAttentionHeads, numKeyValueHeads } = config;
  const part = (x: Vector, head: number): Vector => x.slice(head * headDim, (head + 1) * headDim);
  return queries.map((query, t) => Array.from({ length: numAttentionHeads }, (_, head) => {
    const shared = Math.floor(head / (numAttentionHeads / numKeyValueHeads));
    const q = rotate(part(query, head), t, config.ropeTheta);
    const scores = keys.slice(0, t + 1).map((key, s) => dot(q, rotate(part(key, shared), s, config.ropeTheta)) / Math.sqrt(headDim));
    const exps = scores.map((score) => Math.exp(score - Math.max(...scores)));
    const sum = exps.reduce((a, b) => a + b);
    return exps.reduce((mixed, e, s) => plus(mixed, part(values[s]!, shared).map((v) => (v * e) / sum)), new Array<number>(headDim).fill(0));
  }).flat());
}

/** Next-token logits of one sequence without padding, [length][vocabulary], in float64 and written from the papers. */
export function referenceLogits(ids: readonly number[], w: Weights, config: LlamaConfig): Vector[] {
  const embedding = w["model.embed_tokens.weight"]!;
  const { hiddenSize: size, rmsNormEps: eps } = config;
  let x = ids.map((id) => embedding.slice(id * size, (id + 1) * size));
  for (let i = 0; i < config.numHiddenLayers; i++) {
    const weight = (name: string): number[] => w[`model.layers.${i}.${name}.weight`]!;
    const normal = x.map((row) => rmsNorm(row, weight("input_layernorm"), eps));
    const project = (name: string): Vector[] => normal.map((row) => times(weight(`self_attn.${name}_proj`), row));
    const attended = attend(project("q"), project("k"), project("v"), config);
    x = x.map((row, t) => plus(row, times(weight("self_attn.o_proj"), attended[t]!)));
    x = x.map((row) => {
      const input = rmsNorm(row, weight("post_attention_layernorm"), eps);
      const up = times(weight("mlp.up_proj"), input);
      const gated = times(weight("mlp.gate_proj"), input).map((g, k) => (g / (1 + Math.exp(-g))) * up[k]!);
      return plus(row, times(weight("mlp.down_proj"), gated));
    });
  }
  const head = w["lm_head.weight"] ?? embedding;
  return x.map((row) => times(head, rmsNorm(row, w["model.norm.weight"]!, eps)));
}

/** log p(answer | prompt) in nats. */
export function referenceLogp(prompt: readonly number[], answer: readonly number[], w: Weights, config: LlamaConfig): number {
  const logits = referenceLogits([...prompt, ...answer].slice(0, -1), w, config).slice(prompt.length - 1);
  return logits.reduce((sum, row, t) => {
    const max = Math.max(...row);
    return sum + row[answer[t]!]! - max - Math.log(row.reduce((z, value) => z + Math.exp(value - max), 0));
  }, 0);
}

/** Mean of −log σ(β·((chosen − refChosen) − (rejected − refRejected))) over pairs. */
export function referenceDpoLoss(pairs: readonly { prompt: number[]; chosen: number[]; rejected: number[]; margin: number }[], beta: number, w: Weights, config: LlamaConfig): number {
  const losses = pairs.map(({ prompt, chosen, rejected, margin }) => {
    const difference = referenceLogp(prompt, chosen, w, config) - referenceLogp(prompt, rejected, w, config) - margin;
    return Math.log1p(Math.exp(-beta * difference));
  });
  return losses.reduce((a, b) => a + b) / losses.length;
}
