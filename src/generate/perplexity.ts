import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { jit } from "../engine/jit";
import type { LlamaForCausalLM } from "../model/llama";
import { BUCKETED, promptBucket } from "../engine/buckets";
import { checkPrompts } from "./checks";
import { logitsEverywhere } from "./decoder";
import type { Projections } from "./projections";
import { GenerationSession } from "./session";
import { DECODE_WEIGHTS, type DecodeWeights } from "./weights";

/** One way to hold decode weights, and what it costs in quality. */
export interface DecodeWeightsRow {
  decodeWeights: DecodeWeights;
  /** Of the weights that one token reads, in 10⁶. */
  megabytes: number;
  /** exp of the mean negative log-likelihood of the texts' tokens, each but a text's first. */
  perplexity: number;
  /** By float32's. */
  ratio: number;
}

/**
 * Perplexity of texts under a model whose matrices are held as `decodeWeights` says.
 * @param texts token ids, each of at least two tokens
 */
export async function perplexity(model: LlamaForCausalLM, texts: readonly (readonly number[])[], { decodeWeights = "float32" as DecodeWeights } = {}): Promise<number> {
  checkPrompts(model, texts);
  const short = texts.findIndex((text) => text.length < 2);
  if (texts.length === 0 || short >= 0) throw new RangeError(texts.length === 0 ? "perplexity: there are no texts." : `perplexity: text ${short} has one token only; the first is not predicted, so give two or more.`);
  if (!DECODE_WEIGHTS.includes(decodeWeights)) throw new RangeError(`perplexity: decodeWeights is ${JSON.stringify(decodeWeights)}; it must be one of ${DECODE_WEIGHTS.join(", ")}.`);
  const session = GenerationSession.of(model);
  return session.exclusive(async () => {
    const likelihood = likelihoodFunction(model, session.projections(decodeWeights, Infinity));
    try {
      let total = 0;
      for (const text of texts) total += await negativeLogLikelihood(text, likelihood);
      return Math.exp(total / texts.reduce((sum, text) => sum + text.length - 1, 0));
    } finally {
      likelihood.dispose();
      session.release();
    }
  });
}

/** Perplexity of texts under each way to hold decode weights, beside float32's and the bytes that each reads. */
export async function compareDecodeWeights(model: LlamaForCausalLM, texts: readonly (readonly number[])[]): Promise<DecodeWeightsRow[]> {
  const rows: DecodeWeightsRow[] = [];
  for (const decodeWeights of DECODE_WEIGHTS) {
    const value = await perplexity(model, texts, { decodeWeights });
    rows.push({ decodeWeights, megabytes: bytesOf(model, decodeWeights) / 1e6, perplexity: value, ratio: value / (rows[0]?.perplexity ?? value) });
  }
  return rows;
}

/** Bytes of weights that decoding one token reads: of every matrix, the head among them; norms and one row of the embedding are left out. */
function bytesOf(model: LlamaForCausalLM, kind: DecodeWeights): number {
  const matrices = [...model.layers.flatMap(({ q, k, v, o, gate, up, down }) => [q, k, v, o, gate, up, down]), model.head];
  const size = { float32: 4, bfloat16: 2, int8: 1 }[kind];
  // int8 has a scale for each row of a matrix.
  return matrices.reduce((sum, matrix) => sum + matrix.size * size + (kind === "int8" ? 4 * matrix.shape[0] : 0), 0);
}

type Likelihood = ReturnType<typeof likelihoodFunction>;

/** −Σ log p of the tokens that follow others, of one text padded on the left. */
function likelihoodFunction(model: LlamaForCausalLM, projections: Projections) {
  return jit((ids: Tensor2D, padding: Tensor1D) => {
    const [, length] = ids.shape;
    const logps = tf.slice(tf.logSoftmax(logitsEverywhere(model, projections, ids, padding)), [0, 0], [length - 1, -1]);
    const next = tf.slice(tf.reshape(ids, [length]), [1], [length - 1]) as Tensor1D;
    const chosen = tf.reshape(tf.gather(logps, tf.reshape(next, [length - 1, 1]) as unknown as Tensor1D, 1, 1), [length - 1]);
    const counts = tf.greaterEqual(tf.range(0, length - 1, 1, "int32"), padding);
    return tf.neg(tf.sum(tf.where(counts, chosen, tf.zerosLike(chosen))));
  }, { name: "likelihood", expectedTraces: BUCKETED });
}

async function negativeLogLikelihood(text: readonly number[], likelihood: Likelihood): Promise<number> {
  const length = promptBucket(text.length);
  const ids = new Int32Array(length);
  ids.set(text, length - text.length);
  const sum = tf.tidy(() => likelihood(tf.tensor2d(ids, [1, length], "int32"), tf.tensor1d([length - text.length], "int32")));
  try {
    return (await sum.data())[0]!;
  } finally {
    sum.dispose();
  }
}
