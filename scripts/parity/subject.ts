import type { Tensor, Tensor1D, Tensor2D, Tensor3D } from "@tensorflow/tfjs";
import { tf } from "../../src/engine/backend";
import { jit } from "../../src/engine/jit";
import type { ModelFiles } from "../../src/hub/source";
import { getLogProb, tokenLogps } from "../../src/loss/logps";
import { pairTensorList, pairTensorsFrom, predictingStates, sumByOwner, toPairTensors } from "../../src/loss/pairs";
import { attentionBias, rotaryTable } from "../../src/model/attention";
import { decoderLayer } from "../../src/model/decoderLayer";
import { LlamaForCausalLM } from "../../src/model/llama";
import { embedding, rmsNorm } from "../../src/model/ops";
import { padCollate } from "../../src/tokens/collate";
import { packPairs, type PackedPairs } from "../../src/tokens/packing";
import type { TokenizedRow } from "../../src/tokens/preference";
import type { Tokenizer } from "../../src/tokens/tokenizer";
import type { Sides, Which } from "./dpoFile";

/** Pairs computed at once: bounds the memory, whatever the number of pairs in a file. */
export const PAIRS_AT_ONCE = 2;

/** Lengths are rounded up to multiples of this, so that a file takes few compiled shapes. */
export const LENGTH_MULTIPLE = 128;

/** What the figures' policy is: the reference with this factor on its embedding, which is its head too. */
const POLICY_SCALE = 1.01;

export interface SequenceLogps {
  /** By `getLogProb` on the logits of prompt and answer, as the assignment does it. */
  plain: Sides<number[]>;
  /** By the packed path of the trainer, which computes a prompt once and applies the head to answers only. */
  packed: Sides<number[]>;
  /** By the packed path, token by token. */
  tokens: Sides<number[][]>;
}

/** The packaged model and its tokenizer, as reference or as policy. */
export class Subject {
  readonly padTokenId: number;
  private readonly plainLogps;
  private readonly packedLogps;

  private constructor(
    private readonly files: ModelFiles,
    readonly model: LlamaForCausalLM,
    readonly tokenizer: Tokenizer,
  ) {
    this.padTokenId = tokenizer.padTokenId ?? 0;
    this.plainLogps = jit((ids: Tensor2D, attention: Tensor2D, counted: Tensor2D) => getLogProb(model.forward(ids, attention), ids, counted), { name: "plainLogps" });
    // The number of pairs is in no shape of the batch, so it travels as the length of an argument.
    this.packedLogps = jit((count: Tensor, ...list: Tensor[]) => {
      const pairs = pairTensorsFrom(list);
      const tokens = tokenLogps(predictingStates(model, pairs), model.head, pairs.targets);
      return [tokens, sumByOwner(tf.mul(tokens, pairs.weights), pairs.owners, 2 * count.size)];
    }, { name: "packedLogps" });
  }

  static async open(files: ModelFiles, tokenizer: Tokenizer): Promise<Subject> {
    return new Subject(files, await LlamaForCausalLM.create(files.config, (name) => files.tensors.read(name)), tokenizer);
  }

  /** Sets every weight afresh from the file, whatever training has made of it. */
  async become(which: Which): Promise<void> {
    for (const [name, parameter] of this.model.parameters) {
      const values = tf.tensor(await this.files.tensors.read(name), parameter.shape);
      parameter.assign(values as never);
      values.dispose();
    }
    if (which === "ref") return;
    const embedding = this.model.parameters.get("model.embed_tokens.weight")!;
    tf.tidy(() => embedding.assign(tf.mul(embedding, POLICY_SCALE) as never));
  }

  /** Log-probabilities of every pair's answers in nats, under the weights of the moment. */
  async logps(rows: readonly TokenizedRow[]): Promise<SequenceLogps> {
    const result: SequenceLogps = { plain: { chosen: [], rejected: [] }, packed: { chosen: [], rejected: [] }, tokens: { chosen: [], rejected: [] } };
    for (const part of inParts(rows)) {
      for (const side of ["chosen", "rejected"] as const) result.plain[side].push(...(await this.plainSide(part, side)));
      const packed = await this.packedPart(part);
      for (const side of ["chosen", "rejected"] as const) {
        result.packed[side].push(...packed.sums[side]);
        result.tokens[side].push(...packed.tokens[side]);
      }
    }
    return result;
  }

  private async plainSide(rows: readonly TokenizedRow[], side: "chosen" | "rejected"): Promise<number[]> {
    const batch = padCollate([...rows], this.padTokenId);
    const join = (prompts: number[][], answers: number[][], filler: number): Tensor2D => {
      const joined = prompts.map((prompt, i) => [...prompt, ...answers[i]!]);
      const length = Math.ceil(joined[0]!.length / LENGTH_MULTIPLE) * LENGTH_MULTIPLE;
      return tf.tensor2d(joined.map((row) => [...row, ...new Array<number>(length - row.length).fill(filler)]), undefined, "int32");
    };
    const noPrompt = batch.prompt_attn_mask.map((row) => row.map(() => 0));
    const answerMask = batch[`${side}_attn_mask`];
    const inputs = [join(batch.prompt_input_ids, batch[`${side}_input_ids`], this.padTokenId), join(batch.prompt_attn_mask, answerMask, 0), join(noPrompt, answerMask, 0)] as const;
    return take(this.plainLogps(...inputs), inputs);
  }

  private async packedPart(rows: readonly TokenizedRow[]): Promise<{ sums: Sides<number[]>; tokens: Sides<number[][]> }> {
    const packed = this.pack(rows);
    const inputs = [tf.zeros([rows.length]), ...pairTensorList(toPairTensors(packed))] as const;
    const [tokens, sums] = this.packedLogps(...inputs) as [Tensor, Tensor];
    const all = await take(tokens, inputs);
    const totals = await take(sums, []);
    const ofOwner = (owner: number): number[] => all.filter((_, i) => packed.weights[i] === 1 && packed.owners[i] === owner);
    return {
      sums: { chosen: totals.slice(0, rows.length), rejected: totals.slice(rows.length) },
      tokens: { chosen: rows.map((_, i) => ofOwner(i)), rejected: rows.map((_, i) => ofOwner(rows.length + i)) },
    };
  }

  pack(rows: readonly TokenizedRow[]): PackedPairs {
    return packPairs(rows, { padTokenId: this.padTokenId, lengthMultiple: LENGTH_MULTIPLE, widthMultiple: LENGTH_MULTIPLE, predictionMultiple: LENGTH_MULTIPLE });
  }

  /** Next-token logits at some positions of one sequence. @returns one row of the vocabulary's size for each position */
  async logits(ids: readonly number[], positions: readonly number[]): Promise<Float32Array[]> {
    const rows = tf.tidy(() => tf.gather(tf.squeeze(this.model.forward(tf.tensor2d([[...ids]], undefined, "int32")), [0]), tf.tensor1d([...positions], "int32")));
    const values = Float32Array.from(await take(rows, []));
    const size = this.model.config.vocabSize;
    return positions.map((_, i) => values.subarray(i * size, (i + 1) * size));
  }

  /**
   * The last position's hidden state after some layers, as transformers' `output_hidden_states` numbers them: 0 is the
   * embedding, n the state after n layers, and the last one has gone through the final norm.
   */
  async hiddenStates(ids: readonly number[], layers: readonly number[]): Promise<Map<number, number[]>> {
    const { model } = this;
    const { numHiddenLayers, rmsNormEps } = model.config;
    const kept = tf.tidy(() => {
      const inputIds = tf.tensor2d([[...ids]], undefined, "int32");
      const attention = { bias: attentionBias(tf.onesLike(inputIds)) };
      const table = rotaryTable(tf.tensor2d([ids.map((_, i) => i)], undefined, "int32"), model.config);
      let x = embedding(model.embedTokens, inputIds) as Tensor3D;
      const last = (state: Tensor3D): Tensor1D => tf.reshape(tf.slice(state, [0, ids.length - 1, 0], [1, 1, -1]), [-1]);
      const states = [last(x)];
      for (const layer of model.layers) states.push(last((x = decoderLayer([x], layer, [table], attention, model.config)[0]!)));
      states[numHiddenLayers] = last(rmsNorm(x, model.finalNorm, rmsNormEps));
      return states.filter((_, layer) => layers.includes(layer));
    });
    const numbers = layers.filter((layer) => layer <= numHiddenLayers).sort((a, b) => a - b);
    const values = await Promise.all(kept.map((state) => take(state, [])));
    return new Map(numbers.map((layer, i) => [layer, values[i]!]));
  }

  dispose(): void {
    this.plainLogps.dispose();
    this.packedLogps.dispose();
    this.model.dispose();
  }
}

/** A list in parts of `PAIRS_AT_ONCE`. */
export function inParts<T>(rows: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(rows.length / PAIRS_AT_ONCE) }, (_, i) => rows.slice(i * PAIRS_AT_ONCE, (i + 1) * PAIRS_AT_ONCE));
}

/** A result's values; the result and what it was made from are freed. */
async function take(result: Tensor, inputs: readonly Tensor[]): Promise<number[]> {
  const values = Array.from(await result.data());
  tf.dispose([result, ...inputs]);
  return values;
}
