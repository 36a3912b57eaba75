import { c, cString, check, passingString, status, type Pointer } from "./capi";
import type { Context } from "./context";
import { ATTR, int64s, isNarrow, TF } from "./dtypes";
import type { Attribute } from "./eager";
import { countNative } from "./nativeCounts";
import { groupInputs, packOutputs, setNodeAttribute } from "./node";
import { packedProduct } from "./products";
import { newHandle, newHostTensor, type HostValues } from "./tensors";
import { VariableOrder } from "./variableOrder";

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
  /** For a value in another shape: the value as it was computed. */
  origin?: GraphOutput;
}

/** A value whose node is made when something uses it: half of all casts and reshapes are only ever undone. */
function deferred(make: () => Pointer, value: Omit<GraphOutput, "op">): GraphOutput {
  let op: Pointer | null = null;
  return {
    ...value,
    get op() {
      return (op ??= make());
    },
  };
}

/** A value from outside the trace: a placeholder, and the function that gives the handle at each call. */
export interface Capture {
  output: GraphOutput;
  handle: () => Pointer;
  /** The handle is made for each call, whoever makes the call deletes it. */
  perCall: boolean;
  release: () => void;
}

/** A part of a computation as a TensorFlow function of its own, see `fuse`. */
export interface Part {
  key: string;
  name: string;
  fn: Pointer;
  outputs: { shape: number[]; dtype: number }[];
  /** Compiled functions that call it. */
  users: number;
}

/** Constants of up to so many values are compared with those that a trace has. */
const SHARED_CONSTANT = 64;

const MATRIX_PRODUCTS = new Set(["MatMul", "BatchMatMulV2"]);
/** Ops that only move values: what is exact in a narrow type before them is exact after them. */
const MOVES = new Set(["Transpose", "Slice", "GatherV2", "ConcatV2"]);
/** Under which names an op declares the type of what it multiplies or moves. */
const VALUE_TYPES = new Set(["T", "Tparams"]);

/** Records ops as nodes of a `TF_Graph`; shapes come from TensorFlow's own inference. */
export class Recorder {
  readonly graph: Pointer = c.TF_NewGraph();
  readonly parameters: GraphOutput[] = [];
  readonly captures: Capture[] = [];
  readonly effects: Pointer[] = [];
  /** Of all constants together. */
  constantBytes = 0;
  /** The data of every tensor that an op of the trace was given. */
  readonly given = new WeakSet<object>();
  /** Values from outside that already have a place in this trace, by their entry. */
  readonly external = new WeakMap<object, GraphOutput>();
  /** Every node in order, with what it takes. */
  readonly nodes: { op: Pointer; name: string; inputs: readonly GraphOutput[] }[] = [];
  /** Set between a forward and a backward pass that become functions of their own: one has run when the other starts. */
  private readonly finished = new Set<Pointer>();
  readonly variables = new VariableOrder(this);
  /** What the operands of matrix products are cast to; null for float32. */
  readonly narrowDtype: number | null;
  private readonly casts = new Map<string, GraphOutput>();
  private readonly constants = new Map<string, GraphOutput>();
  /** The parts that the graph calls. */
  readonly parts = new Set<Part>();

  /** @param fusesParts whether parts given to `fuse` become functions of their own; not for a function that XLA compiles as a whole */
  constructor(
    private readonly context: Context,
    readonly precision: Precision,
    readonly fusesParts = false,
  ) {
    countNative("graphs", 1);
    this.narrowDtype = NARROW[precision];
  }

  /** Adds a node and returns its operation. Inputs that an op takes as one list are given as an array. */
  node(name: string, attributes: readonly Attribute[], inputs: readonly (GraphOutput | GraphOutput[])[], control: readonly Pointer[] = []): Pointer {
    const description = c.TF_NewOperation(this.graph, cString(name), passingString(`${name}_${this.nodes.length}`));
    for (const input of inputs) {
      if (Array.isArray(input)) c.TF_AddInputList(description, packOutputs(input), input.length);
      else c.TF_AddInput(description, { op: input.op, index: input.index });
    }
    for (const operation of control) if (!this.finished.has(operation)) c.TF_AddControlInput(description, operation);
    for (const attribute of attributes) setNodeAttribute(description, attribute);
    const operation = c.TF_FinishOperation(description, status);
    check(name);
    this.nodes.push({ op: operation, name, inputs: inputs.flat() });
    return operation;
  }

  /** The nodes so far become a function of their own, which is called before what follows. Returns their number. */
  split(): number {
    for (const { op } of this.nodes) this.finished.add(op);
    return this.nodes.length;
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

  /** Small constants, sizes and axes mostly, are one node for each value. */
  constant(shape: readonly number[], dtype: number, values: HostValues): GraphOutput {
    const key = ArrayBuffer.isView(values) && values.length <= SHARED_CONSTANT ? `${dtype} [${shape}] ${Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("latin1")}` : null;
    const known = key === null ? undefined : this.constants.get(key);
    if (known) return known;
    const made = this.newConstant(shape, dtype, values);
    if (key !== null) this.constants.set(key, made);
    return made;
  }

  private newConstant(shape: readonly number[], dtype: number, values: HostValues): GraphOutput {
    const tensor = newHostTensor(shape, dtype, values);
    try {
      const op = this.node("Const", [
        { name: "dtype", type: ATTR.TYPE, value: dtype },
        { name: "value", type: ATTR.TENSOR, value: tensor },
      ], []);
      this.constantBytes += c.TF_TensorByteSize(tensor);
      return this.output(op, 0);
    } finally {
      c.TF_DeleteTensor(tensor);
    }
  }

  capture(dtype: number, shape: readonly number[] | null, handle: () => Pointer, release: () => void): Capture {
    return this.hold({ output: this.placeholder(dtype, shape), handle, perCall: false, release });
  }

  /** A number that is another at each call, see `nextSeed`. */
  captureNumber(value: () => number): GraphOutput {
    const handle = (): Pointer => newHandle([], TF.INT32, Int32Array.of(value()));
    return this.hold({ output: this.placeholder(TF.INT32, []), handle, perCall: true, release: () => undefined }).output;
  }

  private hold(capture: Capture): Capture {
    countNative("captures", 1);
    this.captures.push(capture);
    return capture;
  }

  /** `x` in another dtype; one cast a trace for each value. */
  cast(x: GraphOutput, dtype: number): GraphOutput {
    if (x.dtype === dtype) return x;
    if (x.narrow?.dtype === dtype) return x.narrow;
    if (x.origin) return this.reshape(this.cast(x.origin, dtype), x.shape!);
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
    ], [this.cast(x, this.narrowDtype)], [(after.narrow ?? after).op]);
    return { op, index: 0, shape: x.shape, dtype: TF.FLOAT, recorder: this };
  }

  /** The narrow copy of a value, where there is one, or the value. */
  smallest(x: GraphOutput): GraphOutput {
    if (x.narrow) return x.narrow;
    const copy = this.narrowDtype === null ? undefined : this.casts.get(castKey(x.origin ?? x, this.narrowDtype));
    return copy ? this.reshape(copy, x.shape!) : x;
  }

  /** A float32 view of a narrow value. */
  widened(x: GraphOutput): GraphOutput {
    return isNarrow(x.dtype) ? deferred(() => this.cast(x, TF.FLOAT).op, { index: 0, shape: x.shape, dtype: TF.FLOAT, recorder: this, narrow: x }) : x;
  }

  /** The same values in another shape. */
  reshape(x: GraphOutput, shape: number[]): GraphOutput {
    if (x.narrow) return this.widened(this.reshape(x.narrow, shape));
    const origin = x.origin ?? x;
    if (origin.shape?.length === shape.length && shape.every((size, axis) => size === origin.shape![axis])) return origin;
    const make = (): Pointer => this.node("Reshape", [
      { name: "T", type: ATTR.TYPE, value: x.dtype },
      { name: "Tshape", type: ATTR.TYPE, value: TF.INT32 },
    ], [origin, this.constant([shape.length], TF.INT32, Int32Array.from(shape))]);
    return deferred(make, { index: 0, shape, dtype: x.dtype, recorder: this, origin });
  }

  /** A call of a function that XLA compiles. */
  callPart(part: Part, inputs: readonly GraphOutput[]): GraphOutput[] {
    const { name, fn, outputs } = part;
    if (!this.parts.has(part)) {
      this.parts.add(part);
      c.TF_GraphCopyFunction(this.graph, fn, 0, status);
      check(name);
    }
    // Called by an op that has a kernel: for a node of the function's own name TensorFlow looks through all kernels there are, in vain.
    const op = this.node("PartitionedCall", [
      { name: "f", type: ATTR.FUNC, value: name },
      { name: "Tout", type: ATTR.TYPE, value: outputs.map(({ dtype }) => dtype) },
      { name: "_XlaMustCompile", type: ATTR.BOOL, value: true },
    ], [[...inputs]]);
    return outputs.map(({ shape, dtype }, index) => this.shaped({ op, index, shape, dtype, recorder: this }));
  }

  /** Tells TensorFlow a shape that it cannot infer. */
  shaped(output: GraphOutput): GraphOutput {
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
    const op = this.node("Identity", [{ name: "T", type: ATTR.TYPE, value: x.dtype }], [x], [(after.narrow ?? after).op]);
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
    const moved = MOVES.has(name) ? this.narrowOperands(name, operands) : null;
    const narrow = moved?.[0]!.dtype ?? (isProduct && operands[0]?.dtype === TF.FLOAT ? this.narrowDtype : null);
    if (narrow !== null) {
      operands = moved ?? operands.map((x) => this.cast(x, narrow));
      known = known.map((attribute) => (VALUE_TYPES.has(attribute.name) ? { ...attribute, value: narrow } : attribute));
    }
    const op = this.node(name, known, groupInputs(definition.inputs, known, operands));
    if (definition.stateful) this.effects.push(op);
    return Array.from({ length: numOutputs }, (_, i) => {
      const output = this.output(op, i);
      return this.widened(output);
    });
  }

  /** What an op moves, in its narrow form, with what tells it where; null where it has none. */
  private narrowOperands(name: string, operands: readonly GraphOutput[]): GraphOutput[] | null {
    const count = name === "ConcatV2" ? operands.length - 1 : 1;
    const narrow = operands.slice(0, count).flatMap(({ narrow }) => narrow ?? []);
    return narrow.length === count && narrow.every(({ dtype }) => dtype === narrow[0]!.dtype) ? [...narrow, ...operands.slice(count)] : null;
  }

  dispose(): void {
    countNative("graphs", -1);
    c.TF_DeleteGraph(this.graph);
  }
}

const castKey = ({ op, index }: GraphOutput, dtype: number): string => `${op}:${index}:${dtype}`;
