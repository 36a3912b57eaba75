import type { Tensor } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { BUCKETED } from "../engine/buckets";
import { jit, type JitFunction } from "../engine/jit";
import type { Precision } from "../engine/recorder";
import { pairLogps, pairTensorList, pairTensorsFrom, toPairTensors } from "../loss/pairs";
import type { LlamaForCausalLM } from "../model/llama";
import { FrozenLora, Lora } from "../model/lora";
import { packPairs, type PackingOptions } from "../tokens/packing";
import type { TokenizedRow } from "../tokens/preference";
import type { MethodState } from "./run/subject";
import { ReferenceCache, type ReferenceLogps } from "./referenceCache";

/**
 * The frozen π_ref of a run. A row's log-probabilities are computed in the batch in which the run first meets it, or read
 * from an earlier run that met it in the same one. The first loss of a run is then exactly that of policy = reference, in
 * bfloat16 too, where other shapes would round to other tenths of a nat.
 */
export class Reference {
  private readonly cache: ReferenceCache;
  private readonly known = new Map<TokenizedRow, { chosen: number; rejected: number }>();
  private model: LlamaForCausalLM;
  /** True while the policy itself still serves as the reference. */
  private isPolicy: boolean;
  private ownsModel = false;
  /** The policy's adapter as it began: with it the policy's own matrices, which stay as they are, serve as the reference. */
  private frozen: FrozenLora | null = null;
  private compiled: JitFunction<Tensor[], Tensor[]> | null = null;

  /** @param batches those in which the run meets its rows first: a copy of the policy is made only if one is not known yet */
  constructor(
    private readonly policy: LlamaForCausalLM,
    refModel: LlamaForCausalLM | undefined,
    private readonly batches: () => readonly TokenizedRow[][],
    private readonly precision: Precision,
    private readonly packing: Required<PackingOptions>,
  ) {
    this.model = refModel ?? policy;
    this.isPolicy = refModel === undefined;
    this.cache = new ReferenceCache(this.model.fingerprint, `${precision} ${JSON.stringify(packing)}`);
  }

  /** Called before the policy changes: what is still to be computed needs a copy of what training moves, the adapter or the whole model. */
  async freeze(): Promise<void> {
    if (!this.isPolicy) return;
    const needsCopy = this.needsCopy();
    this.isPolicy = false;
    if (!needsCopy) return;
    if (this.policy.adapter instanceof Lora) {
      this.frozen = new FrozenLora(this.policy, this.policy.adapter);
    } else {
      this.model = await this.policy.clone();
      this.ownsModel = true;
    }
    this.compiled?.dispose();
    this.compiled = null;
  }

  /** Whether `freeze` would copy the policy. */
  needsCopy(): boolean {
    return this.isPolicy && this.missing().length > 0;
  }

  /** The batches that neither this run nor an earlier one has computed. */
  private missing(): TokenizedRow[][] {
    return this.batches().filter((rows) => !this.recall(rows));
  }

  /** Whether all rows of a batch are known, from the disk if need be. */
  private recall(rows: readonly TokenizedRow[]): boolean {
    if (rows.every((row) => this.known.has(row))) return true;
    const stored = this.cache.get(rows);
    if (stored) this.keep(rows, stored);
    return stored !== undefined;
  }

  private keep(rows: readonly TokenizedRow[], { chosen, rejected }: ReferenceLogps): void {
    rows.forEach((row, i) => {
      if (!this.known.has(row)) this.known.set(row, { chosen: chosen[i]!, rejected: rejected[i]! });
    });
  }

  /** What is known of a row without computing it. */
  recalled(row: TokenizedRow): { chosen: number; rejected: number } | undefined {
    return this.known.get(row);
  }

  /** Takes what another process knew of a row. */
  remember(row: TokenizedRow, logps: { chosen: number; rejected: number }): void {
    this.known.set(row, logps);
  }

  /** log π_ref of both answers of each row, in nats. */
  async logps(rows: readonly TokenizedRow[]): Promise<{ chosen: number; rejected: number }[]> {
    if (!this.recall(rows)) {
      const computed = await this.compute(rows);
      this.cache.put(rows, computed);
      this.keep(rows, computed);
    }
    return rows.map((row) => this.known.get(row)!);
  }

  private async compute(rows: readonly TokenizedRow[]): Promise<ReferenceLogps> {
    const { model, frozen } = this;
    frozen?.requireUnmerged();
    // The number of pairs is not in the batch's shape, so it travels as the shape of an argument.
    this.compiled ??= jit((count: Tensor, ...tensors: Tensor[]): Tensor[] => {
      const logps = (): ReturnType<typeof pairLogps> => pairLogps(model, pairTensorsFrom(tensors), count.size);
      const { chosen, rejected } = frozen ? frozen.during(logps) : logps();
      return [chosen, rejected];
    }, { precision: this.precision, name: "reference_logps", expectedTraces: BUCKETED });
    const inputs = [tf.zeros([rows.length]), ...pairTensorList(toPairTensors(packPairs(rows, this.packing)))];
    const outputs = this.compiled(...inputs);
    const [chosen, rejected] = await Promise.all(outputs.map((output) => output.data()));
    tf.dispose([...inputs, ...outputs]);
    return { chosen: Array.from(chosen!), rejected: Array.from(rejected!) };
  }

  /** Computes every batch that is not known yet. */
  async precompute(onProgress?: (done: number, total: number) => void): Promise<void> {
    const missing = this.missing();
    const total = missing.flat().length;
    let done = 0;
    for (const rows of missing) {
      await this.logps(rows);
      done += rows.length;
      onProgress?.(done, total);
    }
    // All is known: its functions are not called again.
    this.compiled?.dispose();
  }

  dispose(): void {
    this.compiled?.dispose();
    this.frozen?.dispose();
    if (this.ownsModel) this.model.dispose();
  }
}

const SIDES = ["chosen", "rejected"] as const;

/**
 * The log-probabilities known so far, for checkpoints: a row is computed in the batch that the run first meets it in, and
 * computed in another one after the run was resumed it would differ in the last digits.
 * @param sets rows by the name of their set; NaN stands for a row that is not known
 */
export function referenceState(reference: () => Reference, sets: Record<string, readonly TokenizedRow[]>): MethodState {
  const named = Object.entries(sets).filter(([, rows]) => rows.length > 0);
  return {
    tensors: () => named.flatMap(([set, rows]) => SIDES.map((side) => ({
      name: `${set}.ref_${side}_logps`, shape: [rows.length], data: Float32Array.from(rows, (row) => reference().recalled(row)?.[side] ?? NaN),
    }))),
    restore(file) {
      for (const [set, rows] of named) {
        const [chosen, rejected] = SIDES.map((side) => file.read(`${set}.ref_${side}_logps`));
        rows.forEach((row, i) => {
          if (!Number.isNaN(chosen![i])) reference().remember(row, { chosen: chosen![i]!, rejected: rejected![i]! });
        });
      }
    },
  };
}
