import type { DataId, KernelFunc, Tensor, TensorInfo, Variable, backend_util } from "@tensorflow/tfjs";
import type { TensorMetadata } from "@tensorflow/tfjs-node-gpu/dist/tfjs_binding";
import { attributesOf, type, type RawAttributes } from "./attributes";
import { Binding } from "./binding";
import { hasTensorflow } from "./capi";
import { absent } from "./choice";
import { startFallback } from "./fallback";
import { registerKernels } from "./kernels/register";
import { portableOps } from "./portable/ops";
import { updatePortably } from "./portable/updates";
import { tf } from "./tfjs";
import { FOREIGN_TRACE, TraceError } from "./traceError";

export { type, attributesOf, type RawAttributes } from "./attributes";
export { tf } from "./tfjs";

const nodeBackend = require("@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend") as typeof import("@tensorflow/tfjs-node-gpu/dist/nodejs_kernel_backend");
require("@tensorflow/tfjs-node-gpu/dist/register_all_kernels");

/** tfjs-node's backend keeps these for itself; they are the seam between tfjs tensors and the binding. */
interface BackendInternals {
  getInputTensorIds(tensors: TensorInfo[]): number[];
  createOutputTensor(metadata: TensorMetadata): Tensor;
  tensorMap: { has(id: DataId): boolean; get(id: DataId): { values: backend_util.BackendValues | null; id: number } };
}

/** TensorFlow's side of the engine. Where another backend computes there is never a trace, and no other part of it. */
export const binding: Binding = hasTensorflow ? new Binding() : absent<Binding>("TensorFlow's binding", { recorder: null });

/** Data of tensors that lived in a trace and were disposed with it. */
const ofFinishedTraces = new WeakSet<DataId>();

class TensorFlowBackend extends nodeBackend.NodeJSKernelBackend {
  constructor() {
    super(binding, "@tensorflow/tfjs-node-gpu");
  }

  /** Unlike the stock backend's, this read leaves the event loop free while TensorFlow computes. */
  override async read(dataId: DataId): Promise<backend_util.BackendValues> {
    const { tensorMap } = this as unknown as BackendInternals;
    const info = tensorMap.has(dataId) ? tensorMap.get(dataId) : null;
    if (!info) throw new Error("The tensor to read is not on the TensorFlow backend (was it disposed?).");
    return info.values ?? ((await binding.tensorData(info.id)) as backend_util.BackendValues);
  }

  override disposeData(dataId: DataId, force?: boolean): boolean {
    const { tensorMap } = this as unknown as BackendInternals;
    const traced = tensorMap.has(dataId) && binding.isTraced(tensorMap.get(dataId).id);
    const gone = super.disposeData(dataId, force);
    if (traced && gone) ofFinishedTraces.add(dataId);
    return gone;
  }
}

// Without TensorFlow the class itself takes what is put in place below, and nothing ever calls it.
const internals = (hasTensorflow ? new TensorFlowBackend() : TensorFlowBackend.prototype) as unknown as BackendInternals;
registerKernels();
if (hasTensorflow) {
  tf.registerBackend("tensorflow", () => internals as unknown as TensorFlowBackend, 3);
  tf.setBackend("tensorflow");
} else {
  startFallback();
}

/** The binding's id of a tensor, sent to the device first if need be. */
export function idOf(tensor: TensorInfo): number {
  return internals.getInputTensorIds([tensor])[0]!;
}

/** Whether a tensor has no numbers because it belongs to a trace. */
export function isTraced({ dataId }: TensorInfo): boolean {
  return hasTensorflow && internals.tensorMap.has(dataId) && binding.isTraced(internals.tensorMap.get(dataId).id);
}

/** Whether a tensor's data is in TensorFlow's memory by now; what JavaScript made goes there on first use. */
export function hasHandle({ dataId }: TensorInfo): boolean {
  return hasTensorflow && internals.tensorMap.has(dataId) && binding.hasHandle(internals.tensorMap.get(dataId).id);
}

/** Tensors that TensorFlow holds for this process. */
export const nativeHandles = (): number => (hasTensorflow ? binding.getNumOfHandles() : 0);

/** Whether tensors live in a GPU's memory, of which the machine's own tells nothing. */
export const isOnGpu = (): boolean => (hasTensorflow ? binding.isUsingGpuDevice() : tf.getBackend() === "webgpu");

/** Bytes of a tensor's values on the device; tfjs knows fewer types than TensorFlow. */
export const bytesOnDevice = (tensor: Tensor): number => (hasTensorflow ? binding.bytesOf(idOf(tensor)) : tensor.size * tf.util.bytesPerElement(tensor.dtype));

const stockOutputTensor = internals.createOutputTensor;

/** A tfjs tensor, owned by the current scope, around what the binding returned. One of a dtype that tfjs lacks is for ops by their TensorFlow names. */
export function tensorFrom(metadata: TensorMetadata): Tensor {
  return stockOutputTensor.call(internals, metadata);
}

// tfjs has neither int64 nor uint8: what its kernels give in them becomes int32 on the device, so that any op takes it.
internals.createOutputTensor = function (this: BackendInternals, metadata: TensorMetadata): Tensor {
  return stockOutputTensor.call(this, binding.toTfjs(metadata));
};

/** Puts another kernel in the place of tfjs-node's. @param kernel gets the stock one too */
export function replaceKernel(kernelName: string, kernel: (call: Parameters<KernelFunc>[0], stock: KernelFunc) => ReturnType<KernelFunc>): void {
  const { kernelFunc: stock } = tf.getKernel(kernelName, "tensorflow")!;
  tf.unregisterKernel(kernelName, "tensorflow");
  tf.registerKernel({ kernelName, backendName: "tensorflow", kernelFunc: (call) => kernel(call, stock) });
}

// The stock kernel lets the result share its input's data. A variable that is written in place must not change its copies with it.
replaceKernel("Identity", (call, stock) => {
  const { x } = call.inputs as { x: Tensor };
  if (internals.tensorMap.get(x.dataId).values || !binding.isResource(idOf(x))) return stock(call);
  return tensorFrom(binding.valueOf(idOf(x)));
});

// A trace knows which reshapes undo each other.
replaceKernel("Reshape", (call, stock) => {
  const { x } = call.inputs as { x: Tensor };
  if (!binding.recorder || x.shape.some((size) => size < 0)) return stock(call);
  const shape = tf.util.inferFromImplicitShape((call.attrs as unknown as { shape: number[] }).shape, x.size);
  return tensorFrom(binding.adoptSymbol(binding.recorder.reshape(binding.symbolOf(idOf(x)), shape)));
});

// In a compiled function on a CPU oneDNN computes it, which leaves some values of a row with NaN at 0 as if nothing were amiss.
replaceKernel("Softmax", (call, stock) => {
  if (!binding.recorder || binding.context.gpu) return stock(call);
  const { logits } = call.inputs as { logits: Tensor };
  return tf.tidy(() => {
    const isSpoilt = rawOp("Any", [rawOp("IsNan", [logits], { T: type("float32") }), tf.scalar(-1, "int32")], { keep_dims: true, Tidx: type("int32") });
    return rawOp("SelectV2", [isSpoilt, tf.scalar(NaN), stock(call) as Tensor], { T: type("float32") });
  });
});

/**
 * Runs or records a TensorFlow op by its own name, outside of tfjs's tape: use it inside tf.customGrad.
 * @throws BackendError where another backend computes and the op has no portable form
 */
export function rawOps(name: string, inputs: Tensor[], attributes: RawAttributes, numOutputs: number): Tensor[] {
  if (!hasTensorflow) return portableOps(name, inputs, attributes);
  return binding.executeOp(name, attributesOf(attributes) as never, internals.getInputTensorIds(inputs), numOutputs).map(tensorFrom);
}

export function rawOp(name: string, inputs: Tensor[], attributes: RawAttributes): Tensor {
  return rawOps(name, inputs, attributes, 1)[0]!;
}

/** Runs or records an op whose first inputs are variables that it changes in place, after `after` is computed. */
export function updateVariables(name: string, attributes: RawAttributes, variables: Tensor[], inputs: Tensor[], after: Tensor[] = []): void {
  if (!hasTensorflow) return updatePortably(name, attributes, variables as Variable[], inputs);
  binding.updateResources(name, attributesOf(attributes), variables.map((variable) => idOf(toResource(variable))), internals.getInputTensorIds(inputs), after.map(idOf));
}

/**
 * For gradients: a saved operand or result of a matrix product as the backward pass needs it. In a bfloat16 trace only
 * the product's own bfloat16 copy stays in memory until `dy`, the incoming gradient, is there; else it is `saved` itself.
 */
export function recall(saved: Tensor, dy: Tensor): Tensor {
  if (!binding.recorder) return saved;
  return tensorFrom(binding.adoptSymbol(binding.recorder.recall(binding.symbolOf(idOf(saved)), binding.symbolOf(idOf(dy)))));
}

/**
 * For gradients: `x` as an operand of a matrix product, in a trace not before `after` is computed, so that the parts of
 * a computation run one after the other.
 */
export function sequence<T extends Tensor>(x: T, after: Tensor | undefined): T {
  if (!binding.recorder || !after) return x;
  return tensorFrom(binding.adoptSymbol(binding.recorder.sequence(binding.symbolOf(idOf(x)), binding.symbolOf(idOf(after))))) as T;
}

/** `x` for matrix products alone: in a trace of narrow products its narrow copy stays in memory. */
export function asOperand<T extends Tensor>(x: T): T {
  const { recorder } = binding;
  if (!recorder || recorder.narrowDtype === null) return x;
  return tensorFrom(binding.adoptSymbol(recorder.widened(recorder.cast(binding.symbolOf(idOf(x)), recorder.narrowDtype)))) as T;
}

/**
 * `x`, in a trace not before `after` is computed: what is computed from it is then computed at that time, and apart from
 * what is computed of `x` itself.
 */
export function delayed<T extends Tensor>(x: T, after: Tensor): T {
  if (!binding.recorder) return x;
  return tensorFrom(binding.adoptSymbol(binding.recorder.gate(binding.symbolOf(idOf(x)), binding.symbolOf(idOf(after))))) as T;
}

/** Puts a variable's value into TensorFlow's own memory, where traced functions read and update it in place. Elsewhere it is a tfjs variable like others. */
export function toResource<T extends Tensor>(variable: T): T {
  if (!hasTensorflow || binding.isResource(idOf(variable))) return variable;
  // Tensors that share the variable's data, such as the one it was made of, keep theirs.
  const own = tensorFrom(binding.newResource(idOf(variable)));
  stockAssign.call(variable as unknown as Variable, own as never);
  own.dispose();
  return variable;
}

// Of a tensor that its trace disposed, tfjs would say only that it is disposed, or trip over its missing data.
const stockInputIds = internals.getInputTensorIds;
internals.getInputTensorIds = function (this: BackendInternals, tensors: TensorInfo[]): number[] {
  if (tensors.some(({ dataId }) => ofFinishedTraces.has(dataId))) throw new TraceError(FOREIGN_TRACE);
  for (const { dataId } of tensors) binding.recorder?.given.add(dataId);
  return stockInputIds.call(this, tensors);
};
const tensorPrototype = tf.Tensor.prototype as unknown as { throwIfDisposed(this: Tensor): void };
const stockThrowIfDisposed = tensorPrototype.throwIfDisposed;
tensorPrototype.throwIfDisposed = function (this: Tensor): void {
  if (this.isDisposed && ofFinishedTraces.has(this.dataId)) throw new TraceError(FOREIGN_TRACE);
  stockThrowIfDisposed.call(this);
};

// tfjs's assign swaps the tensor behind a variable. A variable that compiled functions hold must keep its place: it is written instead.
const stockAssign = tf.Variable.prototype.assign;
tf.Variable.prototype.assign = function (this: Variable, value: Tensor): void {
  if (this.isDisposed) throw new Error(`assign: the variable ${this.name} is disposed.`);
  const known = hasTensorflow && internals.tensorMap.has(this.dataId) && internals.tensorMap.get(this.dataId);
  if (!known || known.values || !binding.isResource(known.id)) return stockAssign.call(this, value as never);
  if (value.dtype !== this.dtype || !tf.util.arraysEqual(value.shape, this.shape)) {
    throw new Error(`assign: the variable is ${this.dtype} [${this.shape}], the new value ${value.dtype} [${value.shape}].`);
  }
  updateVariables("AssignVariableOp", { dtype: type(this.dtype) }, [this], [value]);
};

/** Every `tf.variable` alive becomes a resource, so that a trace captures the variable and not its value of the moment. */
export function keepVariablesInPlace(): void {
  for (const variable of Object.values(tf.engine().state.registeredVariables)) toResource(variable);
}
