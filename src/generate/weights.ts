import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Variable } from "@tensorflow/tfjs";
import { binding, tf, toResource, type, updateVariables } from "../engine/backend";
import { jit, type JitFunction } from "../engine/jit";
import { BFLOAT16_PER_INT, INT8_PER_INT, bfloat16Product, int8Product, toBfloat16, toInt8 } from "../engine/narrow";
import type { LlamaForCausalLM } from "../model/llama";
import type { LayerProjections, Projections } from "./projections";

/**
 * How weights are held while single tokens are computed, which is a matter of how many bytes are read: `float32`, as they
 * are; `bfloat16`, half the bytes; `int8`, a quarter, each row of a matrix rounded to 255 steps of its own. The two are
 * copies, made when the first token is computed and freed with the call; activations between the products stay float32.
 */
export const DECODE_WEIGHTS = ["float32", "bfloat16", "int8"] as const;
export type DecodeWeights = (typeof DECODE_WEIGHTS)[number];

type NarrowKind = Exclude<DecodeWeights, "float32">;

/** One matrix, or several that stand one below the other and are multiplied as one. */
interface Matrix {
  sources: readonly Tensor2D[];
  width: number;
  depth: number;
  /** What `toBfloat16` or `toInt8` gives: int32 codes, and scales for int8. */
  parts: Variable[];
}

/** A model's weights in few bits, as `Projections`. Their memory is taken by `fill` and given back by `release`. */
export class NarrowWeights implements Projections {
  readonly layers: readonly LayerProjections[];
  private readonly matrices: Matrix[] = [];
  private readonly headMatrix: Matrix;
  private readonly fillAll: JitFunction<[], void>;
  private filled = false;

  /** @throws RangeError for widths that do not fill whole numbers of 32 bits, and on a GPU */
  constructor(
    model: LlamaForCausalLM,
    private readonly kind: NarrowKind,
  ) {
    // TensorFlow keeps variables of int32, which the codes are, in the host's memory, where what XLA compiles for a GPU does not reach them.
    if (binding.context.gpu) throw new RangeError(`generate: decodeWeights is "${kind}", which only a CPU computes with so far. Take "float32" on a GPU.`);
    this.layers = model.layers.map((layer) => {
      const qkv = this.add(layer.q, layer.k, layer.v);
      const gateUp = this.add(layer.gate, layer.up);
      const [o, down] = [this.add(layer.o), this.add(layer.down)];
      return {
        inputNorm: layer.inputNorm, postAttentionNorm: layer.postAttentionNorm,
        qkv: (x) => this.split(x, qkv) as [Tensor3D, Tensor3D, Tensor3D], o: (x) => this.split(x, o)[0]!,
        gateUp: (x) => this.split(x, gateUp) as [Tensor3D, Tensor3D], down: (x) => this.split(x, down)[0]!,
      };
    });
    this.headMatrix = this.add(model.head);
    for (const matrix of this.matrices) matrix.parts = this.partsFor(matrix);
    this.fillAll = jit(() => this.matrices.forEach((matrix) => this.fillOne(matrix)), { name: `${kind}_weights` });
  }

  head(x: Tensor2D): Tensor2D {
    return this.product(x, this.headMatrix);
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
      for (const { parts } of this.matrices) for (const part of parts) assign(part, tf.zeros([0], part.dtype as "float32" | "int32"));
    });
  }

  dispose(): void {
    this.fillAll.dispose();
    for (const { parts } of this.matrices) tf.dispose(parts);
  }

  /** Bytes of the copies. */
  get bytes(): number {
    return this.matrices.reduce((sum, { parts }) => sum + parts.reduce((bytes, { size }) => bytes + 4 * size, 0), 0);
  }

  private add(...sources: Tensor2D[]): Matrix {
    const width = sources.reduce((sum, { shape }) => sum + shape[0], 0);
    const depth = sources[0]!.shape[1];
    const [unit, size] = this.kind === "bfloat16" ? [BFLOAT16_PER_INT, depth] : [INT8_PER_INT, width];
    if (size % unit !== 0) throw new RangeError(`generate: decodeWeights is "${this.kind}", but a matrix of this model is ${width} × ${depth}, which does not fill whole numbers of 32 bits. Take "float32".`);
    const matrix: Matrix = { sources, width, depth, parts: [] };
    this.matrices.push(matrix);
    return matrix;
  }

  private partsFor({ width, depth }: Matrix): Variable[] {
    const variable = (shape: number[], dtype: "int32" | "float32"): Variable => tf.tidy(() => toResource(tf.variable(tf.zeros(shape, dtype), false)));
    if (this.kind === "bfloat16") return [variable([width, depth / BFLOAT16_PER_INT], "int32")];
    return [variable([depth, width / INT8_PER_INT], "int32"), variable([width], "float32")];
  }

  private fillOne({ sources, parts }: Matrix): void {
    const whole = sources.length === 1 ? sources[0]! : (tf.concat([...sources], 0) as Tensor2D);
    if (this.kind === "bfloat16") return assign(parts[0]!, toBfloat16(whole));
    const { codes, scales } = toInt8(whole);
    assign(parts[0]!, codes);
    assign(parts[1]!, scales);
  }

  private product(x: Tensor2D, { parts }: Matrix): Tensor2D {
    const [codes, scales] = parts as unknown as [Tensor2D, Tensor1D];
    return this.kind === "bfloat16" ? bfloat16Product(x, codes) : int8Product(x, { codes, scales });
  }

  /** The products with each of a matrix' sources. @param x [batch, length, in] */
  private split(x: Tensor3D, matrix: Matrix): Tensor3D[] {
    const [batch, length, depth] = x.shape;
    const y = this.product(tf.reshape(x, [batch * length, depth]) as Tensor2D, matrix);
    const whole = tf.reshape(y, [batch, length, matrix.width]) as Tensor3D;
    if (matrix.sources.length === 1) return [whole];
    return tf.split(whole, matrix.sources.map(({ shape }) => shape[0]), 2) as Tensor3D[];
  }
}

function assign(variable: Variable, value: Tensor): void {
  updateVariables("AssignVariableOp", { dtype: type(variable.dtype) }, [variable], [value]);
}
