import type { Tensor1D, Tensor2D } from "@tensorflow/tfjs";
import { tf } from "../engine/backend";
import { BUCKETED } from "../engine/buckets";
import { requireTensorflow } from "../engine/capacity";
import { jit } from "../engine/jit";
import type { Precision } from "../engine/recorder";
import type { Adapter, LlamaForCausalLM } from "../model/llama";
import { BeamDevice } from "./beamDevice";
import { KeyValueCache } from "./cache";
import { TokenChooser } from "./chooser";
import type { CacheShape } from "./layerCache";
import { fasterPrecision, measurePrecision, type PrecisionRow } from "./precision";
import { ownProjections, type Projections } from "./projections";
import { NarrowWeights, checkNarrow, narrowKind, type DecodeWeights, type NarrowKind } from "./weights";

/** Sizes of cache whose compiled functions are kept; the one used longest ago goes first. */
const MOST_CACHES = 16;

const sessions = new WeakMap<LlamaForCausalLM, GenerationSession>();

/** What generation keeps for a model between calls: compiled functions and, while it runs, key-value caches. */
export class GenerationSession {
  readonly chooser: TokenChooser;
  readonly beams: BeamDevice;
  /** Rows of prompts computed so far: equal prompts of one call are one row. */
  prefilledRows = 0;
  private readonly own: Projections;
  private readonly narrow = new Map<NarrowKind, NarrowWeights>();
  private readonly caches = new Map<string, KeyValueCache>();
  private readonly gather = jit((x: Tensor2D, rows: Tensor1D) => tf.gather(x, rows), { name: "expand_rows", expectedTraces: BUCKETED });
  private precisions: PrecisionRow[] | null = null;
  private last: Promise<unknown> = Promise.resolve();

  /** The adapter that the compiled functions know. */
  private readonly adapter: Adapter | null;

  private constructor(readonly model: LlamaForCausalLM) {
    this.adapter = model.adapter;
    this.chooser = new TokenChooser(model.config.vocabSize);
    this.beams = new BeamDevice(model.config.vocabSize);
    this.own = ownProjections(model);
  }

  static of(model: LlamaForCausalLM): GenerationSession {
    const known = sessions.get(model);
    if (known?.adapter === model.adapter) return known;
    void known?.exclusive(async () => known.dispose());
    const session = new GenerationSession(model);
    sessions.set(model, session);
    return session;
  }

  /** Runs `work` after all that was handed in before: two calls must not share a cache. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const result = this.last.then(work);
    this.last = result.catch(() => undefined);
    return result;
  }

  cache(shape: CacheShape): KeyValueCache {
    const key = `${shape.batch}x${shape.capacity}`;
    const cache = this.caches.get(key) ?? new KeyValueCache(this.model, shape);
    this.caches.delete(key);
    this.caches.set(key, cache);
    return cache;
  }

  /** The model's weights, held as `kind` says, for so many rows at once. Copies are made as of now, once until `release`. */
  projections(kind: DecodeWeights, rows: number): Projections {
    if (kind === "float32") return this.own;
    const held = narrowKind(kind, rows);
    let narrow = this.narrow.get(held);
    if (!narrow) {
      this.allow(kind);
      this.narrow.set(held, (narrow = new NarrowWeights(this.model, held)));
    }
    narrow.fill();
    return narrow;
  }

  /** @throws RangeError where the model's weights cannot be held as `kind` says, BackendError where no backend but TensorFlow could */
  allow(kind: DecodeWeights): void {
    if (kind === "float32") return;
    requireTensorflow(`decodeWeights ${JSON.stringify(kind)}`, 'decodeWeights: "float32"');
    checkNarrow(this.model, kind);
  }

  /** Gets the table by which `auto` is decided. */
  async measure(): Promise<void> {
    this.precisions = await measurePrecision(this.model);
  }

  /** How products of so many rows are computed; `auto` asks for `measure` first. */
  precisionFor(wanted: Precision | "auto", rows: number): Precision {
    return wanted === "auto" ? fasterPrecision(this.precisions!, rows) : wanted;
  }

  /** Whether a step of this size runs without being compiled first. */
  isCompiled({ batch, capacity }: CacheShape, kind: DecodeWeights, rows: number): boolean {
    const projections = kind === "float32" ? this.own : this.narrow.get(narrowKind(kind, rows));
    return projections !== undefined && (this.caches.get(`${batch}x${capacity}`)?.isCompiled(projections) ?? false);
  }

  /** Rows of `x`, each as often as `rows` names it. */
  expand(x: Tensor2D, rows: readonly number[]): Tensor2D {
    return tf.tidy(() => this.gather(x, tf.tensor1d([...rows], "int32"))) as Tensor2D;
  }

  /** Frees keys, values and copies of weights, and the caches used longest ago beyond what is kept. */
  release(): void {
    const spare = [...this.caches.keys()].slice(0, Math.max(0, this.caches.size - MOST_CACHES));
    for (const key of spare) {
      const cache = this.caches.get(key)!;
      this.caches.delete(key);
      for (const other of this.caches.values()) other.forget(cache);
      cache.dispose();
    }
    for (const cache of this.caches.values()) cache.release();
    for (const narrow of this.narrow.values()) narrow.release();
  }

  /** Frees everything. */
  dispose(): void {
    for (const cache of this.caches.values()) cache.dispose();
    for (const narrow of this.narrow.values()) narrow.dispose();
    this.chooser.dispose();
    this.beams.dispose();
    this.gather.dispose();
    this.caches.clear();
    if (sessions.get(this.model) === this) sessions.delete(this.model);
  }
}

/** Frees what `generate` keeps for a model between calls, once running calls have ended. Call it before `model.dispose()`. */
export async function disposeGeneration(model: LlamaForCausalLM): Promise<void> {
  const session = sessions.get(model);
  await session?.exclusive(async () => session.dispose());
}
