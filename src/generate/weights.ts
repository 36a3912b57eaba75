import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Variable } from "@tensorflow/tfjs";
import { binding, tf } from "../engine/backend";
import { jit, type JitFunction } from "../engine/jit";
import { BFLOAT16_PER_INT, INT8_PER_INT, bfloat16Product, columnProduct, columnShape, decodedProduct, toBfloat16, toColumns, type CodesPerInt } from "../engine/narrow";
import type { LlamaForCausalLM } from "../model/llama";
import { withAdapter, type LayerProjections, type Projected, type Projection, type Projections } from "./projections";
import { empty, newStorage, store } from "./storage";

/**
 * How weights are held while single tokens are computed, which is a matter of how many bytes are read: `float32`, as they
 * are; `bfloat16`, half the bytes; `int8`, a quarter, each row of a matrix rounded to 255 steps of its own. The two are
 * copies, made when the first token is computed and freed with the call; activations between the products stay float32.
 */
export const DECODE_WEIGHTS = ["float32", "bfloat16", "int8"] as const;
export type DecodeWeights = (typeof DECODE_WEIGHTS)[number];

/** `bfloat16_columns` is bfloat16 for single rows, see `columnProduct`. */
export type NarrowKind = "bfloat16" | "bfloat16_columns" | "int8";

/** How a model's weights are held for so many rows at once. */
export function narrowKind(kind: Exclude<DecodeWeights, "float32">, rows: number): NarrowKind {
  if (kind === "int8") return kind;
  return rows === 1 ? "bfloat16_columns" : "bfloat16";
}

/** @throws RangeError where a model's weights cannot be held as `kind` says: for depths that do not fill whole numbers of 32 bits, and on a GPU */
export function checkNarrow(model: LlamaForCausalLM, kind: Exclude<DecodeWeights, "float32">): void {
  // TensorFlow keeps variables of int32, which the codes are, in the host's memory, where what XLA compiles for a GPU does not reach them.
  if (binding.context.gpu) throw new RangeError(`generate: decodeWeights is "${kind}", which only a CPU computes with so far. Take "float32" on a GPU.`);
  const unit = kind === "int8" ? INT8_PER_INT : BFLOAT16_PER_INT;
  for (const { shape: [width, depth] } of [...model.layers.flatMap(({ q, o, gate, down }) => [q, o, gate, down]), model.head]) {
    if (depth % unit !== 0) throw new RangeError(`generate: decodeWeights is "${kind}", but a matrix of this model is ${width} × ${depth}, which does not fill whole numbers of 32 bits. Take "float32".`);
  }
}

/** Up to so many rows, codes in columns are decoded within one pass over them; beyond, they are decoded once for all rows. */
const MOST_ROWS_IN_LOOPS = 4;
/** Into how many pieces a matrix is cut, whose products run side by side: oneDNN computes one of few rows in one thread. */
const PIECES = 2;

/** A model's weights in few bits, as `Projections`. Their memory is taken by `fill` and given back by `release`. */
export class NarrowWeights implements Projections {
  readonly layers: readonly LayerProjections[];
  readonly head: Projected;
  readonly mostRowsInLoops: number;
  /** Of each matrix how its variables get their values, and those. */
  private readonly matrices: { fill(): void; variables: Variable[] }[] = [];
  private readonly fillAll: JitFunction<[], void>;
  private filled = false;

  /** @param model one that `checkNarrow` lets pass */
  constructor(
    model: LlamaForCausalLM,
    readonly kind: NarrowKind,
  ) {
    const columns = kind !== "bfloat16";
    this.mostRowsInLoops = columns ? MOST_ROWS_IN_LOOPS : 0;
    const hold = (pieces: number, ...sources: Tensor2D[]): Projected => (columns ? [this.inColumns(sources)] : this.inRows(sources, pieces));
    this.layers = model.layers.map(({ inputNorm, postAttentionNorm, q, k, v, o, gate, up, down, adapters = {} }) => ({
      inputNorm, postAttentionNorm,
      qkv: adapters.q || adapters.k || adapters.v ? ([[q, adapters.q], [k, adapters.k], [v, adapters.v]] as const).flatMap(([matrix, update]) => withAdapter(hold(1, matrix), update)) : hold(PIECES, q, k, v),
      o: withAdapter(hold(PIECES, o), adapters.o), gate: withAdapter(hold(1, gate), adapters.gate), up: withAdapter(hold(1, up), adapters.up), down: withAdapter(hold(PIECES, down), adapters.down),
    }));
    this.head = hold(PIECES, model.head);
    this.fillAll = jit(() => this.matrices.forEach((matrix) => matrix.fill()), { name: `${kind}_weights` });
  }

  /** Copies the model's weights as they are now, unless that was done since the last `release`. */
  fill(): void {
    if (!this.filled) this.fillAll();
    this.filled = true;
  }

  /** Frees the copies. */
  release(): void {
    if (!this.filled) return;
    this.filled = false;
    tf.tidy(() => {
      for (const variable of this.variables) empty(variable);
    });
  }

  dispose(): void {
    this.fillAll.dispose();
    tf.dispose(this.variables);
  }

  private get variables(): Variable[] {
    return this.matrices.flatMap(({ variables }) => variables);
  }

  private inRows(sources: readonly Tensor2D[], pieces: number): Projected {
    const { width, depth } = sizeOf(sources);
    const counts = width % pieces === 0 ? Array.from({ length: pieces }, () => width / pieces) : [width];
    const variables = counts.map((count) => newStorage([count, depth / BFLOAT16_PER_INT], "int32"));
    const fill = (): void => tf.split(whole(sources), counts, 0).forEach((piece, i) => store(variables[i]!, toBfloat16(piece as Tensor2D)));
    this.matrices.push({ fill, variables });
    return variables.map((variable, i) => ({ width: counts[i]!, tensors: [variable], product: (x, [codes]) => bfloat16Product(x, codes as Tensor2D) }));
  }

  private inColumns(sources: readonly Tensor2D[]): Projection {
    const { width, depth } = sizeOf(sources);
    const perInt: CodesPerInt = this.kind === "int8" ? INT8_PER_INT : BFLOAT16_PER_INT;
    const variables = [newStorage(columnShape(width, depth, perInt), "int32"), ...(perInt === INT8_PER_INT ? [newStorage([width], "float32")] : [])];
    const fill = (): void => {
      const { codes, scales } = toColumns(whole(sources), perInt);
      [codes, scales].forEach((value, i) => value && store(variables[i]!, value));
    };
    this.matrices.push({ fill, variables });
    const product = (x: Tensor2D, [codes, scales]: readonly Tensor[]): Tensor2D => {
      const held = { codes: codes as Tensor3D, scales: (scales ?? null) as Tensor1D | null };
      return x.shape[0] <= MOST_ROWS_IN_LOOPS ? columnProduct(x, held, perInt) : decodedProduct(x, held, perInt);
    };
    return { width, tensors: variables, product };
  }
}

const sizeOf = (sources: readonly Tensor2D[]): { width: number; depth: number } => ({ width: sources.reduce((sum, { shape }) => sum + shape[0], 0), depth: sources[0]!.shape[1] });

const whole = (sources: readonly Tensor2D[]): Tensor2D => (sources.length === 1 ? sources[0]! : (tf.concat([...sources], 0) as Tensor2D));
