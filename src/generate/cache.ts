import type { Scalar, Tensor1D, Tensor2D, Variable } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { BUCKETED } from "../engine/buckets";
import { compilesByDefault, jit, type JitFunction } from "../engine/jit";
import type { Precision } from "../engine/recorder";
import type { LlamaForCausalLM } from "../model/llama";
import { decodeStep, prefill } from "./decoder";
import { copyRows, moveRows, type CacheShape, type LayerCache } from "./layerCache";
import { ownProjections, type Projections } from "./projections";
import { empty, newStorage, refill } from "./storage";

type Step = JitFunction<[Tensor1D, Scalar, Tensor1D], Tensor2D>;

/**
 * A key-value cache of one size with the functions compiled for it. Its memory is taken by `prefill` or `takeFrom` and
 * given back by `release`; the compiled functions stay.
 */
export class KeyValueCache {
  private readonly layers: LayerCache[];
  private readonly prefills = new Map<Precision, JitFunction<[Tensor2D, Tensor1D], Tensor2D>>();
  private readonly steps = new Map<Projections, Step>();
  private readonly moves = new Map<KeyValueCache, JitFunction<[Tensor1D], void>>();
  private readonly copies: JitFunction<[Tensor1D, Tensor1D], void>;
  private isReleased = false;

  constructor(
    private readonly model: LlamaForCausalLM,
    readonly shape: CacheShape,
  ) {
    const { numKeyValueHeads, headDim } = model.config;
    const size: [number, number] = [shape.batch * numKeyValueHeads * shape.capacity, headDim];
    this.layers = model.layers.map(() => ({ keys: newStorage(size), values: newStorage(size) }));
    this.release();
    this.copies = jit((targets, sources) => copyRows(this.layers, shape, targets, sources, model.config), { name: "copy_rows" });
  }

  /** Computes the prompts; see `prefill` in decoder.ts. */
  prefill(ids: Tensor2D, padding: Tensor1D, precision: Precision): Tensor2D {
    this.claim();
    let compiled = this.prefills.get(precision);
    if (!compiled) {
      const projections = ownProjections(this.model);
      compiled = jit((ids, padding) => prefill(this.model, projections, this.layers, this.shape, ids, padding), { name: "prefill", precision, expectedTraces: BUCKETED });
      this.prefills.set(precision, compiled);
    }
    return compiled(ids, padding);
  }

  /** One token for every sequence; see `decodeStep`. */
  step(projections: Projections, ids: Tensor1D, place: Scalar, padding: Tensor1D): Tensor2D {
    let compiled = this.steps.get(projections);
    if (!compiled) {
      compiled = jit((ids, place, padding) => decodeStep(this.model, projections, this.layers, this.shape, ids, place, padding), { name: "decode" });
      this.steps.set(projections, compiled);
    }
    return compiled(ids, place, padding);
  }

  /** Whether a step runs without being compiled first. */
  isCompiled(projections: Projections): boolean {
    return (this.steps.get(projections)?.traces.length ?? 0) > 0;
  }

  /** Lets each row go on from another one's keys and values; a row that goes on from itself costs nothing. @param parents one for each row */
  reorder(parents: readonly number[]): void {
    const targets = [...parents.keys()].filter((row) => parents[row] !== row);
    if (targets.length === 0) return;
    // Few sizes are compiled: the first row stands in for what is missing, written more than once.
    const size = [4, 2, 1].map((part) => Math.ceil(parents.length / part)).find((size) => size >= targets.length)!;
    const rows = Array.from({ length: size }, (_, i) => targets[i] ?? targets[0]!);
    tf.tidy(() => this.copies(tf.tensor1d(rows, "int32"), tf.tensor1d(rows.map((row) => parents[row]!), "int32")));
  }

  /** Takes over rows of a cache of at most this capacity. @param rows int32, one for each sequence of this cache */
  takeFrom(other: KeyValueCache, rows: Tensor1D): void {
    this.claim();
    let compiled = this.moves.get(other);
    if (!compiled) {
      compiled = jit((rows) => moveRows(other.layers, other.shape, this.layers, this.shape, rows, this.model.config), { name: "move_cache" });
      this.moves.set(other, compiled);
    }
    compiled(rows);
    other.isReleased = true;
    if (compilesByDefault()) other.release();
  }

  /** Frees what was compiled to take over from a cache that is about to be disposed. */
  forget(other: KeyValueCache): void {
    this.moves.get(other)?.dispose();
    this.moves.delete(other);
  }

  /** Frees the keys and values. */
  release(): void {
    this.isReleased = true;
    this.forEachVariable(empty);
  }

  /** Takes the memory before a function writes it that XLA compiles; others take it as they write. */
  private claim(): void {
    if (this.isReleased && compilesByDefault()) this.forEachVariable(refill);
    this.isReleased = false;
  }

  private forEachVariable(act: (variable: Variable) => void): void {
    for (const { keys, values } of this.layers) for (const variable of [keys, values]) tf.tidy(() => act(variable));
  }

  dispose(): void {
    for (const compiled of [...this.steps.values(), ...this.prefills.values(), ...this.moves.values()]) compiled.dispose();
    this.copies.dispose();
    for (const { keys, values } of this.layers) tf.dispose([keys, values]);
  }
}
