import type { backend_util } from "@tensorflow/tfjs";
import type { TFEOpAttr, TensorMetadata, TFJSBinding } from "@tensorflow/tfjs-node-gpu/dist/tfjs_binding";
import { c, check, cString, status, type Pointer } from "./capi";
import { Context } from "./context";
import { staysOnHost } from "./devices";
import { ATTR, elementCount, layoutOf, TF } from "./dtypes";
import { execute, type Attribute } from "./eager";
import type { GraphOutput, Recorder } from "./recorder";
import { newHandle, readHandle, readHandleAsync, shapeOfHandle, type HostValues } from "./tensors";
import { FOREIGN_TRACE, READ_WHILE_TRACING, TraceError } from "./traceError";
import type { Resource } from "./variableOrder";

/** What stands behind a tfjs tensor: one of a device handle, host values not yet sent, a variable, a traced value. */
interface Entry {
  shape: number[];
  dtype: number;
  handle?: Pointer;
  values?: HostValues;
  resource?: Pointer;
  symbol?: GraphOutput;
}

/** Constants up to this many bytes become part of the graph; larger ones are captured by handle. */
const INLINE_CONSTANT_BYTES = 65536;
const SMALL_INDEX_COUNT = 64;

/** tfjs-node's `TFJSBinding` over TensorFlow's C API, with a recording mode. */
export class Binding implements TFJSBinding {
  readonly TF_FLOAT = TF.FLOAT;
  readonly TF_INT32 = TF.INT32;
  readonly TF_INT64 = TF.INT64;
  readonly TF_BOOL = TF.BOOL;
  readonly TF_COMPLEX64 = TF.COMPLEX64;
  readonly TF_STRING = TF.STRING;
  readonly TF_RESOURCE = TF.RESOURCE;
  readonly TF_UINT8 = TF.UINT8;
  readonly TF_ATTR_STRING = ATTR.STRING;
  readonly TF_ATTR_INT = ATTR.INT;
  readonly TF_ATTR_FLOAT = ATTR.FLOAT;
  readonly TF_ATTR_BOOL = ATTR.BOOL;
  readonly TF_ATTR_TYPE = ATTR.TYPE;
  readonly TF_ATTR_SHAPE = ATTR.SHAPE;
  readonly TF_ATTR_RESOURCE = 7;
  readonly TF_Version = c.TF_Version();
  readonly TensorMetadata!: typeof TensorMetadata;
  readonly TFEOpAttr!: typeof TFEOpAttr;

  readonly context = new Context();
  /** The trace in progress, if any. */
  recorder: Recorder | null = null;
  private readonly entries = new Map<number, Entry>();
  private nextId = 0;
  private variableCount = 0;
  private handles = 0;

  // ---- tensors ----

  private put(entry: Entry): number {
    const id = this.nextId++;
    if (entry.handle !== undefined || entry.resource !== undefined) this.handles++;
    this.entries.set(id, entry);
    return id;
  }

  private entry(id: number): Entry {
    const entry = this.entries.get(id);
    if (!entry) throw new Error(`The tensor with id ${id} is not on the TensorFlow backend (was it disposed?).`);
    return entry;
  }

  private toDevice(entry: Entry): Pointer {
    let handle = newHandle(entry.shape, entry.dtype, entry.values!);
    const gpu = this.context.gpu;
    if (gpu && !staysOnHost(entry.dtype)) {
      const copy = c.TFE_TensorHandleCopyToDevice(handle, this.context.handle, cString(gpu.name), status);
      c.TFE_DeleteTensorHandle(handle);
      check("copy to GPU");
      handle = copy;
    }
    return handle;
  }

  createTensor(shape: number[], dtype: number, values: backend_util.BackendValues): number {
    const entry: Entry = { shape: [...shape], dtype, values: values as HostValues };
    if (this.recorder && dtype !== TF.STRING) return this.put(entry);
    entry.handle = this.toDevice(entry);
    delete entry.values;
    return this.put(entry);
  }

  deleteTensor(id: number): void {
    const entry = this.entry(id);
    this.entries.delete(id);
    const handle = entry.handle ?? entry.resource;
    if (handle === undefined) return;
    this.handles--;
    if (entry.resource !== undefined) {
      this.context.settleBackground();
      execute(this.context, "DestroyResourceOp", [{ name: "ignore_lookup_error", type: ATTR.BOOL, value: true }], [handle], 0);
    }
    c.TFE_DeleteTensorHandle(handle);
  }

  /** Runs `use` with the entry's eager handle; a variable is read for the time of the call. */
  private withHandles<T>(ids: readonly number[], use: (handles: Pointer[]) => T): T {
    const temporary: Pointer[] = [];
    try {
      return use(ids.map((id) => {
        const entry = this.entry(id);
        if (entry.symbol) throw new TraceError(FOREIGN_TRACE);
        if (entry.resource !== undefined) {
          const value = this.readVariable(entry.resource, entry.dtype);
          temporary.push(value);
          return value;
        }
        if (entry.handle === undefined) {
          entry.handle = this.toDevice(entry);
          this.handles++;
          delete entry.values;
        }
        return entry.handle;
      }));
    } catch (error) {
      // Whoever made the call learns of the failure here; the next call must find the background thread at work.
      this.context.settleBackground();
      throw error;
    } finally {
      for (const handle of temporary) c.TFE_DeleteTensorHandle(handle);
    }
  }

  private readVariable(resource: Pointer, dtype: number): Pointer {
    this.context.waitForBackground();
    return this.readVariableOp(resource, dtype);
  }

  private readVariableOp(resource: Pointer, dtype: number): Pointer {
    return execute(this.context, "ReadVariableOp", [{ name: "dtype", type: ATTR.TYPE, value: dtype }], [resource], 1)[0]!;
  }

  /** A variable's value after the calls queued so far; the read queues behind them. */
  private async readVariableLater(resource: Pointer, shape: number[], dtype: number): Promise<HostValues> {
    const value = this.context.inBackground(() => this.readVariableOp(resource, dtype));
    try {
      return await readHandleAsync(value, shape, dtype);
    } finally {
      c.TFE_DeleteTensorHandle(value);
    }
  }

  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array {
    const { symbol, values, shape, dtype } = this.entry(id);
    if (symbol) throw new TraceError(READ_WHILE_TRACING);
    if (values) return values as Float32Array;
    return this.withHandles([id], ([handle]) => readHandle(handle!, shape, dtype)) as Float32Array;
  }

  /** The tensor's values, read on a worker thread: the event loop goes on while they are being computed. */
  async tensorData(id: number): Promise<HostValues> {
    const { symbol, values, resource, shape, dtype } = this.entry(id);
    if (symbol) throw new TraceError(READ_WHILE_TRACING);
    if (values) return values;
    try {
      if (resource !== undefined) return await this.readVariableLater(resource, shape, dtype);
      return await this.withHandles([id], ([handle]) => readHandleAsync(handle!, shape, dtype));
    } catch (error) {
      this.context.settleBackground();
      throw error;
    }
  }

  /** Takes over a handle as a new tensor. `shape` and `dtype` known beforehand spare the wait for a pending one. */
  adopt(handle: Pointer, shape?: number[], dtype?: number): TensorMetadata {
    const known = { handle, shape: shape ?? shapeOfHandle(handle), dtype: dtype ?? c.TFE_TensorHandleDataType(handle) };
    return { id: this.put(known), shape: known.shape, dtype: known.dtype };
  }

  adoptSymbol(symbol: GraphOutput): TensorMetadata {
    if (!symbol.shape) throw new TraceError("TensorFlow cannot tell the rank of a value inside jit. Use ops whose result has a known rank.");
    return { id: this.put({ shape: symbol.shape, dtype: symbol.dtype, symbol }), shape: symbol.shape, dtype: symbol.dtype };
  }

  /** The tensor in a dtype that tfjs has: int64 and uint8 become int32, of int64 the lower 32 bits. */
  toTfjs(metadata: TensorMetadata): TensorMetadata {
    const { dtype } = this.entry(metadata.id);
    if (dtype !== TF.INT64 && dtype !== TF.UINT8) return metadata;
    const attributes: Attribute[] = [
      { name: "SrcT", type: ATTR.TYPE, value: dtype },
      { name: "DstT", type: ATTR.TYPE, value: TF.INT32 },
      { name: "Truncate", type: ATTR.BOOL, value: false },
    ];
    const [narrow] = this.executeOp("Cast", attributes as TFEOpAttr[], [metadata.id], 1);
    this.deleteTensor(metadata.id);
    return narrow!;
  }

  // ---- ops ----

  executeOp(name: string, attributes: TFEOpAttr[], ids: number[], numOutputs: number): TensorMetadata[] {
    if (this.recorder) {
      const inputs = ids.map((id) => this.symbolOf(id));
      return this.recorder.record(name, attributes as Attribute[], inputs, numOutputs).map((output) => this.adoptSymbol(output));
    }
    return this.withHandles(ids, (handles) => execute(this.context, name, attributes as Attribute[], handles, numOutputs)).map((handle) => this.adopt(handle));
  }

  /** The tensor inside the trace: traced already, a constant, or captured from outside. */
  symbolOf(id: number): GraphOutput {
    const recorder = this.recorder!;
    const entry = this.entry(id);
    if (entry.symbol) {
      if (entry.symbol.recorder !== recorder) throw new TraceError(FOREIGN_TRACE);
      return entry.symbol;
    }
    if (entry.resource !== undefined) return recorder.variables.read(entry as Resource);
    const known = recorder.external.get(entry);
    if (known) return known;
    const symbol = this.importEntry(id, entry, recorder);
    recorder.external.set(entry, symbol);
    return symbol;
  }

  private importEntry(id: number, entry: Entry, recorder: Recorder): GraphOutput {
    const { values, dtype, shape } = entry;
    if (values && dtype !== TF.STRING && (values as Float32Array).byteLength <= INLINE_CONSTANT_BYTES) return recorder.constant(shape, dtype, values);
    // Ops that take their sizes, axes and permutations as tensors need them as constants to infer shapes.
    const isIndex = !values && (dtype === TF.INT32 ? elementCount(shape) <= SMALL_INDEX_COUNT : dtype !== TF.STRING && elementCount(shape) === 1);
    if (isIndex) return recorder.constant(shape, dtype, this.tensorDataSync(id));
    const own = this.withHandles([id], ([handle]) => c.TFE_TensorHandleCopySharingTensor(handle!, status));
    check("capture");
    return recorder.capture(dtype, shape, () => own, () => c.TFE_DeleteTensorHandle(own)).output;
  }

  // ---- variables ----

  /** A new resource variable with the value of a tensor. */
  newResource(id: number): TensorMetadata {
    const { symbol, shape, dtype } = this.entry(id);
    if (symbol) throw new TraceError(FOREIGN_TRACE);
    const resource = this.withHandles([id], ([value]) => this.newVariable(shape, dtype, value!));
    return { id: this.put({ shape, dtype, resource }), shape, dtype };
  }

  /** The value that a resource variable has at this point of the program. */
  valueOf(id: number): TensorMetadata {
    if (this.recorder) return this.adoptSymbol(this.symbolOf(id));
    const { resource, dtype } = this.entry(id);
    return this.adopt(this.readVariable(resource!, dtype));
  }

  private newVariable(shape: number[], dtype: number, value: Pointer): Pointer {
    const type: Attribute = { name: "dtype", type: ATTR.TYPE, value: dtype };
    // Without a shared_name of its own a variable silently aliases another of the same shape.
    const [resource] = execute(this.context, "VarHandleOp", [
      type,
      { name: "shape", type: ATTR.SHAPE, value: shape },
      { name: "shared_name", type: ATTR.STRING, value: `alignlab_${this.variableCount++}` },
      { name: "container", type: ATTR.STRING, value: "" },
    ], [], 1);
    execute(this.context, "AssignVariableOp", [type], [resource!, value], 0);
    return resource!;
  }

  /** Bytes of a tensor's values as TensorFlow holds them; tfjs knows fewer types. */
  bytesOf(id: number): number {
    const { shape, dtype } = this.entry(id);
    return elementCount(shape) * layoutOf(dtype)[0];
  }

  isResource(id: number): boolean {
    return this.entries.get(id)?.resource !== undefined;
  }

  hasHandle(id: number): boolean {
    const entry = this.entries.get(id);
    return entry?.handle !== undefined || entry?.resource !== undefined;
  }

  /** Whether a tensor has no numbers because it belongs to a trace. */
  isTraced(id: number): boolean {
    return this.entries.get(id)?.symbol !== undefined;
  }

  /**
   * Runs or records an op that changes variables in place. While recording, the op also waits for `after`.
   */
  updateResources(name: string, attributes: Attribute[], resourceIds: readonly number[], ids: readonly number[], after: readonly number[] = []): void {
    const resources = resourceIds.map((id) => this.entry(id) as Resource);
    if (this.recorder) {
      this.recorder.variables.write(name, attributes, resources, ids.map((id) => this.symbolOf(id)), after.map((id) => this.symbolOf(id)));
      return;
    }
    this.context.waitForBackground();
    this.withHandles(ids, (handles) => execute(this.context, name, attributes, [...resources.map((r) => r.resource), ...handles], 0));
  }

  /** Gives each id's eager handle to `use` (compiled calls). */
  callWith<T>(ids: readonly number[], use: (handles: Pointer[]) => T): T {
    return this.withHandles(ids, use);
  }

  // ---- counts ----

  getNumOfTensors(): number {
    return this.entries.size;
  }
  getNumOfHandles(): number {
    return this.handles;
  }
  isUsingGpuDevice(): boolean {
    return this.context.gpu !== null;
  }
  getNumOfSavedModels(): number {
    return 0;
  }
  loadSavedModel(): number {
    throw new Error("SavedModels are not read by this backend. Load weights with loadModel instead.");
  }
  deleteSavedModel(): void {
    throw new Error("SavedModels are not read by this backend.");
  }
  runSavedModel(): TensorMetadata[] {
    throw new Error("SavedModels are not read by this backend.");
  }
}
