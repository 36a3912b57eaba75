import { c, cString, check, status, type Pointer } from "./capi";
import type { Context } from "./context";
import { ATTR, int64s, isNarrow, TF } from "./dtypes";
import type { Attribute } from "./eager";
import { groupInputs, setNodeAttribute } from "./node";
import { packedProduct } from "./products";
import { newHostTensor, type HostValues } from "./tensors";

/** `float32` computes as written; `bfloat16` and `float16` cast the operands of matrix products and keep all else in float32. */
export type Precision = "float32" | "bfloat16" | "float16";

/** The type of matrix products; null: as written. */
const NARROW: Record<Precision, number | null> = { float32: null, bfloat16: TF.BFLOAT16, float16: TF.HALF };

/** One output of a node in the graph that is being recorded. */
export interface GraphOutput {
  op: Pointer;
  index: number;
  /** null while TensorFlow does not know the rank. */
  shape: number[] | null;
  dtype: number;
  recorder: Recorder;
  /** For a float32 view of a narrow product: the product itself, so that a cast back costs nothing. */
  narrow?: GraphOutput;
}

/** A value from outside the trace: a placeholder, and the function that gives the handle at each call. */
export interface Capture {
  output: GraphOutput;
  handle: () => Pointer;
  release: () => void;
}

/** A part of a computation as a TensorFlow function of its own, see `fuse`. */
export interface Part {
  name: string;
  fn: Pointer;
  outputs: { shape: number[]; dtype: number }[];
}

interface ResourceUse {
  capture: Capture;
  dtype: number;
  shape: number[];
  lastWrite: Pointer | null;
  readsSinceWrite: Pointer[];
  value: GraphOutput | null;
}

const MATRIX_PRODUCTS = new Set(["MatMul", "BatchMatMulV2"]);
/** Ops that only move values: what is exact in a narrow type before them is exact after them. */
const MOVES = new Set(["Reshape", "Transpose", "Slice", "GatherV2"]);
/** Under which names an op declares the type of what it multiplies or moves. */
const VALUE_TYPES = new Set(["T", "Tparams"]);

/** Packs `TF_Output` structs: an address and a 32-bit index, padded to 16 bytes. */
export function packOutputs(outputs: readonly GraphOutput[]): Uint8Array {
  const buffer = new ArrayBuffer(16 * Math.max(1, outputs.length));
  const addresses = new BigUint64Array(buffer);
  const indices = new Int32Array(buffer);
  outputs.forEach((output, i) => {
    addresses[2 * i] = BigInt(output.op);
    indices[4 * i + 2] = output.index;
  });
  return new Uint8Array(buffer);
}

/**
 * Records ops as nodes of a `TF_Graph`; shapes come from TensorFlow's own inference. Reads and writes of resource
 * variables keep program order: a read runs after the last write, a write after every read and write before it.
 */
export class Recorder {
  readonly graph: Pointer = c.TF_NewGraph();
  readonly parameters: GraphOutput[] = [];
  readonly captures: Capture[] = [];
  readonly effects: Pointer[] = [];
  /** Values from outside that already have a place in this trace, by their entry. */
  readonly external = new WeakMap<object, GraphOutput>();
  nodeCount = 0;
  /** What the operands of matrix products are cast to; null for float32. */
  readonly narrowDtype: number | null;
  private readonly resources = new Map<Pointer, ResourceUse>();
  private readonly casts = new Map<string, GraphOutput>();

  private readonly copied = new Set<string>();

  /** @param fusesParts whether parts given to `fuse` become functions of their own; not for a function that XLA compiles as a whole */
  constructor(
    private readonly context: Context,
    readonly precision: Precision,
    readonly fusesParts = false,
  ) {
    this.narrowDtype = NARROW[precision];
  }

  /** Adds a node and returns its operation. Inputs that an op takes as one list are given as an array. */
  node(name: string, attributes: readonly Attribute[], inputs: readonly (GraphOutput | GraphOutput[])[], control: readonly Pointer[] = []): Pointer {
    const description = c.TF_NewOperation(this.graph, cString(name), cString(`${name}_${this.nodeCount++}`));
    for (const input of inputs) {
      if (Array.isArray(input)) c.TF_AddInputList(description, packOutputs(input), input.length);
      else c.TF_AddInput(description, { op: input.op, index: input.index });
    }
    for (const operation of control) c.TF_AddControlInput(description, operation);
    for (const attribute of attributes) setNodeAttribute(description, attribute);
    const operation = c.TF_FinishOperation(description, status);
    check(name);
    return operation;
  }

  output(op: Pointer, index: number): GraphOutput {
    const at = { op, index };
    const dtype = c.TF_OperationOutputType(at);
    const rank = c.TF_GraphGetTensorNumDims(this.graph, at, status);
    check("shape inference");
    let shape: number[] | null = rank < 0 ? null : [];
    if (rank > 0) {
      const dims = new BigInt64Array(rank);
      c.TF_GraphGetTensorShape(this.graph, at, dims, rank, status);
      check("shape inference");
      shape = Array.from(dims, Number);
    }
    return { op, index, shape, dtype, recorder: this };
  }

  placeholder(dtype: number, shape: readonly number[] | null): GraphOutput {
    const attributes: Attribute[] = [{ name: "dtype", type: ATTR.TYPE, value: dtype }];
    if (shape) attributes.push({ name: "shape", type: ATTR.SHAPE, value: shape });
    return this.output(this.node("Placeholder", attributes, []), 0);
  }

  parameter(dtype: number, shape: readonly number[]): GraphOutput {
    const output = this.placeholder(dtype, shape);
    this.parameters.push(output);
    return output;
  }

  constant(shape: readonly number[], dtype: number, values: HostValues): GraphOutput {
    const tensor = newHostTensor(shape, dtype, values);
    try {
      const op = this.node("Const", [
        { name: "dtype", type: ATTR.TYPE, value: dtype },
        { name: "value", type: ATTR.TENSOR, value: tensor },
      ], []);
      return this.output(op, 0);
    } finally {
      c.TF_DeleteTensor(tensor);
    }
  }

  capture(dtype: number, shape: readonly number[] | null, handle: () => Pointer, release: () => void): Capture {
    const capture = { output: this.placeholder(dtype, shape), handle, release };
    this.captures.push(capture);
    return capture;
  }

  private use(resource: Pointer, dtype: number, shape: number[]): ResourceUse {
    let use = this.resources.get(resource);
    if (!use) {
      // A handle of its own: a call after the variable's end is then TensorFlow's error and not a freed address.
      const own = c.TFE_TensorHandleCopySharingTensor(resource, status);
      check("capture variable");
      const capture = this.capture(TF.RESOURCE, null, () => own, () => c.TFE_DeleteTensorHandle(own));
      use = { capture, dtype, shape, lastWrite: null, readsSinceWrite: [], value: null };
      this.resources.set(resource, use);
    }
    return use;
  }

  /** The variable's value at this point of the program. */
  readResource(resource: Pointer, dtype: number, shape: number[]): GraphOutput {
    const use = this.use(resource, dtype, shape);
    if (!use.value) {
      const op = this.node("ReadVariableOp", [{ name: "dtype", type: ATTR.TYPE, value: dtype }], [use.capture.output], use.lastWrite === null ? [] : [use.lastWrite]);
      use.readsSinceWrite.push(op);
      use.value = this.shaped({ op, index: 0, shape, dtype, recorder: this });
    }
    return use.value;
  }

  /** Adds a node that changes `resources` in place, after everything that used them before and after `after`. */
  writeResources(name: string, attributes: readonly Attribute[], resources: readonly { resource: Pointer; dtype: number; shape: number[] }[], inputs: readonly GraphOutput[], after: readonly GraphOutput[]): Pointer {
    const uses = resources.map(({ resource, dtype, shape }) => this.use(resource, dtype, shape));
    const control = new Set<Pointer>(after.map((output) => output.op));
    for (const use of uses) {
      if (use.lastWrite !== null) control.add(use.lastWrite);
      for (const read of use.readsSinceWrite) control.add(read);
    }
    const op = this.node(name, attributes, [...uses.map((use) => use.capture.output), ...inputs], [...control]);
    this.effects.push(op);
    for (const use of uses) {
      use.lastWrite = op;
      use.readsSinceWrite = [];
      use.value = null;
    }
    return op;
  }

  /** `x` in another dtype; one cast a trace for each value. */
  cast(x: GraphOutput, dtype: number): GraphOutput {
    if (x.dtype === dtype) return x;
    if (x.narrow?.dtype === dtype) return x.narrow;
    const key = castKey(x, dtype);
    let result = this.casts.get(key);
    if (!result) {
      const op = this.node("Cast", [
        { name: "SrcT", type: ATTR.TYPE, value: x.dtype },
        { name: "DstT", type: ATTR.TYPE, value: dtype },
        { name: "Truncate", type: ATTR.BOOL, value: false },
      ], [x]);
      result = { op, index: 0, shape: x.shape, dtype, recorder: this };
      this.casts.set(key, result);
    }
    return result;
  }

  /**
   * A value kept from the forward pass, widened again for the backward pass from the narrow copy that the matrix
   * products hold anyway: the float32 value need not stay in memory between. Waits for `after`, or it would be widened at once.
   */
  recall(x: GraphOutput, after: GraphOutput): GraphOutput {
    if (this.narrowDtype === null || x.dtype !== TF.FLOAT) return x;
    const op = this.node("Cast", [
      { name: "SrcT", type: ATTR.TYPE, value: this.narrowDtype },
      { name: "DstT", type: ATTR.TYPE, value: TF.FLOAT },
      { name: "Truncate", type: ATTR.BOOL, value: false },
    ], [this.cast(x, this.narrowDtype)], [after.op]);
    return { op, index: 0, shape: x.shape, dtype: TF.FLOAT, recorder: this };
  }

  /** The narrow copy of a value, where there is one, or the value. */
  smallest(x: GraphOutput): GraphOutput {
    return x.narrow ?? (this.narrowDtype === null ? undefined : this.casts.get(castKey(x, this.narrowDtype))) ?? x;
  }

  /** A float32 view of a narrow value. */
  widened(x: GraphOutput): GraphOutput {
    return isNarrow(x.dtype) ? { ...this.cast(x, TF.FLOAT), narrow: x } : x;
  }

  /** A call of a function that XLA compiles. */
  callPart({ name, fn, outputs }: Part, inputs: readonly GraphOutput[]): GraphOutput[] {
    if (!this.copied.has(name)) {
      c.TF_GraphCopyFunction(this.graph, fn, 0, status);
      check(name);
      this.copied.add(name);
    }
    const op = this.node(name, [{ name: "_XlaMustCompile", type: ATTR.BOOL, value: true }], inputs);
    return outputs.map(({ shape, dtype }, index) => this.shaped({ op, index, shape, dtype, recorder: this }));
  }

  /** Tells TensorFlow a shape that it cannot infer. */
  private shaped(output: GraphOutput): GraphOutput {
    const dims = int64s(output.shape!);
    c.TF_GraphSetTensorShape(this.graph, { op: output.op, index: output.index }, dims, dims.length, status);
    check("set shape");
    return output;
  }

  /**
   * `x` as an operand of a matrix product, not before `after` is computed: large values of independent parts are then
   * not alive at once.
   */
  sequence(x: GraphOutput, after: GraphOutput): GraphOutput {
    return this.widened(this.gate(this.narrowDtype !== null && x.dtype === TF.FLOAT ? this.cast(x, this.narrowDtype) : x, after));
  }

  /** `x`, not before `after` is computed. */
  gate(x: GraphOutput, after: GraphOutput): GraphOutput {
    // XLA drops control edges, and would then join what is computed twice.
    if (!this.fusesParts) {
      const op = this.node("XlaOptimizationBarrier", [{ name: "T", type: ATTR.TYPE, value: [x.dtype, after.dtype] }], [[x, after]]);
      return this.shaped({ op, index: 0, shape: x.shape, dtype: x.dtype, recorder: this });
    }
    const op = this.node("Identity", [{ name: "T", type: ATTR.TYPE, value: x.dtype }], [x], [after.op]);
    return { op, index: 0, shape: x.shape, dtype: x.dtype, recorder: this };
  }

  /** Records an op as tfjs's kernels call it: a flat list of inputs, attributes that the op may not know. */
  record(name: string, attributes: readonly Attribute[], inputs: readonly GraphOutput[], numOutputs: number): GraphOutput[] {
    const definition = this.context.opDefinition(name);
    let known = attributes.filter((attribute) => definition.attributes.has(attribute.name));
    let operands = [...inputs];
    const isProduct = MATRIX_PRODUCTS.has(name);
    const packed = isProduct && this.fusesParts && this.precision === "float32" && !this.context.gpu ? packedProduct(this, known, operands) : null;
    if (packed) return [packed];
    const moved = MOVES.has(name) ? operands[0]?.narrow : undefined;
    const narrow = moved?.dtype ?? (isProduct && operands[0]?.dtype === TF.FLOAT ? this.narrowDtype : null);
    if (narrow !== null) {
      operands = moved ? [moved, ...operands.slice(1)] : operands.map((x) => this.cast(x, narrow));
      known = known.map((attribute) => (VALUE_TYPES.has(attribute.name) ? { ...attribute, value: narrow } : attribute));
    }
    const op = this.node(name, known, groupInputs(definition.inputs, known, operands));
    if (definition.stateful) this.effects.push(op);
    return Array.from({ length: numOutputs }, (_, i) => {
      const output = this.output(op, i);
      return this.widened(output);
    });
  }

  /**
   * The recorded graph as a TensorFlow function of the parameters and captures, in this order. Ops with effects run
   * whether or not a result depends on them.
   */
  toFunction(name: string, results: readonly GraphOutput[]): Pointer {
    // A function's output must not be one of its inputs: Identity stands between.
    const outputs = results.map((result) => ({ ...result, op: this.node("Identity", [{ name: "T", type: ATTR.TYPE, value: result.dtype }], [result]), index: 0 }));
    const inputs = [...this.parameters, ...this.captures.map((capture) => capture.output)];
    const { effects } = this;
    const effectNames = effects.map((_, i) => BigInt(cString(`effect${i}`)));
    const fn = c.TF_GraphToFunctionWithControlOutputs(
      this.graph, cString(name), 0, -1, null, inputs.length, packOutputs(inputs), outputs.length, packOutputs(outputs), null,
      effects.length, effects.length ? BigUint64Array.from(effects, BigInt) : null, effects.length ? BigUint64Array.from(effectNames) : null, 0, 0, status,
    );
    check(`compile ${name}`);
    return fn;
  }

  dispose(): void {
    c.TF_DeleteGraph(this.graph);
  }
}

const castKey = ({ op, index }: GraphOutput, dtype: number): string => `${op}:${index}:${dtype}`;
