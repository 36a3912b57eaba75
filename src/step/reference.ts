import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { jit, type JitFunction } from "../engine/jit";
import type { Precision } from "../engine/recorder";
import { pairLogps, pairTensorList, pairTensorsFrom, toPairTensors } from "../loss/pairs";
import type { LlamaForCausalLM } from "../model/llama";
import { packedLength, packPairs } from "../tokens/packing";
import type { TokenizedRow } from "../tokens/preference";
import { ReferenceCache, type ReferenceLogps } from "./referenceCache";

/** The frozen π_ref of a run: answers from the cache, computes what is missing. */
export class Reference {
  private readonly cache: ReferenceCache;
  private model: LlamaForCausalLM;
  /** True while the policy itself still serves as the reference. */
  private isPolicy: boolean;
  private ownsModel = false;
  private compiled: JitFunction<Tensor[], Tensor[]> | null = null;

  /** @param rows what the run will ask for: a copy of the policy is made only if one of them is not known yet */
  constructor(
    private readonly policy: LlamaForCausalLM,
    refModel: LlamaForCausalLM | undefined,
    private readonly rows: readonly TokenizedRow[],
    private readonly precision: Precision,
    private readonly padTokenId: number,
  ) {
    this.model = refModel ?? policy;
    this.isPolicy = refModel === undefined;
    this.cache = new ReferenceCache(this.model.fingerprint, precision);
  }

  /** Called before the policy changes: what is still to be computed needs a copy of it. */
  async freeze(): Promise<void> {
    if (!this.isPolicy) return;
    this.isPolicy = false;
    if (this.rows.every((row) => this.cache.get(ReferenceCache.key(row)))) return;
    this.model = await this.policy.clone();
    this.ownsModel = true;
    this.compiled?.dispose();
    this.compiled = null;
  }

  /** log π_ref of both answers of each row; computed in one batch where a row is missing. */
  async logps(rows: readonly TokenizedRow[]): Promise<ReferenceLogps[]> {
    const keys = rows.map((row) => ReferenceCache.key(row));
    if (!keys.every((key) => this.cache.get(key))) {
      const computed = await this.compute(rows);
      this.cache.put(keys.flatMap((key, i): [string, ReferenceLogps][] => (this.cache.get(key) ? [] : [[key, computed[i]!]])));
    }
    return keys.map((key) => this.cache.get(key)!);
  }

  private async compute(rows: readonly TokenizedRow[]): Promise<ReferenceLogps[]> {
    const { model } = this;
    // The number of pairs is not in the batch's shape, so it travels as the shape of an argument.
    this.compiled ??= jit((count: Tensor, ...tensors: Tensor[]): Tensor[] => {
      const { chosen, rejected } = pairLogps(model, pairTensorsFrom(tensors), count.size);
      return [chosen, rejected];
    }, { precision: this.precision, name: "reference_logps" });
    const inputs = [tf.zeros([rows.length]), ...pairTensorList(toPairTensors(packPairs(rows, { padTokenId: this.padTokenId })))];
    const outputs = this.compiled(...inputs);
    const [chosen, rejected] = await Promise.all(outputs.map((output) => output.data()));
    tf.dispose([...inputs, ...outputs]);
    return rows.map((_, i) => ({ chosen: chosen![i]!, rejected: rejected![i]! }));
  }

  /** Computes every row that is not known yet, those of like length together. */
  async precompute(batchSize: number, onProgress?: (done: number, total: number) => void): Promise<void> {
    const missing = this.rows.filter((row) => !this.cache.get(ReferenceCache.key(row)));
    missing.sort((a, b) => packedLength(a) - packedLength(b));
    for (let start = 0; start < missing.length; start += batchSize) {
      await this.logps(missing.slice(start, start + batchSize));
      onProgress?.(Math.min(start + batchSize, missing.length), missing.length);
    }
  }

  dispose(): void {
    this.compiled?.dispose();
    if (this.ownsModel) this.model.dispose();
  }
}
